package process

import (
	"path/filepath"
	"syscall"
	"testing"
)

// A child that is just being started has copies of all files for a moment: the lock must not wait for it.
func TestUnlockWhileSomebodyHasACopy(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := syscall.Dup(int(first.file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(copied) //nolint:errcheck // a copy for reading nothing
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	second, err := TryLock(path)
	if err != nil {
		t.Fatalf("the lock stays with the copy: %v", err)
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
}

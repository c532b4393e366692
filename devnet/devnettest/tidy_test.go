package devnettest

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/process"
)

// A test binary that is killed, panics or runs out of time leaves no folder: not
// its own, and not the one that Postgres has elsewhere.
func TestTidiesAfterAnyEnd(t *testing.T) {
	if dir := os.Getenv("HOLDFAST_TEST_TIDY"); dir != "" {
		if _, err := tidyAfter(dir); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	root := t.TempDir()
	dir, elsewhere := filepath.Join(root, "network"), filepath.Join(root, "elsewhere")
	for _, sub := range []string{filepath.Join(dir, "postgres"), filepath.Join(elsewhere, "data")} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "postgres", "elsewhere")); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=TestTidiesAfterAnyEnd")
	child.Env = append(os.Environ(), "HOLDFAST_TEST_TIDY="+dir)
	if err := child.Run(); err == nil {
		t.Fatal("the child was to be killed")
	}
	if !process.Poll(t.Context(), 10*time.Second, 10*time.Millisecond, func() bool {
		_, errDir := os.Stat(dir)
		_, errElsewhere := os.Stat(elsewhere)
		return os.IsNotExist(errDir) && os.IsNotExist(errElsewhere)
	}) {
		t.Error("the folders are left")
	}
}

package process

import (
	"errors"
	"os"
	"syscall"
)

// Lock is an exclusive lock on a file; it ends with the process that holds it.
type Lock struct{ file *os.File }

// TryLock takes the lock, creating the file if needed, or fails at once if
// another process (or another Lock of ours) holds it.
func TryLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		_ = file.Close() // the lock's error is the one to report
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
	return &Lock{file: file}, nil
}

// Unlock gives the lock back. It may be called twice.
func (l *Lock) Unlock() error {
	if l.file == nil {
		return nil
	}
	// Closing alone would leave it to a child that is being started: between fork and exec that has a copy of every file.
	err := errors.Join(syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN), l.file.Close())
	l.file = nil
	return err
}

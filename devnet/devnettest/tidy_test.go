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
// its own, and not the one that Postgres has elsewhere. But its logs are kept.
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
	kept := filepath.Join(root, "kept", "holdfast-failed-devnettest")
	for _, sub := range []string{filepath.Join(dir, "postgres"), filepath.Join(dir, "log"), filepath.Join(elsewhere, "data"), kept} {
		if err := os.MkdirAll(sub, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{filepath.Join(dir, "log", "lnd-bank.log"), filepath.Join(dir, "state.json"), filepath.Join(kept, "older.log")} {
		if err := os.WriteFile(file, []byte("what happened"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(dir, "postgres", "elsewhere")); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=TestTidiesAfterAnyEnd")
	child.Env = append(os.Environ(), "HOLDFAST_TEST_TIDY="+dir, logsEnv+"="+filepath.Dir(kept))
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
	left, err := os.ReadDir(kept)
	if err != nil || len(left) != 1 || left[0].Name() != "lnd-bank.log" {
		t.Errorf("kept are %v, %v; want the log alone", left, err)
	}
}

// A run that has passed leaves nothing.
func TestNothingIsKeptOfWhatPasses(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "network")
	t.Setenv(logsEnv, filepath.Join(root, "kept"))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "temporal.log"), []byte("what happened"), 0o600); err != nil {
		t.Fatal(err)
	}
	tidied, err := tidyAfter(dir)
	if err != nil {
		t.Fatal(err)
	}
	tidied(true)
	if left, err := os.ReadDir(root); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

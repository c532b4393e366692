package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/process"
)

func start(t *testing.T, script string) (*process.Process, process.Spec) {
	t.Helper()
	dir := t.TempDir()
	spec := process.Spec{
		Name: "child", Path: "/bin/sh", Args: []string{"-c", script},
		LogPath: filepath.Join(dir, "log"), PidFile: filepath.Join(dir, "pid"),
	}
	p, err := process.Start(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill() }) // most tests have ended it
	if !process.Poll(t.Context(), 10*time.Second, 5*time.Millisecond, func() bool { return strings.Contains(p.LogTail(1), "up") }) {
		t.Fatal("the child does not start")
	}
	return p, spec
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// Invariant 3.
func TestStopKillsWhatDoesNotStop(t *testing.T) {
	t.Parallel()
	deaf, _ := start(t, "trap '' TERM; echo up; while :; do sleep 0.1; done")
	if err := deaf.Stop(200 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stop of a deaf child: %v", err)
	}
	polite, spec := start(t, "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done")
	if err := polite.Stop(10 * time.Second); err != nil {
		t.Error(err)
	}
	if polite.Running() || alive(polite.Pid()) {
		t.Error("the polite child still runs")
	}
	if _, err := os.Stat(spec.PidFile); !os.IsNotExist(err) {
		t.Errorf("the pid file is left: %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	_, err := process.Start(process.Spec{Name: "child", Path: "/no/such/program", LogPath: filepath.Join(t.TempDir(), "log")})
	if err == nil || !strings.Contains(err.Error(), "start child") {
		t.Error(err)
	}
}

// Invariant 2: the pid file of a dead process may name a living one of somebody else.
func TestEndStale(t *testing.T) {
	t.Parallel()
	p, spec := start(t, "echo up; exec sleep 100")
	text, err := os.ReadFile(spec.PidFile)
	if err != nil {
		t.Fatal(err)
	}
	reused := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(reused, fmt.Appendf(nil, "%d 12345\n", p.Pid()), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := process.EndStale(t.Context(), reused, time.Second); err != nil || !p.Running() {
		t.Fatalf("a reused id: error %v, running %t", err, p.Running())
	}
	stale := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(stale, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := process.EndStale(t.Context(), stale, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.Done():
	case <-time.After(5 * time.Second):
		t.Error("the stale process runs on")
	}
	if err := process.EndStale(t.Context(), stale, time.Second); err != nil {
		t.Errorf("no pid file: %v", err)
	}
}

// Invariant 1. The test binary is its own supervisor, which is killed.
func TestChildDiesWithItsSupervisor(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("HOLDFAST_TEST_SUPERVISE"); dir != "" {
		_, err := process.Start(process.Spec{
			Name: "child", Path: "/bin/sleep", Args: []string{"100"},
			LogPath: filepath.Join(dir, "log"), PidFile: filepath.Join(dir, "pid"),
		})
		if err != nil {
			t.Fatal(err)
		}
		select {} // until we are killed
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux tells a child of its parent's death")
	}
	dir := t.TempDir()
	supervisor := exec.Command(os.Args[0], "-test.run=TestChildDiesWithItsSupervisor")
	supervisor.Env = append(os.Environ(), "HOLDFAST_TEST_SUPERVISE="+dir)
	if err := supervisor.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	if !process.Poll(t.Context(), 10*time.Second, 5*time.Millisecond, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "pid"))
		if err == nil {
			_, err = fmt.Sscan(string(text), &pid)
		}
		return err == nil
	}) {
		t.Fatal("no child was started")
	}
	if err := supervisor.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = supervisor.Wait() // it was killed
	if !process.Poll(t.Context(), 10*time.Second, 5*time.Millisecond, func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}) {
		t.Errorf("child %d outlives its supervisor", pid)
	}
}

func TestLockIsExclusive(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	first, err := process.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := process.TryLock(path); err == nil {
		t.Error("a second lock was given")
	}
	if err := first.Unlock(); err != nil {
		t.Fatal(err)
	}
	second, err := process.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Unlock(); err != nil {
		t.Error(err)
	}
}

package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// EndStale ends the process that pidFile names, if it still runs and started at
// the time the file says, and removes the file. It asks with SIGTERM first and
// kills after grace. A missing file is fine.
func EndStale(ctx context.Context, pidFile string, grace time.Duration) error {
	pid, started, err := readPidFile(pidFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && startTime(pid) == started && started != "" {
		if err := End(ctx, pid, syscall.SIGTERM, grace); err != nil {
			return err
		}
	}
	return os.Remove(pidFile)
}

// End signals a process that is not our child and waits until it is gone,
// killing it after grace.
func End(ctx context.Context, pid int, sig syscall.Signal, grace time.Duration) error {
	started := startTime(pid)
	gone := func() bool { return startTime(pid) != started || started == "" }
	for _, step := range []struct {
		sig  syscall.Signal
		wait time.Duration
	}{{sig, grace}, {syscall.SIGKILL, 10 * time.Second}} {
		if gone() {
			return nil
		}
		if err := syscall.Kill(pid, step.sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("process %d of an earlier run cannot be ended: %w", pid, err)
		}
		if Poll(ctx, step.wait, 20*time.Millisecond, gone) {
			return nil
		}
	}
	return fmt.Errorf("process %d of an earlier run does not end; end it by hand (kill -9 %d)", pid, pid)
}

// Poll asks ok at once and then every interval until it answers true, the time
// is over or ctx ends; it reports whether ok was seen true.
func Poll(ctx context.Context, within, every time.Duration, ok func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func writePidFile(path string, pid int) error {
	return os.WriteFile(path, fmt.Appendf(nil, "%d %s\n", pid, startTime(pid)), 0o600)
}

func readPidFile(path string) (pid int, started string, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, "", err
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err = strconv.Atoi(first)
	return pid, rest, err
}

// startTime identifies the process behind a pid; empty if there is none (a
// zombie counts as none).
func startTime(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		// Fields after the command, which is in parentheses and may hold spaces:
		// state is the first, start time in clock ticks the twentieth (proc_pid_stat(5)).
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		if len(fields) < 20 || fields[0] == "Z" {
			return ""
		}
		return fields[19]
	}
	if _, noProc := os.Stat("/proc/self/stat"); noProc == nil {
		return ""
	}
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Tail returns the last lines of a file, or a note that it cannot be read.
func Tail(path string, lines int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Spec describes a child to start.
type Spec struct {
	Name    string   // for messages, e.g. "lnd-bank"
	Path    string   // the executable
	Args    []string // without the program name
	Env     []string // KEY=VALUE; nil inherits ours
	Dir     string   // working directory; empty inherits ours
	LogPath string   // stdout and stderr are appended here
	PidFile string   // empty: none is written

	Credential  *syscall.Credential // nil: our own user
	StopSignal  syscall.Signal      // asks for a graceful end; default SIGTERM
	DeathSignal syscall.Signal      // sent by the kernel when we die; default SIGKILL
}

// Process is a started child.
type Process struct {
	spec  Spec
	cmd   *exec.Cmd
	since time.Time
	done  chan struct{}
	err   error // set before done closes
}

// Start starts the child and returns as soon as it runs; the caller waits for
// its readiness.
func Start(spec Spec) (*Process, error) {
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	if spec.DeathSignal == 0 {
		spec.DeathSignal = syscall.SIGKILL
	}
	if err := os.MkdirAll(filepath.Dir(spec.LogPath), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(spec.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor

	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = childAttributes(spec)

	p := &Process{spec: spec, cmd: cmd, since: time.Now(), done: make(chan struct{})}
	started := make(chan error, 1)
	go p.supervise(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	if spec.PidFile != "" {
		if err := writePidFile(spec.PidFile, cmd.Process.Pid); err != nil {
			return nil, errors.Join(err, p.Kill())
		}
	}
	return p, nil
}

// supervise starts the child and waits for its end, both on one OS thread that
// nothing else uses: the kernel's parent-death signal follows the thread that
// forked, and Go would otherwise end idle threads at will.
func (p *Process) supervise(started chan<- error) {
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	started <- nil
	p.err = p.cmd.Wait()
	close(p.done)
}

// Pid is the child's process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Since is when the child was started.
func (p *Process) Since() time.Time { return p.since }

// Done closes when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the child ended; call it after Done.
func (p *Process) Err() error { return p.err }

// Running reports whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Signal sends sig to the child. A child that has ended is not an error.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// Stop asks the child to end and kills it after grace. It returns when the child is gone.
func (p *Process) Stop(grace time.Duration) error {
	if err := p.Signal(p.spec.StopSignal); err != nil {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		p.removePidFile()
		return nil
	case <-timer.C:
		if err := p.Kill(); err != nil {
			return err
		}
		return fmt.Errorf("%s did not stop within %s and was killed", p.spec.Name, grace)
	}
}

// Kill ends the child with SIGKILL and returns when it is gone.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	<-p.done
	p.removePidFile()
	return nil
}

func (p *Process) removePidFile() {
	if p.spec.PidFile != "" {
		_ = os.Remove(p.spec.PidFile) // a stale one is harmless, see EndStale
	}
}

// LogTail returns the last lines of the child's log, for a message about its failure.
func (p *Process) LogTail(lines int) string { return Tail(p.spec.LogPath, lines) }

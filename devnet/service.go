package devnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/process"
)

// ProcessState says whether a process runs.
type ProcessState string

// The states of a process.
const (
	Running ProcessState = "running"
	Stopped ProcessState = "stopped" // by Stop, StopProcess or KillProcess, or not started yet
	Exited  ProcessState = "exited"  // by itself
)

// errExited stands for the exit of a process that gave no reason.
var errExited = errors.New("it gave no reason")

// ProcessStatus is a line of ps.
type ProcessStatus struct {
	Name  string       `json:"name"`
	Pid   int          `json:"pid,omitempty"`
	State ProcessState `json:"state"`
	Ports []int        `json:"ports,omitempty"`
	Since time.Time    `json:"since,omitzero"`
}

// child is a running process. *process.Process is one; so is a Postgres server.
type child interface {
	Pid() int
	Since() time.Time
	Done() <-chan struct{}
	Stop(grace time.Duration) error
	Kill() error
}

// service is a process of the network that can be stopped and started again.
type service struct {
	name  string
	ports []int
	grace time.Duration // for a graceful stop

	// start starts the process and returns when it is ready; the second answer is
	// not nil only without an error.
	start func(ctx context.Context) (child, error)

	changing sync.Mutex // held through start and stop: one at a time
	mu       sync.Mutex
	running  child // guarded by mu; nil when stopped
}

func (s *service) up(ctx context.Context) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	if c := s.current(); c != nil {
		if !ended(c) {
			return nil
		}
		// What it held (a lock, a pid file) is given back.
		if err := c.Kill(); err != nil {
			return err
		}
	}
	c, err := s.start(ctx)
	if err != nil {
		return err
	}
	s.set(c)
	return nil
}

func (s *service) down(how func(child) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	c := s.current()
	if c == nil {
		return nil
	}
	err := how(c)
	s.set(nil)
	return err
}

func (s *service) current() child {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func (s *service) set(c child) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = c
}

func (s *service) stop() error {
	return s.down(func(c child) error { return c.Stop(s.grace) })
}

func (s *service) kill() error { return s.down(child.Kill) }

func (s *service) status() ProcessStatus {
	status := ProcessStatus{Name: s.name, State: Stopped, Ports: s.ports}
	c := s.current()
	if c == nil {
		return status
	}
	status.Pid, status.Since, status.State = c.Pid(), c.Since(), Running
	if ended(c) {
		status.Pid, status.State = 0, Exited
	}
	return status
}

func ended(c child) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// startReady starts a process and asks probe until it answers nil. On failure the
// process is gone and the error holds the end of its log.
func startReady(ctx context.Context, spec process.Spec, within time.Duration, probe func(ctx context.Context, pid int) error) (child, error) {
	p, err := process.Start(spec)
	if errors.Is(err, syscall.ENOEXEC) {
		return nil, fmt.Errorf("%w: the file is damaged, remove %s and start again", err, spec.Path)
	}
	if err != nil {
		return nil, err
	}
	last := errors.New("it was not asked yet")
	process.Poll(ctx, within, 30*time.Millisecond, func() bool {
		if !p.Running() {
			return true
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		last = probe(ctx, p.Pid())
		return last == nil
	})
	switch {
	case !p.Running():
		err = fmt.Errorf("%s ended while it started: %w", spec.Name, cmp.Or(p.Err(), errExited))
	case last == nil:
		return p, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("%s was not ready yet: %w", spec.Name, ctx.Err())
	default:
		err = fmt.Errorf("%s was not ready within %s: %w", spec.Name, within, last)
	}
	return nil, errors.Join(fmt.Errorf("%w\nlast lines of %s:\n%s", err, spec.LogPath, p.LogTail(12)), p.Kill())
}

// await asks until ok answers nil or the time is over.
func await(ctx context.Context, within time.Duration, what string, ok func(context.Context) error) error {
	last := errors.New("not asked yet")
	if process.Poll(ctx, within, 50*time.Millisecond, func() bool {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		last = ok(ctx)
		return last == nil
	}) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), last))
	}
	return fmt.Errorf("%s: not within %s: %w", what, within, last)
}

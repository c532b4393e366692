package devnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// The control socket lets other processes list, stop, start and kill the
// network's processes: one JSON request and one JSON answer per connection. Who
// may open the socket is decided by the file system.

type controlRequest struct {
	Op   string `json:"op"` // ps, stop, start, kill
	Name string `json:"name,omitempty"`
}

type controlAnswer struct {
	Error     string          `json:"error,omitempty"`
	Processes []ProcessStatus `json:"processes,omitempty"`
}

// controlFile holds the path of the socket: a network's folder may lie deeper than
// a socket's path can be long (108 bytes on Linux).
func controlFile(dir string) string { return filepath.Join(dir, "run", "control") }

const maxSocketPath = 100

type control struct {
	listener net.Listener
	ownDir   string // a folder made for the socket alone
	file     string
	cancel   context.CancelFunc
	handlers sync.WaitGroup
}

func listenControl(n *Network) (*control, error) {
	c := &control{file: controlFile(n.cfg.Dir)}
	path := n.cfg.path("run", "control.sock")
	if len(path) > maxSocketPath {
		var err error
		if c.ownDir, err = os.MkdirTemp("", "holdfast-"); err != nil {
			return nil, err
		}
		path = filepath.Join(c.ownDir, "control.sock")
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var err error
	if c.listener, err = net.Listen("unix", path); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(path, 0o600), writeFile(c.file, []byte(path+"\n"))); err != nil {
		return nil, errors.Join(err, c.listener.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.handlers.Go(func() { c.serve(ctx, n) })
	return c, nil
}

func (c *control) serve(ctx context.Context, n *Network) {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed
		}
		c.handlers.Go(func() {
			defer conn.Close()
			var req controlRequest
			answer := controlAnswer{}
			if err := json.NewDecoder(conn).Decode(&req); err != nil {
				answer.Error = err.Error()
			} else if err := n.steer(ctx, req, &answer); err != nil {
				answer.Error = err.Error()
			}
			_ = json.NewEncoder(conn).Encode(answer) // a client that has gone wants no answer
		})
	}
}

func (n *Network) steer(ctx context.Context, req controlRequest, answer *controlAnswer) error {
	switch req.Op {
	case "ps":
		answer.Processes = n.Ps()
		return nil
	case "stop":
		return n.StopProcess(req.Name)
	case "start":
		return n.StartProcess(ctx, req.Name)
	case "kill":
		return n.KillProcess(req.Name)
	}
	return fmt.Errorf("unknown operation %q", req.Op)
}

func (c *control) close() error {
	c.cancel()
	err := c.listener.Close()
	c.handlers.Wait()
	_ = os.Remove(c.file) // Attach finds out by the socket anyway
	if c.ownDir != "" {
		err = errors.Join(err, os.RemoveAll(c.ownDir))
	}
	return err
}

// Remote steers a network that another process runs.
type Remote struct {
	Operations
	socket string
}

// Attach finds the network that runs in dir.
func Attach(dir string) (*Remote, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	notRunning := func(err error) error {
		return fmt.Errorf("no network runs in %s: start one with `make dev` or `holdfast dev` (%w)", dir, err)
	}
	path, err := os.ReadFile(controlFile(dir))
	if err != nil {
		return nil, notRunning(err)
	}
	env, err := ReadEnv(filepath.Join(dir, "env"))
	if err != nil {
		return nil, notRunning(err)
	}
	r := &Remote{Operations: newOperations(dir, env), socket: strings.TrimSpace(string(path))}
	if _, err := r.Ps(); err != nil {
		return nil, notRunning(err)
	}
	return r, nil
}

// Env is the network's addresses, paths and credentials.
func (r *Remote) Env() map[string]string { return r.env }

// Ps lists the network's processes in the order of their start.
func (r *Remote) Ps() ([]ProcessStatus, error) {
	answer, err := r.call(context.Background(), controlRequest{Op: "ps"})
	return answer.Processes, err
}

// StopProcess ends a process gracefully and returns when it is gone.
func (r *Remote) StopProcess(name string) error {
	_, err := r.call(context.Background(), controlRequest{Op: "stop", Name: name})
	return err
}

// KillProcess ends a process with SIGKILL.
func (r *Remote) KillProcess(name string) error {
	_, err := r.call(context.Background(), controlRequest{Op: "kill", Name: name})
	return err
}

// StartProcess starts a process and returns when it is ready.
func (r *Remote) StartProcess(ctx context.Context, name string) error {
	_, err := r.call(ctx, controlRequest{Op: "start", Name: name})
	return err
}

func (r *Remote) call(ctx context.Context, req controlRequest) (answer controlAnswer, err error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", r.socket)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return answer, err
	}
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return answer, err
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return answer, fmt.Errorf("the network ended while it was asked: %w", err)
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}

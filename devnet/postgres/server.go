package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/devnet/process"
)

// User is the superuser of every cluster.
const User = "holdfast"

const (
	readyWithin = 60 * time.Second // crash recovery after a kill included
	stopWithin  = 20 * time.Second
)

// Config says what server to start.
type Config struct {
	Dir  string // holds the cluster; created if missing
	Port int    // 0: a free one
	Fast bool   // for tests: no fsync, trust authentication; a crash of the machine loses data
	Log  string // log file; default Dir/postgres.log
}

// Server is a running PostgreSQL server.
type Server struct {
	proc     *process.Process
	lock     *process.Lock
	port     int
	password string
}

// Start starts the server of cfg.Dir, creating the cluster (superuser
// "holdfast", database "holdfast") if there is none, and returns when it accepts
// connections. A postmaster left over from a killed run is stopped first.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	bin, err := FindBinaries()
	if err != nil {
		return nil, err
	}
	cred, err := runAs()
	if err != nil {
		return nil, err
	}
	where, err := findPlace(cfg.Dir, cred)
	if err != nil {
		return nil, err
	}
	lock, err := process.TryLock(filepath.Join(where.home, "lock"))
	if err != nil {
		return nil, fmt.Errorf("the Postgres cluster in %s is in use by another process: stop that one first (%w)", cfg.Dir, err)
	}
	s, err := start(ctx, cfg, bin, cred, where)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	s.lock = lock
	return s, nil
}

func start(ctx context.Context, cfg Config, bin string, cred *syscall.Credential, where place) (*Server, error) {
	if err := endOldPostmaster(ctx, where.data()); err != nil {
		return nil, err
	}
	password, err := initCluster(ctx, cfg, bin, cred, where)
	if err != nil {
		return nil, err
	}
	if cfg.Log == "" {
		cfg.Log = filepath.Join(where.home, "postgres.log")
	}
	if cfg.Port != 0 {
		s := &Server{port: cfg.Port, password: password}
		return s, s.launch(ctx, cfg, bin, cred, where)
	}
	// A free port can be lost to somebody else between the look and the bind.
	for range 3 {
		s := &Server{password: password}
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.launch(ctx, cfg, bin, cred, where); !errors.Is(err, errPortInUse) {
			return s, err
		}
	}
	return nil, err
}

var errPortInUse = errors.New("port in use")

// errStillInUse: the processes of a killed server notice its death one after the other, and hold its memory until then.
var errStillInUse = errors.New("the processes of a killed server have not ended yet")

// oldEndsWithin is how long they may take.
const oldEndsWithin = 10 * time.Second

// launch runs the server on s.port and waits until it is ready, and before that for what a killed one has left.
func (s *Server) launch(ctx context.Context, cfg Config, bin string, cred *syscall.Credential, where place) (err error) {
	process.Poll(ctx, oldEndsWithin, 100*time.Millisecond, func() bool {
		err = s.launchOnce(ctx, cfg, bin, cred, where)
		return !errors.Is(err, errStillInUse)
	})
	return err
}

func (s *Server) launchOnce(ctx context.Context, cfg Config, bin string, cred *syscall.Credential, where place) error {
	listener, err := net.Listen("tcp", s.address())
	if err != nil {
		return fmt.Errorf("%w: Postgres cannot listen on %s: choose another base port or stop what uses it", errPortInUse, s.address())
	}
	if err := listener.Close(); err != nil {
		return err
	}
	s.proc, err = process.Start(process.Spec{
		Name:        "postgres",
		Path:        filepath.Join(bin, "postgres"),
		Args:        append([]string{"-D", where.data(), "-p", strconv.Itoa(s.port)}, settings(cfg.Fast)...),
		Env:         serverEnv(),
		Dir:         where.root,
		LogPath:     cfg.Log,
		PidFile:     filepath.Join(where.home, "pid"),
		Credential:  cred,
		StopSignal:  syscall.SIGINT, // fast shutdown: does not wait for clients
		DeathSignal: syscall.SIGINT,
	})
	if err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		tail := s.proc.LogTail(10)
		if strings.Contains(tail, "could not bind") {
			err = errors.Join(errPortInUse, err)
		}
		if strings.Contains(tail, "is still in use") {
			err = errors.Join(errStillInUse, err)
		}
		return errors.Join(fmt.Errorf("%w\nlast lines of %s:\n%s", err, cfg.Log, tail), s.proc.Kill())
	}
	return nil
}

func (s *Server) waitReady(ctx context.Context) error {
	var last error
	ready := process.Poll(ctx, readyWithin, 25*time.Millisecond, func() bool {
		if !s.proc.Running() {
			return true
		}
		last = s.ping(ctx)
		return last == nil
	})
	switch {
	case !s.proc.Running():
		return fmt.Errorf("Postgres ended while it started: %w", s.proc.Err())
	case ctx.Err() != nil:
		return ctx.Err()
	case !ready:
		return fmt.Errorf("Postgres was not ready within %s: %w", readyWithin, last)
	}
	return nil
}

func (s *Server) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// settings are the server's command line settings; the configuration file stays initdb's.
func settings(fast bool) []string {
	values := []string{
		"listen_addresses=127.0.0.1",
		"unix_socket_directories=",
		"jit=off",
		"log_checkpoints=off",
		"max_wal_size=512MB",
	}
	if fast {
		// synchronous_commit stays on: it is cheap without fsync, and a killed
		// server must not lose what it has acknowledged. The ledger works with
		// fsync off only where the server says that nothing here is to be kept.
		values = append(values, "max_connections=100", "shared_buffers=32MB", "fsync=off", "full_page_writes=off", "holdfast.throw_away=on")
	} else {
		values = append(values, "max_connections=200", "shared_buffers=128MB")
	}
	args := make([]string, 0, 2*len(values))
	for _, v := range values {
		args = append(args, "-c", v)
	}
	return args
}

func serverEnv() []string {
	return []string{"LC_ALL=C", "TZ=UTC", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}
}

func (s *Server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port is the TCP port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Pid is the postmaster's process id.
func (s *Server) Pid() int { return s.proc.Pid() }

// Process is the postmaster.
func (s *Server) Process() *process.Process { return s.proc }

// URL is the connection string of a database, for the superuser.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(User, s.password), Host: s.address(),
		Path: "/" + database, RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase creates a database, as a copy of template unless that is
// empty. An existing one is left as it is.
func (s *Server) CreateDatabase(ctx context.Context, name, template string) error {
	return CreateDatabase(ctx, s.URL("postgres"), name, template)
}

// Stop shuts the server down: clients are cut off, data is written.
func (s *Server) Stop() error {
	return errors.Join(s.proc.Stop(stopWithin), s.lock.Unlock())
}

// Kill ends the postmaster with SIGKILL, as a crash would. The next Start recovers.
func (s *Server) Kill() error {
	return errors.Join(s.proc.Kill(), s.lock.Unlock())
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func run(ctx context.Context, cred *syscall.Credential, dir, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = dir, serverEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(path), err, out)
	}
	return nil
}

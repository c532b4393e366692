package devnettest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
)

// Temporal starts a Temporal server and its database alone, for tests that need no Lightning node. The search attributes
// are registered: type by name. It may not answer yet; stop ends both and removes what they wrote.
func Temporal(ctx context.Context, attributes map[string]string) (address string, stop func() error, err error) {
	programs, err := build.Ensure(ctx, os.Stderr, build.Temporal())
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "holdfast-test-")
	if err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres' own user must pass through
		return "", nil, err
	}
	tidied, err := tidyAfter(dir)
	if err != nil {
		return "", nil, err
	}
	database, err := postgres.Start(ctx, postgres.Config{Dir: filepath.Join(dir, "postgres"), Fast: true})
	if err != nil {
		tidied()
		return "", nil, err
	}
	server, address, err := startTemporal(programs["temporal"], filepath.Join(dir, "temporal.log"), database.URL("postgres"), attributes)
	if err != nil {
		err = errors.Join(err, database.Stop())
		tidied()
		return "", nil, err
	}
	return address, func() error {
		err := errors.Join(endTemporal(server), database.Stop())
		tidied()
		return err
	}, nil
}

func startTemporal(program, log, databaseURL string, attributes map[string]string) (*exec.Cmd, string, error) {
	port, internal, err := temporalPorts()
	if err != nil {
		return nil, "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	args := []string{"--address", address, "--internal-port", fmt.Sprint(internal), "--postgres-url", databaseURL}
	for name, kind := range attributes {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	out, err := os.Create(log)
	if err != nil {
		return nil, "", err
	}
	defer out.Close()
	server := exec.Command(program, args...)
	server.Stdout, server.Stderr = out, out
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test that is killed leaves nothing behind
	return server, address, server.Start()
}

func endTemporal(server *exec.Cmd) error {
	const grace = 15 * time.Second
	late := time.AfterFunc(grace, func() { _ = server.Process.Kill() })
	defer late.Stop()
	err := server.Process.Signal(syscall.SIGTERM)
	_ = server.Wait() // ended by a signal, it says so
	return err
}

// temporalPorts finds a port for clients, and the first of three in a row for the server's own services.
func temporalPorts() (port, internal int, err error) {
	for first := 20_000 + os.Getpid()%8_000; first < 31_000; first += 4 {
		if free(first) && free(first+1) && free(first+2) && free(first+3) {
			return first, first + 1, nil
		}
	}
	return 0, 0, errors.New("no four free ports in a row")
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

package devnettest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

// Core is the half of a network that needs no Lightning node: Postgres and Temporal.
type Core struct {
	DatabaseURL string // of an empty database, as a superuser
	Temporal    string // its address; it may not answer yet

	dir      string
	tidied   func()
	database *postgres.Server
	temporal *process.Process
}

// StartCore starts the half, in a folder of its own. The search attributes are registered: type by name.
func StartCore(ctx context.Context, attributes map[string]string) (core *Core, err error) {
	programs, err := build.Ensure(ctx, os.Stderr, build.Temporal())
	if err != nil {
		return nil, err
	}
	c := &Core{tidied: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if c.dir, err = os.MkdirTemp("", "holdfast-test-"); err != nil {
		return nil, err
	}
	if err = os.Chmod(c.dir, 0o711); err != nil { // Postgres' own user must pass through
		return nil, err
	}
	if c.tidied, err = tidyAfter(c.dir); err != nil {
		return nil, err
	}
	if c.database, err = postgres.Start(ctx, postgres.Config{Dir: filepath.Join(c.dir, "postgres"), Fast: true}); err != nil {
		return nil, err
	}
	c.DatabaseURL = c.database.URL("holdfast")
	c.temporal, c.Temporal, err = startTemporal(programs["temporal"], c.dir, c.database.URL("postgres"), attributes)
	return c, err
}

// Stop ends both and removes what they wrote.
func (c *Core) Stop() error {
	const grace = 15 * time.Second
	var err error
	if c.temporal != nil {
		err = c.temporal.Stop(grace)
	}
	if c.database != nil {
		err = errors.Join(err, c.database.Stop())
	}
	c.tidied()
	return err
}

func startTemporal(program, dir, databaseURL string, attributes map[string]string) (*process.Process, string, error) {
	port, internal, err := temporalPorts()
	if err != nil {
		return nil, "", err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	args := []string{"--address", address, "--internal-port", fmt.Sprint(internal), "--postgres-url", databaseURL}
	for name, kind := range attributes {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	server, err := process.Start(process.Spec{Name: "temporal", Path: program, Args: args, LogPath: filepath.Join(dir, "temporal.log")})
	return server, address, err
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

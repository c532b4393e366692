package devnettest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

// Core is the half of a network that needs no Lightning node: Postgres and Temporal.
type Core struct {
	DatabaseURL string // of an empty database, as a superuser
	Temporal    string // its address; it may not answer yet

	dir      string
	tidied   func(passed bool)
	release  func() error
	database *postgres.Server
	temporal *process.Process
}

// StartCore starts the half, in a folder of its own. The search attributes are registered: type by name.
func StartCore(ctx context.Context, attributes map[string]string) (core *Core, err error) {
	if err := postgres.Check(); err != nil { // the build may take minutes
		return nil, err
	}
	programs, err := build.Ensure(ctx, os.Stderr, build.Temporal())
	if err != nil {
		return nil, err
	}
	c := &Core{tidied: func(bool) {}, release: func() error { return nil }}
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
	if err = c.startTemporal(programs["temporal"], attributes); err != nil {
		return nil, err
	}
	return c, nil
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
	c.tidied(true) // its logs are kept only after a sudden end: it is not told how the tests went
	return errors.Join(err, c.release())
}

func (c *Core) startTemporal(program string, attributes map[string]string) error {
	base, release, err := devnet.ClaimPorts() // others may start at the same moment
	if err != nil {
		return err
	}
	c.release = release
	c.Temporal = fmt.Sprintf("127.0.0.1:%d", base)
	args := []string{"--address", c.Temporal, "--internal-port", fmt.Sprint(base + 1), "--postgres-url", c.database.URL("postgres")}
	for name, kind := range attributes {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	c.temporal, err = process.Start(process.Spec{Name: "temporal", Path: program, Args: args, LogPath: filepath.Join(c.dir, "temporal.log")})
	return err
}

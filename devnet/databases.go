package devnet

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	crand "crypto/rand"

	"github.com/holdfast-pay/holdfast/devnet/postgres"
)

// A database server of somebody else outlives the network and may serve others. The
// network has databases of its own there, with names that none has had before: a ledger
// that is older than the chain waits for blocks and invoices that it has seen already,
// and credits nothing.

// databaseWithin bounds a call to a server of somebody else.
const databaseWithin = 15 * time.Second

// checkDatabase reports whether there is a Postgres to start, or that the given one answers.
func (n *Network) checkDatabase(ctx context.Context) error {
	if n.cfg.DatabaseURL == "" {
		return postgres.Check()
	}
	if _, err := postgres.WithDatabase(n.cfg.DatabaseURL, ""); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, databaseWithin)
	defer cancel()
	return postgres.Ping(ctx, n.cfg.DatabaseURL)
}

// createDatabases creates the ledger's database on a server of somebody else; Temporal creates its own.
func (n *Network) createDatabases(ctx context.Context) error {
	if n.cfg.DatabaseURL == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, databaseWithin)
	defer cancel()
	var err error
	if n.databaseURL, err = postgres.WithDatabase(n.cfg.DatabaseURL, n.state.ledgerDatabase()); err != nil {
		return err
	}
	if err := postgres.CreateDatabase(ctx, n.cfg.DatabaseURL, n.state.ledgerDatabase(), ""); err != nil {
		return fmt.Errorf("the ledger's database cannot be created on the server of DATABASE_URL: its user must be allowed to (%w)", err)
	}
	return nil
}

// dropDatabases drops what the network of dir has made on a server of somebody else.
func dropDatabases(dir string) error {
	s, err := loadState(filepath.Join(dir, "state.json"))
	if err != nil {
		return errors.New("the network is removed; its state.json was damaged: if it used a server of yours (DATABASE_URL), drop its databases holdfast_* and temporal_* there by hand")
	}
	if s.DatabaseServer == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), databaseWithin)
	defer cancel()
	names := []string{s.ledgerDatabase()}
	for _, name := range []string{s.temporalDatabase(), s.temporalDatabase() + "_visibility"} {
		names = append(names, name, name+"_new") // of a start that was cut off
	}
	if err := postgres.DropDatabases(ctx, s.DatabaseServer, names...); err != nil {
		return fmt.Errorf("the network is removed, but its databases stay on the server of DATABASE_URL; drop them by hand: %s (%w)", strings.Join(names, ", "), err)
	}
	return nil
}

// useServer remembers a server of somebody else, and names the databases there.
func (s *state) useServer(url string) {
	s.DatabaseServer = url
	if s.DatabaseSuffix == "" {
		s.DatabaseSuffix = strings.ToLower(crand.Text()[:12])
	}
}

func (s *state) ledgerDatabase() string { return "holdfast_" + s.DatabaseSuffix }

func (s *state) temporalDatabase() string { return "temporal_" + s.DatabaseSuffix }

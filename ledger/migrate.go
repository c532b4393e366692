package ledger

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// versions is the table of what is applied: with a name of its own, so that others may migrate in the same database.
const versions = "ledger_migrations"

//go:embed migrations/*.sql
var migrations embed.FS

// MigrateUp brings the schema to the newest version. Many may call it at once: one does the work. The user of the URL
// owns the tables, and needs the right to create the role holdfast_app the first time. Errors: ReasonUnavailable before
// Postgres 15.
func MigrateUp(ctx context.Context, databaseURL string) error {
	return withMigrations(ctx, databaseURL, func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// MigrateDown takes the newest migration back, with its data.
func MigrateDown(ctx context.Context, databaseURL string) error {
	return withMigrations(ctx, databaseURL, func(p *goose.Provider) error {
		_, err := p.Down(ctx)
		return err
	})
}

// MigrateStatus lists all migrations, oldest first.
func MigrateStatus(ctx context.Context, databaseURL string) ([]MigrationStatus, error) {
	var out []MigrationStatus
	err := withMigrations(ctx, databaseURL, func(p *goose.Provider) error {
		all, err := p.Status(ctx)
		for _, m := range all {
			out = append(out, MigrationStatus{
				Version: m.Source.Version, Name: path.Base(m.Source.Path), Applied: m.State == goose.StateApplied, AppliedAt: m.AppliedAt,
			})
		}
		return err
	})
	return out, err
}

func withMigrations(ctx context.Context, databaseURL string, do func(*goose.Provider) error) (err error) {
	config, err := pgx.ParseConfig(databaseURL)
	if err != nil {
		return badURL(err)
	}
	// A migration that waits for a table keeps every payment behind it waiting: better it gives up, and is tried again.
	config.RuntimeParams["lock_timeout"] = "10s"
	conn := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, conn.Close()) }()
	var version int
	if err := conn.QueryRowContext(ctx, "SELECT current_setting('server_version_num')::integer").Scan(&version); err != nil {
		return fmt.Errorf("migrate the ledger: %w", err)
	}
	if err := tooOld(version); err != nil {
		return err
	}
	provider, err := newProvider(conn)
	if err != nil {
		return err
	}
	if err := do(provider); err != nil {
		return fmt.Errorf("migrate the ledger: %w", err)
	}
	return nil
}

func newProvider(conn *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, conn, files, goose.WithSessionLocker(locker), goose.WithTableName(versions))
}

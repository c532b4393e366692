package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/schema/postgresql/v12"
	"go.temporal.io/server/tools/common/schema"
	"go.temporal.io/server/tools/sql"
)

// migrate creates the databases that are missing and brings the schema of all
// to this server's version.
func migrate(ctx context.Context, stores map[string]*config.SQL, logger log.Logger) error {
	admin, err := pgx.Connect(ctx, adminURL(stores[mainStore]))
	if err != nil {
		return fmt.Errorf("PostgreSQL cannot be reached: %w", err)
	}
	defer admin.Close(ctx)
	for name, version := range map[string]string{mainStore: v12.Version, visibilityStore: v12.VisibilityVersion} {
		dir := "postgresql/v12/temporal"
		if name == visibilityStore {
			dir = "postgresql/v12/visibility"
		}
		if err := createDatabase(ctx, admin, stores[name], dir, version, logger); err != nil {
			return fmt.Errorf("create database %s: %w", name, err)
		}
		if err := update(stores[name], dir, logger); err != nil {
			return fmt.Errorf("update the schema of database %s: %w", name, err)
		}
	}
	return nil
}

// createDatabase creates a database with its schema unless it exists. The schema
// is made under another name: a database by its own name is always complete.
func createDatabase(ctx context.Context, admin *pgx.Conn, store *config.SQL, dir, version string, logger log.Logger) error {
	var exists bool
	err := admin.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", store.DatabaseName).Scan(&exists)
	if err != nil || exists {
		return err
	}
	fresh := *store
	fresh.DatabaseName += "_new"
	name, freshName := pgx.Identifier{store.DatabaseName}.Sanitize(), pgx.Identifier{fresh.DatabaseName}.Sanitize()
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + freshName, "CREATE DATABASE " + freshName} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := setUp(&fresh, store.DatabaseName, dir, version, logger); err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "ALTER DATABASE "+freshName+" RENAME TO "+name)
	return err
}

// setUp makes the schema in store's database, which will be renamed to name.
func setUp(store *config.SQL, name, dir, version string, logger log.Logger) error {
	conn, err := sql.NewConnection(store, logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := schema.NewSetupSchemaTask(conn, &schema.SetupConfig{SchemaName: dir, InitialVersion: version}, logger).Run(); err != nil {
		return err
	}
	return conn.Exec("UPDATE schema_version SET db_name = $1", name) // the version is looked up by database name
}

func update(store *config.SQL, dir string, logger log.Logger) error {
	conn, err := sql.NewConnection(store, logger)
	if err != nil {
		return err
	}
	defer conn.Close()
	return schema.NewUpdateSchemaTask(conn, &schema.UpdateConfig{DBName: store.DatabaseName, SchemaName: dir}, logger).Run()
}

func adminURL(store *config.SQL) string {
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(store.User, store.Password), Host: store.ConnectAddr,
		Path: "/postgres", RawQuery: "sslmode=disable",
	}
	if mode := store.ConnectAttributes["sslmode"]; mode != "" {
		u.RawQuery = "sslmode=" + url.QueryEscape(mode)
	}
	return u.String()
}

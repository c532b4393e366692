package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
)

// On a server of somebody else a network that is cleaned starts afresh: its chain is new, so its books must be. What is paid
// in is credited again, and others' databases are left alone. Not parallel: with TestDev there would be two networks at once.
func TestCleanOnAnotherServer(t *testing.T) {
	if testing.Short() {
		t.Skip("brings up networks")
	}
	server, err := postgres.Start(t.Context(), postgres.Config{Dir: filepath.Join(devnettest.Dir(t), "postgres"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	others := databases(t, server)
	dir := devnettest.Dir(t)
	for _, start := range []string{"first", "after clean"} {
		got := holdfast(t, nil, "dev", "--once", "--dir", dir, "--database-url", server.URL("holdfast"))
		if got.code != show.OK || !strings.Contains(got.out, "steps went as expected") {
			t.Fatalf("%s: code %d\n%s%s", start, got.code, got.out, got.err)
		}
		env, err := devnet.ReadEnv(filepath.Join(dir, "env"))
		if err != nil {
			t.Fatal(err)
		}
		ours := slices.DeleteFunc(databases(t, server), func(name string) bool { return slices.Contains(others, name) })
		if len(ours) != 3 || !strings.HasPrefix(env[settings.DatabaseURL], strings.TrimSuffix(server.URL(""), "/?sslmode=disable")) || !strings.Contains(env[settings.DatabaseURL], "/"+ours[0]) {
			t.Errorf("%s: the network has %v, and its ledger is at %s", start, ours, env[settings.DatabaseURL])
		}
		if got := holdfast(t, nil, "devnet", "--dir", dir, "clean"); got.code != show.OK {
			t.Errorf("clean: code %d\n%s%s", got.code, got.out, got.err)
		}
		if left := databases(t, server); !slices.Equal(left, others) {
			t.Errorf("clean left %v, want %v", left, others)
		}
	}
}

// databases lists those of a server by name.
func databases(t *testing.T, server *postgres.Server) []string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	rows, err := conn.Query(ctx, "SELECT datname::text FROM pg_database ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

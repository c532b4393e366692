package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/ledger"
)

// EnvURL names the variable with the URL of a server to use instead of a throw-away one.
const EnvURL = "HOLDFAST_TEST_DATABASE_URL"

// server is where the tests of this process have their databases. The testing package has no place to keep it in
// between TestMain and the tests, so it is the one variable here.
var server struct {
	once     sync.Once
	err      error
	url      string // of the database that others are created from
	template string
	stop     func() error
	durable  bool // commits wait for the disk, as in production
}

// Main runs the tests of a package and ends the process. Call it from TestMain.
func Main(m *testing.M) { end(m.Run()) }

// MainDurable is Main with a server whose commits wait for the disk, as in production: for benchmarks.
func MainDurable(m *testing.M) {
	server.durable = true
	end(m.Run())
}

func end(code int) {
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "ledgertest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// start brings the server up at the first use, so that a run without such tests costs nothing.
func start(ctx context.Context) error {
	server.once.Do(func() {
		if server.err = find(ctx); server.err != nil {
			return
		}
		server.template = name("template")
		if server.err = admin(ctx, "CREATE DATABASE "+server.template); server.err != nil {
			return
		}
		server.err = ledger.MigrateUp(ctx, urlOf(server.template))
	})
	return server.err
}

func find(ctx context.Context) error {
	if given := os.Getenv(EnvURL); given != "" {
		server.url = given
		server.stop = func() error { return nil }
		return nil
	}
	dir, err := folder()
	if err != nil {
		return err
	}
	pg, err := postgres.Start(ctx, postgres.Config{Dir: filepath.Join(dir, "pg"), Fast: !server.durable})
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	server.url = pg.URL("postgres")
	server.stop = func() error {
		return errors.Join(pg.Stop(), postgres.Remove(filepath.Join(dir, "pg")), os.RemoveAll(dir))
	}
	return nil
}

// folder makes one for the server, and removes those of test processes that died without an end (a timeout, a panic).
func folder() (string, error) {
	const prefix = "holdfast-ledgertest-"
	left, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), prefix+"%d-", &pid); err == nil && !alive(pid) {
			if err := errors.Join(postgres.Remove(filepath.Join(dir, "pg")), os.RemoveAll(dir)); err != nil {
				return "", err
			}
		}
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711) // Postgres' own user must pass through
}

// alive reports whether a process exists; one of another user does.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func stop() error {
	if server.stop == nil {
		return nil
	}
	var err error
	if server.template != "" {
		err = admin(context.Background(), "DROP DATABASE IF EXISTS "+server.template+" WITH (FORCE)")
	}
	return errors.Join(err, server.stop())
}

// Database gives the URL of a fresh, migrated database, for the server's superuser. It is dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	return clone(t, true)
}

// EmptyDatabase is Database without the migrations.
func EmptyDatabase(t testing.TB) string {
	t.Helper()
	return clone(t, false)
}

func clone(t testing.TB, migrated bool) string {
	t.Helper()
	// Not the test's context: others depend on the server and on the database being dropped.
	ctx := context.Background()
	if err := start(ctx); err != nil {
		t.Fatalf("ledgertest: no Postgres: %v", err)
	}
	database := name("test")
	create := "CREATE DATABASE " + database
	if migrated {
		create += " TEMPLATE " + server.template
	}
	if err := admin(ctx, create); err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	t.Cleanup(func() {
		if err := admin(ctx, "DROP DATABASE "+database+" WITH (FORCE)"); err != nil {
			t.Errorf("ledgertest: %v", err)
		}
	})
	return urlOf(database)
}

// New opens a ledger on a fresh database and closes it when the test ends.
func New(t testing.TB, opts ...ledger.Option) *ledger.Ledger {
	t.Helper()
	return Open(t, Database(t), opts...)
}

// Open opens a ledger on a database and closes it when the test ends.
func Open(t testing.TB, databaseURL string, opts ...ledger.Option) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(context.Background(), databaseURL, opts...)
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	t.Cleanup(l.Close)
	return l
}

func admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, server.url)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

func name(kind string) string {
	return "holdfast_" + kind + "_" + strings.ReplaceAll(uuid.NewString(), "-", "")
}

func urlOf(database string) string {
	u, err := url.Parse(server.url)
	if err != nil {
		return server.url // pgx has accepted it, so this is a keyword string
	}
	u.Path = "/" + database
	return u.String()
}

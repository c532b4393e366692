package postgres

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast-pay/holdfast/devnet/process"
)

// initCluster creates the cluster if there is none and returns the superuser's password.
func initCluster(ctx context.Context, cfg Config, bin string, cred *syscall.Credential, where place) (string, error) {
	passwordFile := filepath.Join(where.home, "password")
	if _, err := os.Stat(where.data()); err == nil {
		password, err := os.ReadFile(passwordFile)
		if err != nil {
			return "", fmt.Errorf("the Postgres cluster in %s has lost its password file: remove the folder and start afresh (%w)", cfg.Dir, err)
		}
		return strings.TrimSpace(string(password)), checkVersion(bin, where)
	}
	password := rand.Text()
	if err := os.WriteFile(passwordFile, []byte(password+"\n"), 0o600); err != nil {
		return "", err
	}
	// The server's user may not write in root, so the fresh folder is made for it.
	fresh := where.data() + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.Mkdir(fresh, 0o700), chown(fresh, cred)); err != nil {
		return "", err
	}
	pwfile := fresh + ".password"
	if err := errors.Join(os.WriteFile(pwfile, []byte(password+"\n"), 0o600), chown(pwfile, cred)); err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(pwfile) }() // it lies in our own folder
	auth := "scram-sha-256"
	if cfg.Fast {
		auth = "trust" // scram costs milliseconds per connection, and tests open many
	}
	err := run(ctx, cred, where.root, filepath.Join(bin, "initdb"), "-D", fresh, "-U", User, "-A", auth,
		"--pwfile", pwfile, "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if err != nil {
		return "", err
	}
	if err := createOwnDatabase(ctx, bin, cred, fresh); err != nil {
		return "", err
	}
	return password, os.Rename(fresh, where.data())
}

// createOwnDatabase creates the database "holdfast" in a fresh cluster, before
// the cluster counts as existing.
func createOwnDatabase(ctx context.Context, bin string, cred *syscall.Credential, data string) error {
	script := `echo 'CREATE DATABASE holdfast' | "$0" --single -D "$1" -c fsync=off postgres`
	return run(ctx, cred, data, "/bin/sh", "-c", script, filepath.Join(bin, "postgres"), data)
}

func checkVersion(bin string, where place) error {
	text, err := os.ReadFile(filepath.Join(where.data(), "PG_VERSION"))
	if err != nil {
		return err
	}
	if have, want := strings.TrimSpace(string(text)), strconv.Itoa(version(bin)); have != want {
		return fmt.Errorf("the cluster in %s was made by PostgreSQL %s, and %s is version %s: start afresh (make clean) or set HOLDFAST_POSTGRES_BIN", where.home, have, bin, want)
	}
	return nil
}

// endOldPostmaster stops the server of an earlier run that was killed. We hold
// the supervisor's lock, so nobody else is in charge of it.
func endOldPostmaster(ctx context.Context, data string) error {
	file, err := os.Open(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Scan() // the first line is the pid; a file without one names nobody
	pid, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
	if err != nil || !isPostmaster(pid, data) {
		return nil
	}
	return process.End(ctx, pid, syscall.SIGINT, 15*time.Second)
}

// isPostmaster tells the server of this data folder from an unrelated process
// that has got its id.
func isPostmaster(pid int, data string) bool {
	cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && bytes.Contains(cmdline, []byte("-D\x00"+data+"\x00"))
}

// WithDatabase is the URL of another database on the same server.
func WithDatabase(serverURL, name string) (string, error) {
	u, err := url.Parse(serverURL)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("DATABASE_URL is no URL of a PostgreSQL database: it looks like postgres://user:password@host:5432/name") // without it: it holds a password
	}
	u.Path = "/" + name
	query := u.Query() // there it may be named as well, and would win
	query.Del("dbname")
	query.Del("database")
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// DropDatabases drops databases on the server of adminURL, with the connections to them. A missing one is fine.
func DropDatabases(ctx context.Context, adminURL string, names ...string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	for _, name := range names {
		if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)"); err != nil {
			return err
		}
	}
	return nil
}

// Ping asks a server of somebody else whether it lets us in.
func Ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("the PostgreSQL server of DATABASE_URL cannot be used: check the URL and that it runs (%w)", err)
	}
	return conn.Close(ctx)
}

// CreateDatabase creates a database on the server of adminURL, as a copy of
// template unless that is empty. An existing one is left as it is.
func CreateDatabase(ctx context.Context, adminURL, name, template string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		sql += " TEMPLATE " + pgx.Identifier{template}.Sanitize()
	}
	_, err = conn.Exec(ctx, sql)
	if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code == "42P04" { // duplicate_database
		return nil
	}
	return err
}

package postgres_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

func start(t *testing.T, cfg postgres.Config) *postgres.Server {
	t.Helper()
	s, err := postgres.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.Kill() // a test may have ended it already
		if err := postgres.Remove(cfg.Dir); err != nil {
			t.Error(err)
		}
	})
	return s
}

func query(t *testing.T, s *postgres.Server, sql string) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.URL("holdfast"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	var out string
	rows, err := conn.Query(ctx, sql)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if err := rows.Scan(&out); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDataSurvivesStopAndKill(t *testing.T) {
	t.Parallel()
	for name, fast := range map[string]bool{"fast": true, "durable": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := postgres.Config{Dir: t.TempDir(), Fast: fast}
			s := start(t, cfg)
			query(t, s, "CREATE TABLE kept (word text)")
			query(t, s, "INSERT INTO kept VALUES ('once')")
			if err := s.Stop(); err != nil {
				t.Fatal(err)
			}
			s = start(t, cfg)
			query(t, s, "UPDATE kept SET word = 'twice'")
			if err := s.Kill(); err != nil {
				t.Fatal(err)
			}
			s = start(t, cfg)
			if got := query(t, s, "SELECT word FROM kept"); got != "twice" {
				t.Errorf("after stop and kill the table holds %q", got)
			}
		})
	}
}

// Invariant 3.
func TestOneSupervisorPerDirectory(t *testing.T) {
	t.Parallel()
	cfg := postgres.Config{Dir: t.TempDir(), Fast: true}
	start(t, cfg)
	if _, err := postgres.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second start of a running cluster: %v", err)
	}
}

// Invariant 5: a folder that the server's user cannot reach is no obstacle.
func TestUnreachableDirectory(t *testing.T) {
	t.Parallel()
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := postgres.Config{Dir: filepath.Join(closed, "pg"), Fast: true}
	s := start(t, cfg)
	query(t, s, "CREATE TABLE kept (word text)")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	elsewhere, linkErr := os.Readlink(filepath.Join(cfg.Dir, "elsewhere"))
	if os.Getuid() == 0 && linkErr != nil {
		t.Fatal(linkErr)
	}
	s = start(t, cfg)
	query(t, s, "INSERT INTO kept VALUES ('found again')")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Remove(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(elsewhere); linkErr == nil && !os.IsNotExist(err) {
		t.Errorf("Remove left %s: %v", elsewhere, err)
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dir := t.TempDir()
	_, err = postgres.Start(t.Context(), postgres.Config{Dir: dir, Fast: true, Port: listener.Addr().(*net.TCPAddr).Port})
	if err := postgres.Remove(dir); err != nil {
		t.Error(err)
	}
	if err == nil || !strings.Contains(err.Error(), "choose another base port") {
		t.Errorf("start on a taken port: %v", err)
	}
}

func TestMissingBinaries(t *testing.T) {
	t.Setenv("HOLDFAST_POSTGRES_BIN", t.TempDir())
	_, err := postgres.Start(t.Context(), postgres.Config{Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "HOLDFAST_POSTGRES_BIN") || strings.Contains(err.Error(), "\n") {
		t.Errorf("start without programs: %v", err)
	}
}

// A server whose supervisor was killed ends by itself, or is ended by the next start.
func TestKilledSupervisor(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv("HOLDFAST_TEST_SUPERVISE"); dir != "" {
		if _, err := postgres.Start(t.Context(), postgres.Config{Dir: dir, Fast: true}); err != nil {
			t.Fatal(err)
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	cfg := postgres.Config{Dir: t.TempDir(), Fast: true}
	child, err := process.Start(process.Spec{
		Name: "supervisor", Path: os.Args[0], Args: []string{"-test.run=TestKilledSupervisor"},
		Env: append(os.Environ(), "HOLDFAST_TEST_SUPERVISE="+cfg.Dir), LogPath: filepath.Join(t.TempDir(), "log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-child.Done():
	case <-time.After(time.Minute):
		t.Fatalf("the supervisor hangs: %v\n%s", child.Kill(), child.LogTail(20))
	}
	s := start(t, cfg)
	if got := query(t, s, "SELECT 'alive'"); got != "alive" {
		t.Errorf("got %q", got)
	}
}

package devnet_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
)

// On a fresh machine the programs are built for minutes: what else is missing is told before.
func TestWhatIsMissingIsToldBeforeTheBuilds(t *testing.T) {
	taken := freeBase(t)
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(taken+4)))
	must(t, err)
	defer listener.Close()
	for name, missing := range map[string]struct {
		setting, value string
		cfg            devnet.Config
		says           []string
	}{
		"Postgres":       {"HOLDFAST_POSTGRES_BIN", t.TempDir(), devnet.Config{}, []string{"HOLDFAST_POSTGRES_BIN", "PostgreSQL 15"}},
		"the go command": {"PATH", t.TempDir(), devnet.Config{}, []string{"the go command is missing", "https://go.dev/dl"}},
		"a port":         {"LANG", "C", devnet.Config{BasePort: taken}, []string{"port " + strconv.Itoa(taken+4) + " is in use"}},
		"the server":     {"LANG", "C", devnet.Config{DatabaseURL: "postgres://127.0.0.1:1/none"}, []string{"DATABASE_URL cannot be used"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", t.TempDir()) // nothing is built yet
			t.Setenv(missing.setting, missing.value)
			var out bytes.Buffer
			cfg := missing.cfg
			cfg.Dir, cfg.Fast, cfg.Out = devnettest.Dir(t), true, &out
			_, err := devnet.Start(ctxFor(t, 20*time.Second), cfg)
			if err == nil || out.Len() != 0 {
				t.Fatalf("error %v, after %q", err, &out)
			}
			for _, want := range missing.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "holdfast", "bin", "*")); len(left) != 0 {
				t.Errorf("a build has begun: %v", left)
			}
		})
	}
}

// Both at once: who installs one of them need not come back for the other.
func TestAllThatIsMissingIsTold(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOLDFAST_POSTGRES_BIN", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	_, err := devnet.Start(ctxFor(t, 20*time.Second), devnet.Config{Dir: devnettest.Dir(t)})
	if err == nil || !strings.Contains(err.Error(), "PostgreSQL") || !strings.Contains(err.Error(), "the go command") {
		t.Error(err)
	}
}

// freeBase is the first of PortCount free ports.
func freeBase(t *testing.T) int {
	t.Helper()
	base, release, err := devnet.ClaimPorts()
	must(t, err)
	must(t, release())
	return base
}

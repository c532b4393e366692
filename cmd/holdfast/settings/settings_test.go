package settings_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want map[string]string
		bad  string // a part of the message
	}{
		"plain":          {"A=1\nB_2=two words\n", map[string]string{"A": "1", "B_2": "two words"}, ""},
		"comments":       {"# a comment\n\n  A=1  \n#B=2\n", map[string]string{"A": "1"}, ""},
		"quotes":         {"A='x y'\nB=\"z\"\nC=''\n", map[string]string{"A": "x y", "B": "z", "C": ""}, ""},
		"quote within":   {`A='it'\''s'`, map[string]string{"A": "it's"}, ""},
		"url":            {"U=postgres://u:p@h:1/d?a=b&c=d", map[string]string{"U": "postgres://u:p@h:1/d?a=b&c=d"}, ""},
		"export":         {"export A=1", map[string]string{"A": "1"}, ""},
		"windows":        {"A=1\r\nB=2\r\n", map[string]string{"A": "1", "B": "2"}, ""},
		"empty value":    {"A=", map[string]string{"A": ""}, ""},
		"no equals sign": {"A=1\nhello", nil, "Line 2 of file"},
		"bad key":        {"1A=1", nil, "Line 1 of file"},
		"no key":         {"=1", nil, "Line 1 of file"},
		"open quote":     {"A='x", nil, "Line 1 of file"},
		"lone quote":     {"A='", nil, "Line 1 of file"},
	} {
		got, err := settings.ParseEnv("file", c.text)
		switch {
		case c.bad == "" && (err != nil || !maps.Equal(got, c.want)):
			t.Errorf("%s: got %v, %v, want %v", name, got, err, c.want)
		case c.bad != "" && (!payment.IsReason(err, payment.ReasonInvalidInput) || !strings.Contains(err.Error(), c.bad)):
			t.Errorf("%s: got error %v, want one with %q", name, err, c.bad)
		}
	}
}

func TestReadEnvFile(t *testing.T) { // not parallel: it changes the working directory
	t.Chdir(t.TempDir())
	if got, err := settings.ReadEnvFile(""); err != nil || got != nil {
		t.Errorf("a missing default file: got %v, %v, want nothing", got, err)
	}
	if _, err := settings.ReadEnvFile("missing"); !payment.IsReason(err, payment.ReasonInvalidInput) {
		t.Errorf("a missing file that was asked for: got %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(settings.DefaultEnvFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(settings.DefaultEnvFile, []byte("A=1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := settings.ReadEnvFile(""); err != nil || got["A"] != "1" {
		t.Errorf("the default file: got %v, %v", got, err)
	}
}

// Invariant 1: flag, environment, file, in this order; empty counts as not set.
func TestOrderOfSources(t *testing.T) {
	t.Parallel()
	s := settings.New(
		settings.From(map[string]string{"A": "flag", "B": ""}),
		settings.From(map[string]string{"A": "environment", "B": "environment"}),
		settings.From(map[string]string{"A": "file", "B": "file", "C": "file"}),
	)
	for name, want := range map[string]string{"A": "flag", "B": "environment", "C": "file"} {
		if got, ok := s.Get(name); !ok || got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// Invariant 2: what is missing is named, with what to do.
func TestMissingSettings(t *testing.T) {
	t.Parallel()
	s := settings.New(settings.From(map[string]string{settings.Network: "regtest", "LND_BANK_RPC": "127.0.0.1:1"}))
	_, database := s.Need(settings.DatabaseURL)
	_, nodes := s.Nodes()
	_, tls := s.Node("bank")
	for _, c := range []struct {
		err   error
		parts []string
	}{
		{database, []string{"DATABASE_URL", "--database-url", "make dev"}},
		{nodes, []string{"HOLDFAST_NODES", "--nodes", "make dev"}},
		{tls, []string{"LND_BANK_TLS", "make dev"}},
	} {
		for _, part := range c.parts {
			if c.err == nil || !strings.Contains(c.err.Error(), part) {
				t.Errorf("got %v, want it to say %q", c.err, part)
			}
		}
	}
}

func TestNodes(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		"bank": {"bank"}, "bank, second": {"bank", "second"}, "a-1,b_2": {"a-1", "b_2"},
		"a,a": nil, "a,,b": nil, "a b": nil, "a=b": nil,
	} {
		got, err := settings.New(settings.From(map[string]string{settings.Nodes: list})).Nodes()
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: got %v, %v, want %v", list, got, err, want)
		}
	}
	s := settings.New(settings.From(map[string]string{
		settings.Network: "regtest", "LND_A_1_RPC": "h:1", "LND_A_1_TLS": "/t", "LND_A_1_MACAROON": "/m",
	}))
	got, err := s.Node("a-1")
	if err != nil || got.Address != "h:1" || got.TLSCertPath != "/t" || got.MacaroonPath != "/m" || got.Network != "regtest" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := settings.New(settings.From(map[string]string{settings.Network: "moon"})).Network(); !payment.IsReason(err, payment.ReasonInvalidInput) {
		t.Errorf("an unknown network: got %v", err)
	}
}

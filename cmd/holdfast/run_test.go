package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
)

const anyID = "01a207f4-6c0b-7e02-b08c-0a65b1ae7641"

// Wrong usage ends with 2, says what is wrong on stderr, and prints nothing on stdout.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"":                                    "expected one of",
		"nonsense":                            "nonsense",
		"wallet show":                         "<id>",
		"wallet show 123":                     "invalid UUID",
		"wallet show " + anyID + " extra":     "extra",
		"wallet list --unknown":               "--unknown",
		"wallet list --log-level loud":        "loud",
		"key create --name n":                 "--account",
		"key limit set " + anyID + " --sat 5": "--window",
		"key limit set " + anyID + " --sat 5 --window hourly":                    "hourly",
		"account limit set " + anyID + " --sat 5 --window daily --purpose gifts": "gifts",
		"pay invoice lnbcrt1 --sat 5":                                            "--wallet",
		"pay wallet " + anyID + " --wallet " + anyID:                             "--sat",
		"pay wallet " + anyID + " --wallet " + anyID + " --sat 1.5":              "1.5",
		"pay wallet " + anyID + " --wallet " + anyID + " --sat 1 --wait x":       "--wait",
		"pay address a --wallet " + anyID + " --sat 5 --speed quick":             "quick",
		"payment list --state gone":                                              "gone",
		"devnet hold alice":                                                      "--sat",
		"devnet mine many":                                                       "many",
		"dev --base-port 80":                                                     "1024 to 65516",
		"dev --base-port=-5":                                                     "1024 to 65516",
		"dev --base-port 65517":                                                  "1024 to 65516",
	} {
		got := holdfast(t, nil, strings.Fields(args)...)
		if got.code != show.Usage || got.out != "" || !strings.HasPrefix(got.err, "error: ") || !strings.Contains(got.err, says) {
			t.Errorf("%q: code %d, stdout %q, stderr %q; want 2 and %q", args, got.code, got.out, got.err, says)
		}
	}
	usage := ask[failed](t, nil, show.Usage, "wallet", "show")
	if !strings.Contains(usage.Error.Message, "<id>") || usage.Error.Reason != "" {
		t.Errorf("as JSON: %+v", usage)
	}
}

// What the parser lets through and no connection is needed for.
func TestBadInputNeedsNoConnection(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"payment list --limit 0":   "--limit",
		"payment list --limit 101": "--limit",
		"key create --account " + anyID + " --name n --expires-in-days=-1":          "days",
		"key create --account " + anyID + " --name n --prefix a_b":                  "prefix",
		"pay address a --wallet " + anyID:                                           "--sat N, or --all",
		"pay wallet " + anyID + " --wallet " + anyID + " --sat 9223372036854775807": "largest",
		"devnet mine 0":           "1 to 10,000",
		"devnet settle alice 123": "payment hash",
		"migrate down":            "--yes",
		"worker --depth=-1":       "--depth",
	} {
		got := holdfast(t, nil, strings.Fields(args)...)
		if got.code != show.Usage || got.out != "" || !strings.Contains(got.err, says) {
			t.Errorf("%q: code %d, stdout %q, stderr %q; want 2 and %q", args, got.code, got.out, got.err, says)
		}
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	got := holdfast(t, nil, "--help")
	if got.code != show.OK || got.err != "" {
		t.Fatalf("code %d, stderr %q", got.code, got.err)
	}
	for _, want := range []string{"Exit codes:", "4  the payment is pending", "wallet create", "key limit set", "account limit set", "deployment promote", "payment abandon", "config worker", "devnet kill", "$DATABASE_URL"} {
		if !strings.Contains(got.out, want) {
			t.Errorf("%q is missing in\n%s", want, got.out)
		}
	}
	// Every command has a help of its own, with its flags described.
	for _, command := range regexp.MustCompile(`(?m)^  ((?:[a-z]+ )+) +[A-Z]`).FindAllStringSubmatch(got.out, -1) {
		one := holdfast(t, nil, append(strings.Fields(command[1]), "--help")...)
		if one.code != show.OK || !strings.Contains(one.out, "Usage: holdfast "+strings.TrimSpace(command[1])) {
			t.Errorf("%s--help: code %d\n%s%s", command[1], one.code, one.out, one.err)
		}
	}
}

// Every command that lacks a setting says which one, and what to do.
func TestMissingSettings(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, setting := range map[string]string{
		"wallet list":    "DATABASE_URL",
		"check":          "DATABASE_URL",
		"migrate up":     "DATABASE_URL",
		"migrate status": "DATABASE_URL",
	} {
		got := holdfast(t, nil, append(strings.Fields(args), "--env-file", empty)...)
		if got.code != show.Usage || !strings.Contains(got.err, setting+" is not set") || !strings.Contains(got.err, "make dev") || strings.Count(got.err, "\n") != 1 {
			t.Errorf("%q: code %d, stderr %q", args, got.code, got.err)
		}
	}
	// A server process names all at once, a line each, and so does the command that prints its settings.
	for _, args := range []string{"worker", "api", "config worker", "config api", "config"} {
		got := holdfast(t, nil, append(strings.Fields(args), "--env-file", empty, "--payment-wait", "never")...)
		for _, setting := range []string{"DATABASE_URL is not set", "TEMPORAL_ADDRESS is not set", "HOLDFAST_NODES is not set", "HOLDFAST_PAYMENT_WAIT (--payment-wait)"} {
			if got.code != show.Usage || strings.Count(got.err, "\n  "+setting) != 1 || strings.Count(got.err, "\n") != 6 {
				t.Errorf("%s: code %d, stderr %q; want %q in it", args, got.code, got.err, setting)
			}
		}
	}
	if got := holdfast(t, nil, "wallet", "list", "--env-file", filepath.Join(t.TempDir(), "none")); got.code != show.Usage {
		t.Errorf("a missing env file: code %d, %s", got.code, got.err)
	}
}

// config prints what is in force with its source, and never a secret.
func TestConfig(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(file, []byte("HOLDFAST_NODES=bank\nHOLDFAST_LOCK_TIME=20m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{
		"DATABASE_URL": "postgres://u:pa55word@h/d", "TEMPORAL_ADDRESS": "t:1", "HOLDFAST_NETWORK": "regtest", "HOLDFAST_GRPC_TOKEN": strings.Repeat("t0ken", 5),
	}
	args := []string{"config", "--http", "127.0.0.1:1", "--development", "--env-file", file}
	got := holdfast(t, env, args...)
	if got.code != show.OK || strings.Contains(got.out+got.err, "pa55word") || strings.Contains(got.out+got.err, "t0ken") {
		t.Fatalf("code %d\n%s%s", got.code, got.out, got.err)
	}
	for _, line := range []string{
		`HOLDFAST_HTTP +127\.0\.0\.1:1 +flag +--http`, `HOLDFAST_DEVELOPMENT +true +flag`, `HOLDFAST_LOCK_TIME +20m +file`, `HOLDFAST_GRPC_TOKEN +\(hidden\) +environment`,
		`DATABASE_URL +postgres://u:xxxxx@h/d +environment`, `HOLDFAST_DUST_SAT +1000 +default`, `HOLDFAST_JWKS_URL +not set`,
	} {
		if !regexp.MustCompile(line).MatchString(got.out) {
			t.Errorf("no line like %q in\n%s", line, got.out)
		}
	}
	for _, one := range ask[[]settings.Shown](t, env, show.OK, args...) {
		if one.Name == "HOLDFAST_HTTP" && (one.Value != "127.0.0.1:1" || one.Source != settings.ByFlag || one.Flag != "http") {
			t.Errorf("as JSON: %+v", one)
		}
	}
}

// A dependency that is away ends with 5; the cause is shown at debug only.
func TestDependencyAway(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": "postgres://127.0.0.1:1/none"}
	got := holdfast(t, env, "wallet", "list")
	if got.code != show.Away || !strings.Contains(got.err, "(UNAVAILABLE)") || strings.Contains(got.err, "dial") {
		t.Errorf("code %d, stderr %q", got.code, got.err)
	}
	if got := holdfast(t, env, "wallet", "list", "--log-level", "debug"); !strings.Contains(got.err, "level=DEBUG") || !strings.Contains(got.err, "dial") {
		t.Errorf("with --log-level debug: stderr %q", got.err)
	}
	if got := holdfast(t, env, "migrate", "up"); got.code != show.Away || strings.Contains(got.err, "dial") {
		t.Errorf("migrate: code %d, stderr %q", got.code, got.err)
	}
	if got := holdfast(t, nil, "devnet", "ps", "--dir", t.TempDir()); got.code != show.Away || !strings.Contains(got.err, "make dev") {
		t.Errorf("no network: code %d, stderr %q", got.code, got.err)
	}
}

// A flag wins over the environment, the environment over the env file.
func TestSettingsByFlagEnvironmentAndFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "env")
	const unread, away = "not a url", "postgres://127.0.0.1:1/none" // end with 2 and with 5
	if err := os.WriteFile(file, []byte("DATABASE_URL='"+unread+"'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := holdfast(t, nil, "wallet", "list", "--env-file", file); got.code != show.Usage {
		t.Errorf("the env file is not used: code %d, %s", got.code, got.err)
	}
	if got := holdfast(t, map[string]string{"DATABASE_URL": away}, "wallet", "list", "--env-file", file); got.code != show.Away {
		t.Errorf("the environment does not win over the file: code %d, %s", got.code, got.err)
	}
	if got := holdfast(t, map[string]string{"DATABASE_URL": unread}, "wallet", "list", "--database-url", away, "--env-file", file); got.code != show.Away {
		t.Errorf("the flag does not win over the environment: code %d, %s", got.code, got.err)
	}
}

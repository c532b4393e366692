package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// programs makes a folder of programs of some version of PostgreSQL, as far as anybody asks them.
func programs(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"initdb": "", "postgres": "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	return dir
}

// Without a PostgreSQL that is new enough the message says what to do.
func TestNoBinaries(t *testing.T) {
	t.Setenv("HOLDFAST_POSTGRES_BIN", "")
	t.Setenv("PATH", t.TempDir())
	old := programs(t, "14.2")
	if dir, err := findBinaries([]string{old, t.TempDir()}); !errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), "apt-get install postgresql") {
		t.Errorf("found %q, %v", dir, err)
	}
	t.Setenv("PATH", programs(t, "15.4"))
	if dir, err := findBinaries(nil); err != nil || dir != os.Getenv("PATH") {
		t.Errorf("by PATH: %q, %v", dir, err)
	}
	newest := programs(t, "17.0")
	if dir, err := findBinaries([]string{old, newest}); err != nil || dir != newest {
		t.Errorf("of three: %q, %v", dir, err)
	}
	// What was asked for is not replaced by something else: that would be a surprise.
	t.Setenv("HOLDFAST_POSTGRES_BIN", old)
	if dir, err := findBinaries([]string{newest}); err == nil || errors.Is(err, ErrNoBinaries) || !strings.Contains(err.Error(), old) {
		t.Errorf("asked for an old one: %q, %v", dir, err)
	}
}

package postgres

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// MinVersion is the oldest major version that Holdfast's ledger supports.
const MinVersion = 15

// ErrNoBinaries says that no PostgreSQL server program was found, and what to do.
var ErrNoBinaries = errors.New("no PostgreSQL 15 or newer found: install it (apt-get install postgresql), set HOLDFAST_POSTGRES_BIN to the folder of its programs, or set DATABASE_URL to a server of yours")

// FindBinaries returns the folder with initdb and postgres: HOLDFAST_POSTGRES_BIN,
// else the newest below the distributions' usual places, else PATH.
func FindBinaries() (string, error) { return findBinaries(usualPlaces()) }

// Check reports at once what Start would fail for on this machine.
func Check() error {
	if _, err := FindBinaries(); err != nil {
		return err
	}
	_, err := runAs()
	return err
}

// usualPlaces are patterns of the folders that distributions install to.
func usualPlaces() []string {
	return []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin",
	}
}

func findBinaries(places []string) (string, error) {
	if dir := os.Getenv("HOLDFAST_POSTGRES_BIN"); dir != "" {
		if version(dir) < MinVersion {
			return "", errors.New("HOLDFAST_POSTGRES_BIN=" + dir + " does not hold initdb and postgres of PostgreSQL 15 or newer")
		}
		return dir, nil
	}
	candidates := []string{}
	for _, pattern := range places {
		found, _ := filepath.Glob(pattern) // the patterns are well-formed
		candidates = append(candidates, found...)
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		candidates = append(candidates, filepath.Dir(path))
	}
	best, bestVersion := "", MinVersion-1
	for _, dir := range candidates {
		if v := version(dir); v > bestVersion {
			best, bestVersion = dir, v
		}
	}
	if best == "" {
		return "", ErrNoBinaries
	}
	return best, nil
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// version answers the major version of the server in dir, 0 if it is not usable.
func version(dir string) int {
	if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
		return 0
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return 0
	}
	v, _ := strconv.Atoi(string(match[1]))
	return v
}

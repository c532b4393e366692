package devnettest

import (
	"os"
	"path/filepath"
	"strings"
)

// logsEnv names the folder under which the logs of runs that did not pass are kept; not set: the system's temporary folder.
const logsEnv = "HOLDFAST_TEST_LOGS"

// keepLogs is a shell's function: the logs of the network in $1 go to the folder $2, the last 20 MB of each. What an earlier
// failure of the same tests has left there is replaced, so that failures do not pile up.
const keepLogs = `umask 077
keep() {
  for log in "$1"/*.log "$1"/log/*.log; do
    [ -s "$log" ] || continue
    [ -n "$cleared" ] || { mkdir -p "$2" && rm -f "$2"/*.log; cleared=yes; }
    tail -c 20000000 "$log" >"$2/${log##*/}"
  done
}
`

// logsOf is where the logs of some tests are kept if they do not pass.
func logsOf(tests string) string {
	name := "holdfast-failed-" + strings.Map(func(r rune) rune {
		if r == '/' || r == filepath.Separator {
			return '-'
		}
		return r
	}, tests)
	if dir := os.Getenv(logsEnv); dir != "" {
		return filepath.Join(dir, name)
	}
	return filepath.Join(os.TempDir(), name)
}

// thisPackage is the name of the test binary, which is the package's.
func thisPackage() string { return strings.TrimSuffix(filepath.Base(os.Args[0]), ".test") }

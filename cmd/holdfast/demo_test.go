package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
)

// `holdfast demo` where no network runs brings up one of its own, and leaves nothing of it. Not parallel: it has the
// temporary folder of the process for itself.
func TestDemoOnItsOwnNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("brings up a network")
	}
	temporary := devnettest.Dir(t)
	t.Setenv("TMPDIR", temporary)
	got := holdfast(t, nil, "demo", "--dir", filepath.Join(temporary, "none"))
	if got.code != show.OK || !strings.Contains(got.out, "steps went as expected") || strings.Contains(got.out, "using the network") {
		t.Errorf("code %d\n%s%s", got.code, got.out, got.err)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/environ") // every child has our TMPDIR
	if err != nil || len(lines) == 0 {
		t.Fatal("the processes of this machine cannot be read: ", err)
	}
	for _, line := range lines {
		if text, err := os.ReadFile(line); err == nil && strings.Contains(string(text), temporary) { // else it has ended
			t.Errorf("%s still runs: %q", line, text)
		}
	}
}

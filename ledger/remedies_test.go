package ledger_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment/paymenttest"
)

// refusals finds what the SQL functions refuse with. A text that is put together of several begins in message := format(…).
var refusals = regexp.MustCompile(`refusal\('[A-Z_]+', (?:format\()?'((?:[^']|'')+)'`)

// TestRefusalsInSQLSayWhatToDo reads the migrations: whatever they refuse reaches the caller with a remedy.
func TestRefusalsInSQLSayWhatToDo(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range refusals.FindAllStringSubmatch(string(text), -1) {
			seen++
			if lack := paymenttest.Lacks(ledger.Remedied(strings.ReplaceAll(found[1], "''", "'"))); lack != "" {
				t.Errorf("%s: %q: %s", name, found[1], lack)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d refusals were found", seen)
	}
}

package ledger_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// withSettings is a URL that asks for settings of its session, as an operator might write it.
func withSettings(t *testing.T, databaseURL string, query url.Values) string {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	all := u.Query()
	for name, values := range query {
		all[name] = values
	}
	u.RawQuery = strings.ReplaceAll(all.Encode(), "+", "%20") // pgx takes a plus for itself
	return u.String()
}

// Rule 13: neither the URL, nor the role, nor the database can have the ledger answer before a commit is on disk.
func TestCommitsAlwaysWaitForTheDisk(t *testing.T) {
	t.Parallel()
	base := ledgertest.Database(t)
	ledgertest.Exec(t, base, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	for name, query := range map[string]url.Values{
		"database": nil,
		"URL":      {"synchronous_commit": {"off"}},
		"options":  {"options": {"-c synchronous_commit=off"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.Open(t, withSettings(t, base, query))
			if got := must[string](t)(l.Setting(t.Context(), "synchronous_commit")); got != "on" {
				t.Fatalf("synchronous_commit is %s", got)
			}
		})
	}
}

// Rule 13: a server that does not write to the disk is refused, unless it says itself that it is thrown away, as that of
// the tests does.
func TestServerWithoutFsyncIsRefused(t *testing.T) {
	t.Parallel()
	base := ledgertest.Database(t)
	var fsync string
	queryRow(t, base, "SHOW fsync")(&fsync)
	if fsync == "on" {
		t.Skip("this server is durable")
	}
	l, err := ledger.Open(t.Context(), withSettings(t, base, url.Values{"options": {"-c holdfast.throw_away=off"}}))
	if err == nil {
		l.Close()
	}
	wantReason(t, err, payment.ReasonUnavailable)
	if !strings.Contains(err.Error(), "fsync") {
		t.Fatalf("refused by %v", err)
	}
}

func TestOldServersAreRefused(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]payment.Reason{
		90624: payment.ReasonUnavailable, 140019: payment.ReasonUnavailable, 149999: payment.ReasonUnavailable, 150000: "", 150004: "", 170002: "", 180000: "",
	} {
		err := ledger.TooOld(version)
		if payment.ReasonOf(err) != want {
			t.Errorf("%d: %v", version, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "15") || version == 140019 && !strings.Contains(err.Error(), "14.19")) {
			t.Errorf("%d: the message does not tell what to do: %v", version, err)
		}
	}
}

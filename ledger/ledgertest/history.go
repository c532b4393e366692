package ledgertest

import (
	_ "embed"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
)

//go:embed history.sql
var historySQL string

// SeedHistory gives a wallet n transactions, one a second up to now, of six kinds in turn: lightning payments that have paid,
// that failed and that are in flight, invoices that were paid over lightning, invoices that the other wallet paid inside the
// ledger, and deposits to one address. Only the rows that a history is read from are written, no transfers: the books do not
// balance. A hundred thousand take some seconds.
func SeedHistory(t testing.TB, databaseURL string, w, payer ledger.Wallet, n int) {
	t.Helper()
	Exec(t, databaseURL, strings.NewReplacer(
		"@wallet", w.ID.String(), "@account", w.AccountID.String(),
		"@payer_account", payer.AccountID.String(), "@payer", payer.ID.String(), "@count", strconv.Itoa(n),
	).Replace(historySQL))
}

package paymenttest_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/payment/paymenttest"
)

// The notion must notice what it is for.
func TestLacks(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "No.", "Sender and recipient are the same wallet.", "There is no payment 7.", "rpc error: Check the node.", "Check the id",
		"This invoice belongs to another wallet than the recipient named.", "The amount is less than the invoice asks for.",
	} {
		if paymenttest.Lacks(bad) == "" {
			t.Errorf("%q passes", bad)
		}
	}
	for _, good := range []string{
		"There is no such wallet. Check its id.", "The amount must be above zero.", "The ledger is not reachable, nothing was changed; try again.",
		"Every route costs more than the fee limit. Raise the limit, or try later.", "Invoice is already paid.",
	} {
		if lack := paymenttest.Lacks(good); lack != "" {
			t.Errorf("%q: %s", good, lack)
		}
	}
}

package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// A longer invoice than an index entry may be.
func TestLongInvoicesAreFound(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w, _ := sender(t, l)
	long := "lnbcrt1" + strings.Repeat(fmt.Sprintf("%032x", ledgertest.RandomHash()), 200)
	inv := ledger.Invoice{Hash: ledgertest.RandomHash(), WalletID: w.ID, AccountID: w.AccountID, Node: "bank", Request: long, ExpiresAt: time.Now().Add(time.Hour)}
	if err := l.AddInvoice(t.Context(), inv); err != nil {
		t.Fatal(err)
	}
	if credited, err := l.CreditInvoice(t.Context(), "bank", inv.Hash, sat, 1); err != nil || !credited {
		t.Fatalf("%v, %v", credited, err)
	}
	for text, want := range map[string]int{long: 1, strings.ToUpper(long): 1, long[:40]: 0} {
		if got := must[[]ledger.Transaction](t)(l.Transactions(t.Context(), ledger.TransactionFilter{AccountID: w.AccountID, Invoice: text})); len(got) != want {
			t.Fatalf("%.20s…: %+v", text, got)
		}
	}
}

func TestExternalIDs(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w, other := sender(t, l)
	add := func(w ledger.Wallet, id string) (payment.Hash, error) {
		hash := ledgertest.RandomHash()
		return hash, l.AddInvoice(t.Context(), ledger.Invoice{
			Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: "bank", Request: hash.String(), ExternalID: id, ExpiresAt: time.Now().Add(time.Hour),
		})
	}
	first := must[payment.Hash](t)(add(w, "Order_1-a"))
	_, err := add(w, "Order_1-a")
	wantReason(t, err, payment.ReasonInvalidInput)
	must[payment.Hash](t)(add(other, "Order_1-a")) // of another account
	if got := must[ledger.Invoice](t)(l.InvoiceByExternalID(t.Context(), w.AccountID, "Order_1-a")); got.Hash != first {
		t.Fatalf("%+v", got)
	}
	for _, bad := range []string{" ", "a b", "ä", "a.b", strings.Repeat("x", 101), "a\n", "\x00"} {
		_, err := add(w, bad)
		wantReason(t, err, payment.ReasonInvalidInput)
	}
	must[payment.Hash](t)(add(w, strings.Repeat("x", 100)))
	unnamed := must[payment.Hash](t)(add(w, ""))
	if got := must[ledger.Invoice](t)(l.Invoice(t.Context(), unnamed)); got.ExternalID != unnamed.String() {
		t.Fatalf("%+v", got)
	}
}

func TestUnusedAddress(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, w := sender(t, l)
	_, err := l.UnusedAddress(t.Context(), w.ID)
	wantReason(t, err, payment.ReasonNotFound)
	add := func(address string) {
		t.Helper()
		if err := l.AddAddress(t.Context(), ledger.Address{Address: address, WalletID: w.ID, AccountID: w.AccountID, Node: "bank"}); err != nil {
			t.Fatal(err)
		}
		if got := must[ledger.Address](t)(l.UnusedAddress(t.Context(), w.ID)); got.Address != address {
			t.Fatalf("%+v", got)
		}
	}
	add("bcrt1a")
	if err := l.SeeDeposit(t.Context(), "bank", ledger.Deposit{TxID: "aa", Address: "bcrt1a", Amount: 5}); err != nil {
		t.Fatal(err)
	}
	_, err = l.UnusedAddress(t.Context(), w.ID) // it is on its way
	wantReason(t, err, payment.ReasonNotFound)
	add("bcrt1b")
	if _, err := l.CreditDeposit(t.Context(), "bank", ledger.Deposit{TxID: "bb", Address: "bcrt1b", Amount: 5, BlockHeight: 3}); err != nil {
		t.Fatal(err)
	}
	_, err = l.UnusedAddress(t.Context(), w.ID)
	wantReason(t, err, payment.ReasonNotFound)
	add("bcrt1c")
	req := intraledger(from, w, payment.KeyID{}, sat)
	req.Address = "bcrt1c"
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), req))
	_, err = l.UnusedAddress(t.Context(), w.ID)
	wantReason(t, err, payment.ReasonNotFound)
}

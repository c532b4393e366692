package ledger_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func olderInvoice(a, b ledger.InvoiceCursor) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return bytes.Compare(a.Hash[:], b.Hash[:])
}

// TestInvoicePagesEqualAPlainList asks for pages of invoices of an account and of some of its wallets, many of one time.
func TestInvoicePagesEqualAPlainList(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l := ledgertest.New(t, ledger.WithClock(func() time.Time { return now }))
	account, stranger := uuid.New(), ledgertest.Funded(t, l, 0)
	var wallets []payment.WalletID
	for range 3 {
		w := must[ledger.Wallet](t)(l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: account, Currency: payment.BTC}))
		wallets = append(wallets, w.ID)
	}
	var plain []ledger.Invoice // newest first
	for i := range 40 {
		now = now.Add(time.Duration(i%3) * time.Second)
		hash := ledgertest.RandomHash()
		err := l.AddInvoice(t.Context(), ledger.Invoice{Hash: hash, WalletID: wallets[i*i%7%3], AccountID: account, Node: "bank", Request: hash.String(), ExpiresAt: now})
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, must[ledger.Invoice](t)(l.Invoice(t.Context(), hash)))
	}
	slices.SortFunc(plain, func(a, b ledger.Invoice) int { return olderInvoice(b.Cursor(), a.Cursor()) })
	bound := func(t *rapid.T, name string) *ledger.InvoiceCursor {
		if rapid.Bool().Draw(t, name) {
			return nil
		}
		return new(rapid.SampledFrom(plain).Draw(t, "row").Cursor())
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := ledger.InvoiceFilter{
			AccountID: account, WalletIDs: rapid.SliceOfN(rapid.SampledFrom(append(wallets, stranger.ID)), 0, 4).Draw(rt, "wallets"),
			After: bound(rt, "no after"), Before: bound(rt, "no before"), Limit: rapid.IntRange(1, 9).Draw(rt, "limit"), Oldest: rapid.Bool().Draw(rt, "oldest"),
		}
		var want []payment.Hash
		for _, inv := range plain {
			if (len(f.WalletIDs) == 0 || slices.Contains(f.WalletIDs, inv.WalletID)) && (f.After == nil || olderInvoice(inv.Cursor(), *f.After) > 0) &&
				(f.Before == nil || olderInvoice(inv.Cursor(), *f.Before) < 0) {
				want = append(want, inv.Hash)
			}
		}
		if n := min(f.Limit, len(want)); f.Oldest {
			want = want[len(want)-n:]
		} else {
			want = want[:n]
		}
		got, err := l.InvoicesPage(t.Context(), f)
		if err != nil {
			rt.Fatal(err)
		}
		if !slices.EqualFunc(got, want, func(a ledger.Invoice, b payment.Hash) bool { return a.Hash == b }) {
			rt.Fatalf("page %+v has %d rows, want %d, or another order", f, len(got), len(want))
		}
	})
	_, err := l.InvoicesPage(t.Context(), ledger.InvoiceFilter{WalletIDs: wallets[:1]})
	wantReason(t, err, payment.ReasonInvalidInput)
}

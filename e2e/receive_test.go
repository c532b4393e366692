package e2e_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// TestLightningReceive: credited once, with and without an amount in the invoice, to the msat.
func TestLightningReceive(t *testing.T) {
	t.Parallel()
	g := enter(t, 0)
	invoice := g.receive(3_000)
	_, err := g.net.Pay(t.Context(), alice, invoice.Request, 0)
	must(t, err)
	g.credited(3_000_000)
	free, err := g.door.CreateInvoice(t.Context(), starter.ReceiveInvoice{AccountID: g.account, WalletID: g.wallet})
	must(t, err)
	_, err = g.net.Pay(t.Context(), alice, free.Request, 1_234)
	must(t, err)
	g.credited(1_234_000)
	row, err := g.books.Invoice(t.Context(), free.Hash)
	if err != nil || row.State != ledger.InvoicePaid || row.Received != 1_234_000 {
		t.Errorf("the invoice is %+v (%v)", row, err)
	}
	g.money()
}

// TestDeposit: seen before it is mined, credited once when it is, each output of a shared address.
func TestDeposit(t *testing.T) {
	t.Parallel()
	g := enter(t, 0)
	g.aloneOnChain()
	address, err := g.door.CreateAddress(t.Context(), g.account, g.wallet)
	must(t, err)
	for i := range 2 {
		_, err = g.net.Send(t.Context(), alice, address, int64(20_000+i))
		must(t, err)
	}
	until(t, "both deposits to be seen unconfirmed", func() error {
		pending, err := g.books.PendingReceives(t.Context(), g.account, nil, "")
		if err == nil && len(pending) != 2 {
			err = fmt.Errorf("%d are seen", len(pending))
		}
		return err
	})
	g.money() // nothing is credited
	g.mine(1)
	g.credited(40_001_000)
	g.mine(3) // looked at again in the window of reorganisations
	pending, err := g.books.PendingReceives(t.Context(), g.account, nil, "")
	if err != nil || len(pending) != 0 {
		t.Errorf("%d deposits are still expected (%v)", len(pending), err)
	}
	g.money()
}

// TestReceiveOfAnotherOwner: nobody makes an invoice or address for a wallet that is not his.
func TestReceiveOfAnotherOwner(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 0), enter(t, 0)
	_, err := g.door.CreateInvoice(t.Context(), starter.ReceiveInvoice{AccountID: g.account, WalletID: other.wallet, Amount: 1_000})
	g.refusal(err, payment.ReasonWalletNotFound)
	_, err = g.door.CreateAddress(t.Context(), g.account, other.wallet)
	g.refusal(err, payment.ReasonWalletNotFound)
}

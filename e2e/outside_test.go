package e2e_test

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// invoiceLife is how long the invoices of the outside world can be paid.
const invoiceLife = time.Hour

// invoice is one of alice's or bob's; 0: any amount.
func (g *guest) invoice(node string, amount payment.Sat) string {
	g.t.Helper()
	made, err := g.net.Invoice(g.t.Context(), node, int64(amount), "e2e", invoiceLife)
	must(g.t, err)
	return made
}

// hold is a hold invoice: who pays it waits.
func (g *guest) hold(node string, amount payment.Sat) (invoice string, hash payment.Hash) {
	g.t.Helper()
	invoice, text, _, err := g.net.Hold(g.t.Context(), node, int64(amount))
	must(g.t, err)
	hash, err = payment.ParseHash(text)
	must(g.t, err)
	return invoice, hash
}

// held waits until the receiver holds the payment.
func (g *guest) held(node string, hash payment.Hash) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), within)
	defer cancel()
	must(g.t, g.net.AwaitHeld(ctx, node, hash.String()))
}

func (g *guest) settleHold(node string, hash payment.Hash) {
	g.t.Helper()
	must(g.t, g.net.Settle(g.t.Context(), node, hash.String()))
}

func (g *guest) cancelHold(node string, hash payment.Hash) {
	g.t.Helper()
	must(g.t, g.net.Cancel(g.t.Context(), node, hash.String()))
}

// received asks the receiver what an invoice brought.
func (g *guest) received(node, invoice string) payment.Msat {
	g.t.Helper()
	found, err := g.nodes[node].LookupInvoice(g.t.Context(), hashOf(g.t, invoice))
	must(g.t, err)
	if found.State != lndclient.InvoiceSettled {
		return 0
	}
	return found.Received
}

// paidAt expects what an invoice brought to its receiver.
func (g *guest) paidAt(node, invoice string, want payment.Msat) {
	g.t.Helper()
	if got := g.received(node, invoice); got != want {
		g.t.Errorf("%s received %v, want %v", node, got, want)
	}
}

// expired gives an invoice of alice's whose time has passed.
func (g *guest) expired() string {
	g.t.Helper()
	made, err := g.net.Invoice(g.t.Context(), alice, 1000, "e2e", time.Second)
	must(g.t, err)
	g.lapse(made)
	return made
}

// lapse waits until an invoice has expired.
func (g *guest) lapse(invoice string) {
	g.t.Helper()
	decoded, err := lndclient.DecodeInvoice(invoice, lndclient.Regtest)
	must(g.t, err)
	until(g.t, "the invoice to expire", func() error {
		if !decoded.Expired(time.Now()) {
			return errors.New("it can still be paid")
		}
		return nil
	})
}

func hashOf(t testing.TB, invoice string) payment.Hash {
	t.Helper()
	decoded, err := lndclient.DecodeInvoice(invoice, lndclient.Regtest)
	must(t, err)
	return decoded.Hash
}

func randomHash() (h payment.Hash) {
	rand.Read(h[:])
	return h
}

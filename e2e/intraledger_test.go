package e2e_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// receive makes an invoice of ours for the guest's wallet.
func (g *guest) receive(amount payment.Sat) step.Invoice {
	g.t.Helper()
	made, err := g.door.CreateInvoice(g.t.Context(), starter.ReceiveInvoice{AccountID: g.account, WalletID: g.wallet, Amount: amount.MustMsat(), Memo: "e2e"})
	must(g.t, err)
	return made
}

// credited waits until the wallet holds what it should.
func (g *guest) credited(amount payment.Msat) {
	g.t.Helper()
	g.balance += amount
	until(g.t, "the credit of "+amount.String(), func() error {
		w, err := g.books.Wallet(g.t.Context(), g.wallet)
		if err == nil && w.Balance != g.balance {
			err = payment.Errorf(payment.ReasonInternal, "the wallet holds %v, it should hold %v", w.Balance, g.balance)
		}
		return err
	})
}

func TestWalletToWallet(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 10_000), enter(t, 0)
	ask := starter.PayWallet{Caller: g.caller(), WalletID: g.wallet, RecipientID: other.wallet, Amount: 1_234_567}
	began := time.Now()
	row, err := g.door.PayWallet(t.Context(), ask)
	must(t, err)
	t.Logf("start to settled inside the ledger: %v", time.Since(began))
	if row.State != payment.Settled || row.Fee != 0 {
		t.Fatalf("the answer is %s with fee %v", words(row), row.Fee)
	}
	g.charge(row)
	g.money()
	other.balance += 1_234_567
	other.money()

	ask.Amount = g.balance + 1
	row, err = g.door.PayWallet(t.Context(), ask)
	must(t, err)
	g.failed(row, payment.Refused, payment.ReasonInsufficientBalance)
	g.money()
}

// TestOwnInvoice is paid inside the ledger, and nobody outside can pay it any more.
func TestOwnInvoice(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 10_000), enter(t, 0)
	invoice := other.receive(4_000)
	row := g.ended(g.pay(invoice.Request), payment.Settled)
	if row.Kind != payment.Intraledger || row.Fee != 0 {
		t.Errorf("paid as %s with fee %v", row.Kind, row.Fee)
	}
	g.charge(row)
	g.money()
	other.balance += 4_000_000
	other.money()
	at, err := g.nodes[bank].LookupInvoice(t.Context(), invoice.Hash)
	if err != nil || at.State != lndclient.InvoiceCanceled {
		t.Errorf("at lnd the invoice is %s (%v), it should be canceled", at.State, err)
	}
	if _, err := g.net.Pay(t.Context(), alice, invoice.Request, 0); err == nil {
		t.Error("alice could pay it once more")
	}
	g.failed(g.pay(invoice.Request), payment.Refused, payment.ReasonAlreadyPaid)
	g.money()
	other.money()
}

// TestOwnInvoiceOfSameWallet is no payment.
func TestOwnInvoiceOfSameWallet(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	_, err := g.door.PayInvoice(t.Context(), starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet, Invoice: g.receive(1_000).Request})
	g.refusal(err, payment.ReasonSelfPayment)
	g.untouched(0)
}

// TestOwnInvoicePaidOutside: somebody outside has paid it, so nobody inside can.
func TestOwnInvoicePaidOutside(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 10_000), enter(t, 0)
	invoice := other.receive(2_000)
	_, err := g.net.Pay(t.Context(), alice, invoice.Request, 0)
	must(t, err)
	row := g.become(g.pay(invoice.Request).ID, payment.Failed, payment.Refused)
	if row.Failure.Reason != payment.ReasonAlreadyPaid {
		t.Errorf("ended %s", words(row))
	}
	g.money()
	other.credited(2_000_000)
	other.money()
}

// TestOwnInvoiceRace: alice outside and a customer inside pay one invoice at the same moment; it is credited once.
func TestOwnInvoiceRace(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 50_000), enter(t, 0)
	const rounds = 6
	for range rounds {
		invoice := other.receive(2_000)
		var outside error
		var row ledger.Payment
		var both sync.WaitGroup
		both.Go(func() { _, outside = g.net.Pay(context.WithoutCancel(t.Context()), alice, invoice.Request, 0) })
		both.Go(func() { row = g.pay(invoice.Request) })
		both.Wait()
		row = g.become(row.ID, payment.Settled, payment.Failed, payment.Refused)
		inside := row.State == payment.Settled
		if inside == (outside == nil) {
			t.Errorf("inside: %s; outside: %v; exactly one must pay", words(row), outside)
		}
		if inside {
			g.charge(row)
		}
		other.credited(2_000_000)
		g.money()
		other.money()
	}
}

// TestOwnAddress is paid inside the ledger, without a transaction.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 10_000), enter(t, 0)
	address, err := g.door.CreateAddress(t.Context(), other.account, other.wallet)
	must(t, err)
	row, err := g.door.PayAddress(t.Context(), starter.PayAddress{Caller: g.caller(), WalletID: g.wallet, Address: address, Amount: 600})
	must(t, err)
	row = g.ended(row, payment.Settled)
	if row.Kind != payment.Intraledger || row.TxID != "" || row.Fee != 0 {
		t.Errorf("paid as %s with fee %v, transaction %q", row.Kind, row.Fee, row.TxID)
	}
	g.charge(row)
	g.money()
	other.balance += 600_000
	other.money()
	all, err := g.door.PayAddress(t.Context(), starter.PayAddress{Caller: g.caller(), WalletID: g.wallet, Address: address, SendAll: true})
	must(t, err)
	g.charge(g.ended(all, payment.Settled))
	if g.balance != 0 {
		t.Errorf("%v are left", g.balance)
	}
	g.money()
}

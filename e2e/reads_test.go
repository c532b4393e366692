package e2e_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

func (g *guest) probe(invoice string, amount payment.Msat) (payment.Sat, error) {
	return g.door.ProbeInvoiceFee(g.t.Context(), starter.ProbeInvoice{AccountID: g.account, WalletID: g.wallet, Invoice: invoice, Amount: amount})
}

// TestFeeProbe: what is probed is what is paid, and the probe itself sends nothing.
func TestFeeProbe(t *testing.T) {
	t.Parallel()
	g := enter(t, 20_000)
	invoice := g.invoice(bob, 5_000) // through alice, who takes a fee
	fee, err := g.probe(invoice, 0)
	must(t, err)
	_, err = g.nodes[bank].LookupPayment(t.Context(), hashOf(t, invoice))
	if !errors.Is(err, lndclient.ErrNotFound) {
		t.Errorf("after the probe the node knows the payment: %v", err)
	}
	g.untouched(0)
	row := g.ended(g.pay(invoice), payment.Settled)
	g.charge(row)
	if fee == 0 || row.Fee.Ceil() != fee {
		t.Errorf("probed %v, paid %v", fee, row.Fee)
	}
	free, err := g.probe(g.invoice(bob, 0), payment.Sat(5_000).MustMsat())
	if err != nil || free != fee {
		t.Errorf("without an amount: %v, %v", free, err)
	}
	limit, err := g.probe(made(t, regtest(), secret(), msat(10_000_000)), 0) // a node that nobody has heard of
	g.refusal(err, payment.ReasonNoRoute)
	if limit != 50 {
		t.Errorf("beside the error there is %v, want the fee limit", limit)
	}
	other := enter(t, 0)
	own, err := g.probe(other.receive(1_000).Request, 0)
	if err != nil || own != 0 {
		t.Errorf("an invoice of ours: %v, %v", own, err)
	}
	g.money()
}

// TestOnchainFeeEstimate: near what a payment pays.
func TestOnchainFeeEstimate(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 50_000), enter(t, 0)
	outside, err := g.nodes[alice].NewAddress(t.Context())
	must(t, err)
	estimate := func(address string, amount payment.Sat) (payment.Sat, error) {
		return g.door.EstimateOnchainFee(t.Context(), g.account, g.wallet, address, amount, payment.Fast)
	}
	fee, err := estimate(outside, 20_000)
	if err != nil || fee <= 0 || fee > 20_000 {
		t.Errorf("%v, %v", fee, err)
	}
	own, err := g.door.CreateAddress(t.Context(), other.account, other.wallet)
	must(t, err)
	if fee, err := estimate(own, 20_000); err != nil || fee != 0 {
		t.Errorf("an address of ours: %v, %v", fee, err)
	}
	_, err = estimate(outside, 100)
	g.refusal(err, payment.ReasonDust)
	g.untouched(0)
}

func (g *guest) cancelInvoice(hash payment.Hash) error {
	return g.door.CancelInvoice(g.t.Context(), g.account, g.wallet, hash)
}

// TestCancelInvoice: nobody can pay it afterwards, from outside or inside; what is paid stays paid; another owner sees nothing.
func TestCancelInvoice(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 0), enter(t, 10_000)
	invoice := g.receive(3_000)
	other.refusal(other.cancelInvoice(invoice.Hash), payment.ReasonNotFound)
	for range 2 {
		must(t, g.cancelInvoice(invoice.Hash))
	}
	if _, err := g.net.Pay(t.Context(), alice, invoice.Request, 0); err == nil {
		t.Error("alice has paid a canceled invoice")
	}
	other.failed(other.pay(invoice.Request), payment.Refused, payment.ReasonInvoiceCanceled)
	other.money()

	paid := g.receive(2_000)
	_, err := g.net.Pay(t.Context(), alice, paid.Request, 0)
	must(t, err)
	g.refusal(g.cancelInvoice(paid.Hash), payment.ReasonAlreadyPaid) // credited or not yet: LND knows
	g.credited(2_000_000)
	g.refusal(g.cancelInvoice(paid.Hash), payment.ReasonAlreadyPaid)
	g.money()
}

// TestCancelInvoiceWhileItIsPaid: LND decides, and all agree: canceled and not paid, or paid and credited.
func TestCancelInvoiceWhileItIsPaid(t *testing.T) {
	t.Parallel()
	const races, each = 8, 1_000
	g := enter(t, 0)
	won := 0
	for race := range races {
		invoice := g.receive(each)
		var payErr, cancelErr error
		atOnce(2, func(i int) {
			if i == 0 {
				_, payErr = g.net.Pay(t.Context(), alice, invoice.Request, 0)
				return
			}
			for range race * 100 { // a head start for the payment, longer each time
				_, err := g.nodes[bank].LookupInvoice(t.Context(), invoice.Hash)
				if err != nil {
					t.Error(err)
				}
			}
			cancelErr = g.cancelInvoice(invoice.Hash)
		})
		switch {
		case cancelErr == nil && payErr != nil:
		case payment.IsReason(cancelErr, payment.ReasonAlreadyPaid) && payErr == nil:
			won++
		default:
			t.Fatalf("pay: %v; cancel: %v", payErr, cancelErr)
		}
	}
	if won > 0 {
		g.credited(payment.Sat(won * each).MustMsat())
	}
	t.Logf("of %d races the payment won %d", races, won)
	g.money()
}

// TestCurrentAddress: the same one until something comes to it.
func TestCurrentAddress(t *testing.T) {
	t.Parallel()
	g := enter(t, 0)
	g.aloneOnChain()
	current := func() string {
		t.Helper()
		address, err := g.door.CurrentAddress(t.Context(), g.account, g.wallet)
		must(t, err)
		return address
	}
	first := current()
	if again := current(); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	txid, err := g.net.Send(t.Context(), alice, first, 20_000)
	must(t, err)
	until(t, "another address once a deposit is seen", func() error {
		if current() == first {
			return errors.New("it is still the first")
		}
		return nil
	})
	pending, err := g.books.PendingReceives(t.Context(), g.account, nil, first)
	must(t, err)
	if len(pending) != 1 || pending[0].Settlement.TxID != txid || pending[0].Amount != payment.Sat(20_000).MustMsat() {
		t.Errorf("pending: %+v", pending)
	}
	g.mine(1)
	g.credited(20_000_000)
	found, err := g.books.Transaction(t.Context(), g.account, pending[0].ID)
	if err != nil || found.Status != ledger.TransactionSuccess || found.Settlement.TxID != txid {
		t.Errorf("%+v, %v", found, err)
	}
	g.money()
}

// TestProofs: who paid over lightning, who was paid, and who paid an invoice of ours inside the ledger see the preimage.
func TestProofs(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 20_000), enter(t, 0)
	proves := func(who string, tx ledger.Transaction, hash payment.Hash) {
		t.Helper()
		if payment.Hash(sha256.Sum256(tx.Settlement.Preimage)) != hash || tx.Initiation.PaymentHash != hash || tx.Status != ledger.TransactionSuccess {
			t.Errorf("%s: %s, initiated by %s, settled by %s, preimage of %d bytes", who, tx.Status, tx.Initiation.Kind, tx.Settlement.Kind, len(tx.Settlement.Preimage))
		}
	}
	outside := g.invoice(alice, 1_000)
	row := g.ended(g.pay(outside), payment.Settled)
	g.charge(row)
	proves("who paid outside", g.transaction(row.ID), hashOf(t, outside))

	inside := other.receive(2_000)
	row = g.ended(g.pay(inside.Request), payment.Settled)
	g.charge(row)
	proves("who paid inside", g.transaction(row.ID), inside.Hash)
	other.balance += 2_000_000
	got, err := other.books.TransactionOfPayment(t.Context(), other.account, other.wallet, row.ID)
	must(t, err)
	proves("who was paid inside", got, inside.Hash)

	invoice := other.receive(3_000)
	_, err = g.net.Pay(t.Context(), alice, invoice.Request, 0)
	must(t, err)
	other.credited(3_000_000)
	all, err := other.books.Transactions(t.Context(), ledger.TransactionFilter{AccountID: other.account, Invoice: invoice.Request})
	must(t, err)
	if len(all) != 1 || len(all[0].Settlement.PaymentSecret) != 32 {
		t.Fatalf("%+v", all)
	}
	proves("who was paid from outside", all[0], invoice.Hash)
	g.money()
}

func (g *guest) transaction(id payment.ID) ledger.Transaction {
	g.t.Helper()
	tx, err := g.books.TransactionOfPayment(g.t.Context(), g.account, g.wallet, id)
	must(g.t, err)
	return tx
}

// TestNodeAway: a node whose workers are gone is an answer, within a few seconds.
func TestNodeAway(t *testing.T) {
	t.Parallel()
	const soon = 9 * time.Second
	g := enter(t, 0)
	g.useDoor("away")
	hash := randomHash()
	must(t, g.books.AddInvoice(t.Context(), ledger.Invoice{
		Hash: hash, WalletID: g.wallet, AccountID: g.account, Node: "away", Request: hash.String(), ExpiresAt: time.Now().Add(time.Hour),
	}))
	outside, err := g.nodes[alice].NewAddress(t.Context())
	must(t, err)
	invoice := g.invoice(alice, 1_000)
	asks := []func() error{
		func() error { _, err := g.probe(invoice, 0); return err },
		func() error {
			_, err := g.door.EstimateOnchainFee(t.Context(), g.account, g.wallet, outside, 20_000, payment.Fast)
			return err
		},
		func() error { return g.cancelInvoice(hash) },
		func() error { _, err := g.door.CurrentAddress(t.Context(), g.account, g.wallet); return err },
		func() error {
			_, err := g.door.CreateInvoice(t.Context(), starter.ReceiveInvoice{AccountID: g.account, WalletID: g.wallet})
			return err
		},
	}
	begun := time.Now()
	answers := make([]error, len(asks))
	atOnce(len(asks), func(i int) { answers[i] = asks[i]() })
	if took := time.Since(begun); took > soon {
		t.Errorf("they took %v", took)
	}
	for i, err := range answers {
		if !payment.IsReason(err, payment.ReasonNodeOffline) {
			t.Error(fmt.Errorf("call %d: %w", i, err))
		}
	}
	g.untouched(0)
}

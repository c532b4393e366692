package e2e_test

import (
	"context"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// TestSameKeyInParallel: a hundred calls with one key are one payment with one answer.
func TestSameKeyInParallel(t *testing.T) {
	t.Parallel()
	g := enter(t, 50_000)
	const calls = 100
	ask := g.keyed("order-1", g.invoice(bob, 5_000))
	rows := make([]ledger.Payment, calls)
	atOnce(calls, func(i int) { rows[i] = g.ask(ask) })
	end := g.ended(rows[0], payment.Settled)
	for i, row := range rows {
		// A call that was not answered in its five seconds has "pending": that is the same payment, too.
		if row.ID != end.ID || row.State != payment.Settled && row.State != payment.Pending && row.State != payment.Dispatched && row.State != payment.Reserved {
			t.Errorf("call %d answers payment %s, %s", i, row.ID, words(row))
		}
	}
	g.charge(end)
	g.untouched(1)
	g.paidAt(bob, ask.Invoice, 5_000_000)
	replay := g.ask(ask)
	if replay.ID != end.ID || replay.State != end.State || replay.Fee != end.Fee || string(replay.Preimage) != string(end.Preimage) {
		t.Errorf("the replay answers %s %s", replay.ID, words(replay))
	}
	g.untouched(1)
}

// keyed is a payment with an idempotency key.
func (g *guest) keyed(key, invoice string) starter.PayInvoice {
	caller := g.caller()
	caller.IdempotencyKey = key
	return starter.PayInvoice{Caller: caller, WalletID: g.wallet, Invoice: invoice}
}

// TestSameKeyOtherBody is an error without effect, while the first call runs and afterwards.
func TestSameKeyOtherBody(t *testing.T) {
	t.Parallel()
	g := enter(t, 50_000)
	invoice, hash := g.hold(alice, 5_000)
	ask := g.keyed("order-1", invoice)
	row := g.become(g.ask(ask).ID, payment.Pending)
	others := map[string]func() error{
		"another invoice": func() error {
			_, err := g.door.PayInvoice(t.Context(), g.keyed("order-1", g.invoice(alice, 5_000)))
			return err
		},
		"another wallet": func() error {
			other := ask
			other.WalletID = g.openWallet("other", 10_000)
			_, err := g.door.PayInvoice(t.Context(), other)
			return err
		},
		"another kind": func() error {
			_, err := g.door.PayWallet(t.Context(), starter.PayWallet{Caller: ask.Caller, WalletID: g.wallet, RecipientID: g.treasury.ID, Amount: 1})
			return err
		},
		"another fee limit": func() error {
			other := ask
			other.MaxFee = new(payment.Msat(1_000))
			_, err := g.door.PayInvoice(t.Context(), other)
			return err
		},
	}
	for name, call := range others {
		t.Log("in flight:", name)
		g.refusal(call(), payment.ReasonIdempotencyConflict)
	}
	session := ask
	session.KeyID = payment.KeyID{} // an idempotency key is the account's, whichever of its credentials repeats the call
	if again := g.ask(session); again.ID != row.ID || again.KeyID != row.KeyID {
		t.Errorf("the same call without the API key answers %s %s", again.ID, words(again))
	}
	if again := g.ask(ask); again.ID != row.ID || again.State != payment.Pending {
		t.Errorf("the same call in flight answers %s %s", again.ID, words(again))
	}
	g.money(row)
	g.cancelHold(alice, hash)
	row = g.failed(row, payment.Failed, payment.ReasonRejected)
	for name, call := range others {
		t.Log("ended:", name)
		g.refusal(call(), payment.ReasonIdempotencyConflict)
	}
	if again := g.ask(ask); again.ID != row.ID || again.State != payment.Failed || again.Failure.Reason != payment.ReasonRejected {
		t.Errorf("the same call after the end answers %s %s", again.ID, words(again))
	}
	g.untouched(1)
	// Another account may use the same key.
	stranger := enter(t, 10_000)
	stranger.charge(stranger.ended(stranger.ask(stranger.keyed("order-1", stranger.invoice(alice, 1_000))), payment.Settled))
	stranger.money()
}

// TestSameKeyOtherBodyBeforeTheRow: no worker has reserved the first payment yet, so there is no row to compare with.
func TestSameKeyOtherBodyBeforeTheRow(t *testing.T) {
	g := enter(t, 50_000)
	other := g.openWallet("other", 0)
	g.stop(workerProcess)
	caller := g.caller()
	caller.IdempotencyKey = "order-1"
	ask := starter.PayWallet{Caller: caller, WalletID: g.wallet, RecipientID: other, Amount: 1_000}
	row, err := g.door.PayWallet(t.Context(), ask)
	if err != nil || row.State != payment.Pending {
		t.Fatalf("%s, %v", words(row), err)
	}
	more := ask
	more.Amount = 40_000_000
	_, err = g.door.PayWallet(t.Context(), more)
	g.refusal(err, payment.ReasonIdempotencyConflict)
	if again, err := g.door.PayWallet(t.Context(), ask); err != nil || again.ID != row.ID || again.State != payment.Pending {
		t.Errorf("the same body: %s, %v", words(again), err)
	}
	g.start(workerProcess)
	g.charge(g.ended(row, payment.Settled))
	g.money()
}

// TestRefusedStaysRefused: the same key gets the same refusal, also when the reason is gone; a new key pays.
func TestRefusedStaysRefused(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	g.limit(payment.Daily, 1_000)
	ask := g.keyed("order-1", g.invoice(alice, 2_000))
	row := g.failed(g.ask(ask), payment.Refused, payment.ReasonBudgetExceeded)
	must(t, g.books.RemoveLimit(t.Context(), g.account, g.key, payment.Daily))
	again := g.failed(g.ask(ask), payment.Refused, payment.ReasonBudgetExceeded)
	if again.ID != row.ID || again.Failure.Message != row.Failure.Message {
		t.Errorf("the replay answers %s: %s", again.ID, words(again))
	}
	g.untouched(1)
	ask.IdempotencyKey = "order-2"
	g.charge(g.ended(g.ask(ask), payment.Settled))
	g.untouched(2)
}

// persist repeats a call with one key until it is answered, as a careful caller does.
func (g *guest) persist(key, invoice, address string) (row ledger.Payment) {
	g.t.Helper()
	caller := g.caller()
	caller.IdempotencyKey = key
	ctx, cancel := context.WithTimeout(g.t.Context(), within)
	defer cancel()
	err := poll(ctx, "an answer to "+key, func() (err error) {
		if address != "" {
			row, err = g.door.PayAddress(ctx, starter.PayAddress{Caller: caller, WalletID: g.wallet, Address: address, Amount: 20_000})
		} else {
			g.sending.RLock()
			defer g.sending.RUnlock()
			row, err = g.door.PayInvoice(ctx, starter.PayInvoice{Caller: caller, WalletID: g.wallet, Invoice: invoice})
		}
		if err != nil && !payment.IsReason(err, payment.ReasonUnavailable) && !payment.IsReason(err, payment.ReasonOutcomeUnknown) {
			g.t.Errorf("%s: %v", key, err)
		}
		return err
	})
	if err != nil {
		g.t.Error(err)
	}
	return row
}

package activities_test

import (
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// broadcast is a payment of 100,000 sat that waits in the mempool at 2 sat/vB.
func (h *house) broadcast() (payment.Request, step.Signed) {
	h.t.Helper()
	req, signed := h.signed(100_000 * sat)
	wantBroadcast(h.t, must(h.t, h.steps.PublishOnchain, req), signed.TxID)
	return req, signed
}

func (h *house) bumpTo(req payment.Request, rate uint64) step.Bumped {
	h.t.Helper()
	return must(h.t, h.steps.BumpOnchain, step.BumpInput{Request: req, SatPerVByte: rate})
}

// bumped is a bump that must be done.
func (h *house) bumped(req payment.Request, rate uint64) step.Bumped {
	h.t.Helper()
	got := h.bumpTo(req, rate)
	if got.Refusal != nil || got.SatPerVByte != rate || got.Word.Terminal() || got.Word.TxID == "" {
		h.t.Fatalf("bumped to %d: %+v (%+v)", rate, got, got.Refusal)
	}
	return got
}

func (h *house) txs(id payment.ID) []ledger.PaymentTransaction {
	h.t.Helper()
	txs, err := h.ledger.PaymentTransactions(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return txs
}

// confirm mines to our depth and concludes by the word.
func (h *house) confirm(req payment.Request) payment.Outcome {
	h.t.Helper()
	h.network.Mine(int(depth))
	return h.conclude(req, must(h.t, h.steps.AskOnchain, req))
}

func TestBumpReplacesAndTheFeeThatConfirmedIsCharged(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, first := h.broadcast()
	second := h.bumped(req, 5)
	again := h.bumped(req, 5) // a retry of the activity, or the operator's
	third := h.bumped(req, 20)
	if again.Word.TxID != second.Word.TxID || len(h.txs(req.ID)) != 3 || h.row(req.ID).Send.Attempt != 3 {
		t.Fatalf("%d transactions, attempt %d", len(h.txs(req.ID)), h.row(req.ID).Send.Attempt)
	}
	if h.network.InMempool(first.TxID) || h.network.InMempool(second.Word.TxID) || !h.network.InMempool(third.Word.TxID) {
		t.Fatal("the mempool does not have the newest alone")
	}
	h.wantMoney(balance, 100_000*sat+388*sat)
	h.network.Mine(1)
	if got := h.bumpTo(req, 50); got.Refusal == nil || got.Refusal.Reason != payment.ReasonPaymentInFlight || got.Word.Confirmations != 1 {
		t.Fatalf("bumped what is in a block: %+v", got)
	}
	out := h.confirm(req)
	row := h.row(req.ID)
	if fee := h.txs(req.ID)[2].Fee; out.TxID != third.Word.TxID || out.Fee != fee || row.FeeOverage != fee-row.FeeReserve {
		t.Fatalf("settled %+v, overage %v; the fee was %v", out, row.FeeOverage, fee)
	}
	h.wantMoney(balance-100_000*sat-388*sat, 0)
	if got := h.bumpTo(req, 90); got.Word.Status != step.Paid {
		t.Errorf("after the end: %+v", got)
	}
}

func TestBumpsThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.signed(100_000 * sat)
	refused := func(why string, rate uint64, reason payment.Reason) {
		t.Helper()
		got := h.bumpTo(req, rate)
		if got.Refusal == nil || got.Refusal.Reason != reason || got.Refusal.Message == "" {
			t.Errorf("%s: %+v (%+v)", why, got, got.Refusal)
		}
	}
	refused("not sent", 20, payment.ReasonPaymentInFlight)
	must(t, h.steps.PublishOnchain, req)
	refused("no rate", 0, payment.ReasonInvalidInput)
	refused("the same rate", 2, payment.ReasonInvalidInput)
	refused("above the cap", 501, payment.ReasonInvalidInput)
	h.bank.Fail(lndfake.SignPSBT, lndfake.AfterEffect, lndclient.KindUnavailable)
	refused("the signer is silent", 20, payment.ReasonNodeOffline)
	h.bank.Down()
	refused("the node is down", 20, payment.ReasonNodeOffline)
	h.bank.Up()
	if len(h.txs(req.ID)) != 1 || h.row(req.ID).Send.Attempt != 1 {
		t.Fatalf("stored %d transactions", len(h.txs(req.ID)))
	}
	h.confirm(req)
	h.wantMoney(balance-100_000*sat-minerFee, 0)
}

// A transaction without change cannot be bumped: the fee would come out of what the receiver gets. It can be taken back.
func TestBumpWithoutChangeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.bank.Deposit(100_000 + minerFee.Ceil() + 50) // the rest is dust and goes to the miners
	req, signed := h.broadcast()
	got := h.bumpTo(req, 40)
	if got.Refusal == nil || got.Refusal.Reason != payment.ReasonInvalidInput || !strings.Contains(got.Refusal.Message, "no change") {
		t.Fatalf("%+v (%+v)", got, got.Refusal)
	}
	h.bank.SetFeeRate(30)
	word := must(t, h.steps.AbandonOnchain, req)
	if word.Rescue == "" || h.network.InMempool(signed.TxID) {
		t.Fatalf("not taken back: %+v", word)
	}
	if out := h.confirm(req); out.State != payment.Failed {
		t.Fatalf("%+v", out)
	}
	h.wantMoney(balance, 0)
}

func TestBumpBeyondTheChangeIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.bank.Deposit(101_000)
	req, signed := h.broadcast()
	got := h.bumpTo(req, 40)
	if got.Refusal == nil || !strings.Contains(got.Refusal.Message, "too little for a fee") || !h.network.InMempool(signed.TxID) {
		t.Fatalf("%+v (%+v)", got, got.Refusal)
	}
}

// Whether the call or its answer was lost: what is stored is broadcast by asking, and the bump is not made twice.
func TestBumpWhoseBroadcastIsSilent(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]lndfake.When{"not sent": lndfake.BeforeEffect, "sent": lndfake.AfterEffect} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newChainHouse(t)
			req, _ := h.broadcast()
			h.bank.Fail(lndfake.Publish, lndfake.AfterEffect, lndclient.KindUnknown) // the look before the bump
			h.bank.Fail(lndfake.Publish, when, lndclient.KindUnknown)
			h.bank.Fail(lndfake.Publish, when, lndclient.KindUnknown)
			got := h.bumpTo(req, 20)
			wantUnknown(t, got.Word)
			if got.Refusal != nil || got.SatPerVByte != 20 {
				t.Fatalf("%+v", got)
			}
			word := must(t, h.steps.AskOnchain, req)
			wantBroadcast(t, word, h.txs(req.ID)[1].TxID)
			if !h.network.InMempool(word.TxID) || len(h.txs(req.ID)) != 2 {
				t.Fatal("not broadcast, or twice")
			}
		})
	}
}

// A crash at any call of a bump: the retry ends with one replacement, the same for all.
func TestCrashInABumpIsTakenUp(t *testing.T) {
	t.Parallel()
	for _, call := range []lndfake.Call{lndfake.SignPSBT, lndfake.Publish, lndfake.LookupTransaction} {
		t.Run(string(call), func(t *testing.T) {
			t.Parallel()
			h := newChainHouse(t)
			req, _ := h.broadcast()
			if call == lndfake.Publish { // not the look before the bump, but the bump's own
				h.bank.Fail(lndfake.Publish, lndfake.AfterEffect, lndclient.KindUnknown)
			}
			_, _ = act(cut(h, call), h.steps.BumpOnchain, step.BumpInput{Request: req, SatPerVByte: 20})
			got := h.bumped(req, 20)
			if txs := h.txs(req.ID); len(txs) != 2 || txs[1].TxID != got.Word.TxID || !h.network.InMempool(got.Word.TxID) {
				t.Fatalf("%d transactions; %+v", len(txs), got)
			}
			h.confirm(req)
			h.wantMoney(balance-100_000*sat-388*sat, 0)
		})
	}
}

// Two bumps that have seen the same attempt: one is stored, and the other one says so.
func TestTwoBumpsAtOnce(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.broadcast()
	gate := h.bank.Block(lndfake.SignPSBT, lndfake.AfterEffect)
	slow := going(t.Context(), h.steps.BumpOnchain, step.BumpInput{Request: req, SatPerVByte: 30})
	<-gate.Reached()
	h.bumped(req, 20)
	gate.Release()
	if got := <-slow; got.err != nil || got.out.Refusal == nil || got.out.Refusal.Reason != payment.ReasonPaymentInFlight {
		t.Fatalf("%+v, %v", got.out, got.err)
	}
	if txs := h.txs(req.ID); len(txs) != 2 || !h.network.InMempool(txs[1].TxID) {
		t.Fatalf("%d transactions", len(txs))
	}
	h.bumped(req, 30)
}

// The original is mined while a bump is signed: the bump is stored, and the payment settles at what was mined.
func TestOriginalConfirmsDuringABump(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.broadcast()
	gate := h.bank.Block(lndfake.SignPSBT, lndfake.AfterEffect)
	bump := going(t.Context(), h.steps.BumpOnchain, step.BumpInput{Request: req, SatPerVByte: 20})
	<-gate.Reached()
	h.network.Mine(int(depth))
	gate.Release()
	if got := <-bump; got.err != nil || got.out.Word.Status != step.Paid {
		t.Fatalf("%+v, %v", got.out, got.err)
	}
	out := h.conclude(req, must(t, h.steps.AskOnchain, req))
	if out.TxID != signed.TxID || out.Fee != minerFee {
		t.Fatalf("%+v", out)
	}
	h.wantMoney(balance-100_000*sat-minerFee, 0)
}

// The original is found at our depth before a bump is stored, and the payment settles by that before the bump has looked again:
// the row names what was mined.
func TestBumpIsStoredBetweenConfirmedAndSettled(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.broadcast()
	signing := h.bank.Block(lndfake.SignPSBT, lndfake.AfterEffect)
	bump := going(t.Context(), h.steps.BumpOnchain, step.BumpInput{Request: req, SatPerVByte: 20})
	<-signing.Reached()
	h.network.Mine(int(depth))
	word := must(t, h.steps.AskOnchain, req)
	publishing := h.bank.Block(lndfake.Publish, lndfake.BeforeEffect)
	signing.Release()
	<-publishing.Reached()
	if row := h.row(req.ID); row.TxID == signed.TxID || row.Send.Attempt != 2 {
		t.Fatalf("no bump is stored: %+v", row)
	}
	out := h.conclude(req, word)
	publishing.Release()
	if got := <-bump; got.err != nil || got.out.Word.Status != step.Paid || got.out.Word.TxID != signed.TxID {
		t.Fatalf("%+v, %v", got.out, got.err)
	}
	if row := h.row(req.ID); out.TxID != signed.TxID || row.TxID != signed.TxID || row.SignedFee != minerFee || row.Fee != minerFee {
		t.Fatalf("settled %+v; the row names %s at %v", out, row.TxID, row.SignedFee)
	}
	h.wantMoney(balance-100_000*sat-minerFee, 0)
}

// The mempool refuses a replacement: the operator hears it, and the transaction before it goes on.
func TestRefusedReplacementLeavesTheOneBefore(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, first := h.broadcast()
	h.bank.Fail(lndfake.Publish, lndfake.AfterEffect, lndclient.KindUnknown) // the look before the bump
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	got := h.bumpTo(req, 20)
	if got.Refusal == nil || got.Refusal.Reason != payment.ReasonPublishRejected || got.Word.Terminal() || !h.network.InMempool(first.TxID) {
		t.Fatalf("%+v (%+v)", got, got.Refusal)
	}
	out := h.confirm(req)
	if out.TxID != first.TxID || out.Fee != minerFee {
		t.Fatalf("%+v", out)
	}
	h.wantMoney(balance-100_000*sat-minerFee, 0)
}

// A first broadcast that was asleep wakes up when a bump is in the mempool, and is refused because of it. That proves nothing:
// the ledger does not void by it.
func TestLateFirstBroadcastDoesNotVoidABumpedPayment(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.signed(100_000 * sat)
	gate := h.bank.Block(lndfake.Publish, lndfake.BeforeEffect)
	asleep := going(t.Context(), h.steps.PublishOnchain, req)
	<-gate.Reached()
	bump := h.bumped(req, 20)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	gate.Release()
	got := <-asleep
	if got.err != nil {
		t.Fatal(got.err)
	}
	if got.out.Terminal() {
		if out := h.conclude(req, got.out); out.State.Terminal() {
			t.Fatalf("given back by the evidence of attempt %d: %+v", got.out.Attempt, out)
		}
	}
	if out := h.confirm(req); out.State != payment.Settled || out.TxID != bump.Word.TxID {
		t.Fatalf("%+v", out)
	}
}

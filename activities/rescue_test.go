package activities_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// takenBack is an abandon that must be under way.
func (h *house) takenBack(req payment.Request) step.Word {
	h.t.Helper()
	word := must(h.t, h.steps.AbandonOnchain, req)
	if word.Terminal() || word.Rescue == "" || word.TxID == "" {
		h.t.Fatalf("not taken back: %+v", word)
	}
	return word
}

func TestAbandonTakesBackWhatWaits(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.broadcast()
	bump := h.bumped(req, 8)
	word := h.takenBack(req)
	again := h.takenBack(req)
	row := h.row(req.ID)
	if again.Rescue != word.Rescue || len(h.txs(req.ID)) != 3 || row.TxID != bump.Word.TxID || row.Send.Attempt != 3 {
		t.Fatalf("%d transactions, the row names %s, attempt %d", len(h.txs(req.ID)), row.TxID, row.Send.Attempt)
	}
	if h.network.InMempool(bump.Word.TxID) || !h.network.InMempool(word.Rescue) {
		t.Fatal("the rescue has not replaced the payment")
	}
	for range depth - 1 {
		h.network.Mine(1)
		if word := must(t, h.steps.AskOnchain, req); word.Terminal() || word.Rescue == "" || word.Confirmations == 0 {
			t.Fatalf("before our depth: %+v", word)
		}
		h.wantMoney(balance, 100_000*sat+388*sat)
	}
	h.network.Mine(1)
	word = must(t, h.steps.FollowOnchain, req)
	wantNotPaid(t, word, payment.ReasonAbandoned, 3)
	h.conclude(req, word)
	h.wantMoney(balance, 0)
}

// What takes back is bumped like a payment, and stays what it is.
func TestRescueIsBumped(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.broadcast()
	first := h.takenBack(req)
	got := h.bumpTo(req, 60)
	txs := h.txs(req.ID)
	if got.Refusal != nil || len(txs) != 3 || txs[2].Kind != ledger.RescueTransaction || got.Word.Rescue != txs[2].TxID || got.Word.TxID != txs[0].TxID {
		t.Fatalf("%+v (%+v)", got, got.Refusal)
	}
	if h.network.InMempool(first.Rescue) || !h.network.InMempool(txs[2].TxID) {
		t.Fatal("the first rescue was not replaced")
	}
	if out := h.confirm(req); out.State != payment.Failed || out.Failure.Reason != payment.ReasonAbandoned {
		t.Fatalf("%+v", out)
	}
	h.wantMoney(balance, 0)
}

// The rescue was stored and not broadcast, and the payment confirms: it is paid.
func TestPaymentConfirmsDespiteTheRescue(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.broadcast()
	for range 3 { // the look before, the broadcast, the look after
		h.bank.Fail(lndfake.Publish, lndfake.BeforeEffect, lndclient.KindUnknown)
	}
	word := h.takenBack(req)
	if h.network.InMempool(word.Rescue) || !h.network.InMempool(signed.TxID) {
		t.Fatal("the rescue was broadcast")
	}
	if out := h.confirm(req); out.State != payment.Settled || out.TxID != signed.TxID || out.Fee != minerFee {
		t.Fatalf("%+v", out)
	}
	h.wantMoney(balance-100_000*sat-minerFee, 0)
}

// A crash at any call of an abandon: the retry, or just asking, ends with one rescue.
func TestCrashInAnAbandonIsTakenUp(t *testing.T) {
	t.Parallel()
	for _, call := range []lndfake.Call{lndfake.NewAddress, lndfake.SignPSBT, lndfake.Publish} {
		t.Run(string(call), func(t *testing.T) {
			t.Parallel()
			h := newChainHouse(t)
			req, _ := h.broadcast()
			if call == lndfake.Publish { // not the look before, but the rescue's own
				h.bank.Fail(lndfake.Publish, lndfake.AfterEffect, lndclient.KindUnknown)
			}
			_, _ = act(cut(h, call), h.steps.AbandonOnchain, req)
			h.takenBack(req)
			if txs := h.txs(req.ID); len(txs) != 2 || !h.network.InMempool(txs[1].TxID) {
				t.Fatalf("%d transactions", len(txs))
			}
			h.confirm(req)
			h.wantMoney(balance, 0)
		})
	}
}

func TestAbandonsThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	refused := func(why string, req payment.Request) {
		t.Helper()
		if word := must(t, h.steps.AbandonOnchain, req); word.Terminal() || word.Rescue != "" || word.Note == "" {
			t.Errorf("%s: %+v", why, word)
		}
	}
	req, _ := h.broadcast()
	h.bank.Fail(lndfake.SignPSBT, lndfake.BeforeEffect, lndclient.KindUnavailable)
	refused("the signer is silent", req)
	h.bank.Down()
	refused("the node is down", req)
	h.bank.Up()
	h.steps.MaxFeeRate = 3
	refused("it would cost more than the cap", req)
	h.steps.MaxFeeRate = 0
	if len(h.txs(req.ID)) != 1 {
		t.Fatal("a rescue is stored")
	}
	h.network.Mine(1)
	refused("it is in a block", req)
	h.confirm(req)
	h.wantMoney(balance-100_000*sat-minerFee, 0)
}

// A mempool that refuses the rescue: no promise to the operator, and it is offered again.
func TestRefusedRescueIsNoPromise(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.broadcast()
	h.bank.Fail(lndfake.Publish, lndfake.AfterEffect, lndclient.KindUnknown) // the look before
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	if word := must(t, h.steps.AbandonOnchain, req); word.Terminal() || word.Rescue != "" || word.Note == "" {
		t.Fatalf("%+v", word)
	}
	if !h.network.InMempool(signed.TxID) {
		t.Fatal("the payment is gone")
	}
	if word := must(t, h.steps.AskOnchain, req); word.Rescue == "" || !h.network.InMempool(word.Rescue) {
		t.Fatalf("not offered again: %+v", word)
	}
	h.confirm(req)
	h.wantMoney(balance, 0)
}

// Reconcile knows every transaction of a payment that was given back.
func TestComparisonKnowsEveryTransaction(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.broadcast()
	h.bumped(req, 20)
	row := h.row(req.ID)
	why := payment.Failure{Reason: payment.ReasonConflict, Message: "wrongly given back"}
	if out, err := h.books.Void(t.Context(), step.VoidInput{Request: req, Failure: why, Attempt: row.Send.Attempt}); err != nil || out.State != payment.Failed {
		t.Fatalf("%+v, %v", out, err)
	}
	h.network.Drop(row.TxID)
	if err := h.bank.Publish(t.Context(), h.txs(req.ID)[0].Raw, ""); err != nil {
		t.Fatal(err)
	}
	h.network.Mine(1)
	compared, err := h.steps.Compare(t.Context(), activities.CompareWindow)
	if err != nil || compared.Checks[0].OK {
		t.Fatalf("%s confirmed and nobody noticed: %+v, %v", signed.TxID, compared.Checks, err)
	}
}

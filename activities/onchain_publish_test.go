package activities_test

import (
	"context"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// cut is a context that ends right after the next call of that name has had its effect.
func cut(h *house, call lndfake.Call) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	h.t.Cleanup(cancel)
	gate := h.bank.Block(call, lndfake.AfterEffect)
	go func() {
		select {
		case <-gate.Reached():
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx
}

// noResult gives an activity without a result one.
func noResult[In any](fn func(context.Context, In) error) func(context.Context, In) (struct{}, error) {
	return func(ctx context.Context, in In) (struct{}, error) { return struct{}{}, fn(ctx, in) }
}

func wantBroadcast(t testing.TB, word step.Word, txid string) {
	t.Helper()
	if word.Status != step.InFlight || word.Unknown || word.TxID != txid || word.Note == "" {
		t.Fatalf("word %+v, want in flight: %s", word, txid)
	}
}

func TestPublishThenConfirmedAtDepthIsPaid(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.signed(100_000 * sat)
	wantBroadcast(t, must(t, h.steps.PublishOnchain, req), signed.TxID)
	if row := h.row(req.ID); !h.network.InMempool(signed.TxID) || row.State != payment.Pending || row.Send.Attempt != 1 {
		t.Fatalf("row %+v", row.Send)
	}
	wantBroadcast(t, must(t, h.steps.PublishOnchain, req), signed.TxID) // twice is once
	for confirmations := int32(1); confirmations < depth; confirmations++ {
		h.network.Mine(1)
		wantBroadcast(t, must(t, h.steps.AskOnchain, req), signed.TxID)
		_, err := act(t.Context(), h.steps.FollowOnchain, req)
		wantBenignRetry(t, err)
	}
	h.network.Mine(1)
	word := must(t, h.steps.FollowOnchain, req)
	wantPaid(t, word, minerFee)
	h.conclude(req, word)
	h.wantMoney(balance-100_000*sat-minerFee, 0)
	tx, err := h.bank.LookupTransaction(t.Context(), signed.TxID)
	if err != nil || tx.Label != req.ID.String() {
		t.Fatalf("label %q, %v", tx.Label, err)
	}
	wantPaid(t, must(t, h.steps.AbandonOnchain, req), minerFee)
}

func TestFirstBroadcastRejectedIsNotPaid(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.signed(100_000 * sat)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	word := must(t, h.steps.PublishOnchain, req)
	wantNotPaid(t, word, payment.ReasonPublishRejected, 1)
	h.conclude(req, word)
	h.wantMoney(balance, 0)
	published := h.bank.Calls(lndfake.Publish)
	for _, fn := range []func(context.Context, payment.Request) (step.Word, error){h.steps.PublishOnchain, h.steps.AskOnchain, h.steps.FollowOnchain} {
		wantNotPaid(t, must(t, fn, req), payment.ReasonPublishRejected, 1)
	}
	if h.bank.Calls(lndfake.Publish) != published {
		t.Fatal("what was given back was broadcast")
	}
}

func TestDownBeforeTheBroadcastIsNotPaid(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.signed(100_000 * sat)
	h.bank.Down()
	wantNotPaid(t, must(t, h.steps.PublishOnchain, req), payment.ReasonNodeOffline, 0)
}

// A broadcast without an answer may have gone out: unknown, and the same bytes go out again.
func TestSilentBroadcastIsUnknownAndRepeated(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]lndfake.When{"not sent": lndfake.BeforeEffect, "sent": lndfake.AfterEffect} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newChainHouse(t)
			req, signed := h.signed(100_000 * sat)
			h.bank.Fail(lndfake.Publish, when, lndclient.KindUnknown)
			wantUnknown(t, must(t, h.steps.PublishOnchain, req))
			h.bank.Down()
			wantUnknown(t, must(t, h.steps.AskOnchain, req))
			h.bank.Up()
			h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected) // not the first broadcast: proves nothing
			wantUnknown(t, must(t, h.steps.AskOnchain, req))
			wantBroadcast(t, must(t, h.steps.AskOnchain, req), signed.TxID)
			if !h.network.InMempool(signed.TxID) {
				t.Fatal("not broadcast")
			}
			h.wantMoney(balance, 100_000*sat+388*sat)
		})
	}
}

func TestDroppedByTheMempoolIsBroadcastAgain(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.signed(100_000 * sat)
	must(t, h.steps.PublishOnchain, req)
	h.network.Drop(signed.TxID)
	wantBroadcast(t, must(t, h.steps.AskOnchain, req), signed.TxID)
	if !h.network.InMempool(signed.TxID) {
		t.Fatal("not broadcast again")
	}
}

// Signed bytes that left can be mined later: only a conflict that is confirmed to our depth makes them impossible.
func TestConflictEndsThePaymentOnlyWhenConfirmedToDepth(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.signed(100_000 * sat)
	must(t, h.steps.PublishOnchain, req)
	h.network.Conflict(signed.TxID)
	wantUnknown(t, must(t, h.steps.AskOnchain, req))
	if word := must(t, h.steps.AbandonOnchain, req); word.Terminal() || word.Note == "" || word.Rescue != "" {
		t.Fatalf("abandoned what may still be mined: %+v", word) // the conflict is too dear to be outbid
	}
	for range depth - 1 {
		h.network.Mine(1)
		wantUnknown(t, must(t, h.steps.AskOnchain, req))
	}
	h.bank.Fail(lndfake.ListTransactions, lndfake.BeforeEffect, lndclient.KindUnavailable)
	h.network.Mine(1)
	wantUnknown(t, must(t, h.steps.AskOnchain, req))
	word := must(t, h.steps.AskOnchain, req)
	wantNotPaid(t, word, payment.ReasonConflict, 2) // the rescue was an attempt
	h.conclude(req, word)
	h.wantMoney(balance, 0)
}

// Invariant 2: what is not fenced is not broadcast, whoever asks.
func TestAskBroadcastsNothingBeforeTheFence(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.signed(100_000 * sat)
	word := must(t, h.steps.AskOnchain, req)
	if word.Terminal() || h.bank.Calls(lndfake.Publish) != 0 || h.row(req.ID).Send.Attempt != 0 {
		t.Fatalf("word %+v, %d broadcasts", word, h.bank.Calls(lndfake.Publish))
	}
	wantBroadcast(t, must(t, h.steps.PublishOnchain, req), signed.TxID)
}

// A crash between fence and broadcast: the next look finds nothing and broadcasts what is stored.
func TestCrashAroundTheBroadcastIsTakenUp(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, signed := h.signed(100_000 * sat)
	word, err := act(cut(h, lndfake.Publish), h.steps.PublishOnchain, req)
	if err == nil && word.Terminal() {
		t.Fatalf("word %+v", word)
	}
	h.network.Mine(1)
	wantBroadcast(t, must(t, h.steps.PublishOnchain, req), signed.TxID)
	if row := h.row(req.ID); row.State != payment.Pending {
		t.Fatalf("the row is %s: the watcher hints only what is pending", row.State)
	}
	if h.bank.Calls(lndfake.Publish) != 1 {
		t.Fatal("broadcast again although it is confirmed")
	}
}

func TestBroadcastEndsBeforeTheDeadlineOfItsFence(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	watched := &deadlines{Node: h.bank}
	steps := h.stepsOn(watched)
	req, _ := h.signed(100_000 * sat)
	row := h.lockRow(req.ID)
	publish := going(t.Context(), steps.PublishOnchain, req)
	row.waiters(1)
	latest := row.releaseAt().Add(steps.Timing.Call)
	if got := <-publish; got.err != nil || !watched.deadline.Before(latest) {
		t.Fatalf("%v; the broadcast may last until %v, want before %v", got.err, watched.deadline, latest)
	}
}

package activities_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// An lnd on SQLite gives a hash that failed and is sent again the number that it had.
func TestHashThatFailedBeforeIsOursAgainOnSQLite(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		plan lndfake.Plan
		want func(*testing.T, step.Word)
	}{
		"paid at once": {lndfake.Settles(sat), func(t *testing.T, w step.Word) { wantPaid(t, w, sat) }},
		"held":         {lndfake.Holds(sat), func(t *testing.T, w step.Word) { wantInFlight(t, w) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, lndfake.WithReusedIndexes())
			invoice := h.peer.MakeInvoice(5000)
			h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout), end.plan)
			first := h.reserved(invoice)
			h.conclude(first, must(t, h.steps.SendLightning, first))
			second := h.reserved(invoice)
			end.want(t, must(t, h.steps.SendLightning, second))
			h.pastStall()
			end.want(t, must(t, h.steps.SendLightning, second)) // looked at again
			end.want(t, must(t, h.steps.AbandonLightning, second))
			if sends := h.bank.Calls(lndfake.SendPayment); sends != 2 {
				t.Errorf("sent %d times", sends)
			}
		})
	}
}

func wantInFlight(t *testing.T, word step.Word) {
	t.Helper()
	if word.Terminal() || word.Unknown || word.Expiry == 0 {
		t.Errorf("word %+v, want in flight", word)
	}
}

// A second failure is heard by the call that it answers.
func TestHashThatFailsTwiceOnSQLite(t *testing.T) {
	t.Parallel()
	h := newHouse(t, lndfake.WithReusedIndexes())
	invoice := h.peer.MakeInvoice(5000)
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout), lndfake.Fails(payment.ReasonTimeout))
	for range 2 {
		req := h.reserved(invoice)
		word := must(t, h.steps.SendLightning, req)
		wantNotPaid(t, word, payment.ReasonTimeout, 1)
		h.conclude(req, word)
	}
	h.wantMoney(balance, 0)
}

// The HTLC's failure of a hash that failed before is believed by what the row knows of the HTLC.
func TestHeldPaymentOfAHashThatFailedBeforeFailsOnSQLite(t *testing.T) {
	t.Parallel()
	h := newHouse(t, lndfake.WithReusedIndexes())
	invoice := h.peer.MakeHold(5000)
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout), lndfake.Holds(sat))
	first := h.reserved(invoice)
	h.conclude(first, must(t, h.steps.SendLightning, first))
	second := h.reserved(invoice)
	wantInFlight(t, must(t, h.steps.SendLightning, second))
	h.pastStall()
	if err := h.peer.CancelInvoice(t.Context(), invoice.Hash); err != nil {
		t.Fatal(err)
	}
	word := must(t, h.steps.SendLightning, second)
	wantNotPaid(t, word, payment.ReasonRejected, 1)
	h.conclude(second, word)
	h.wantMoney(balance, 0)
}

// A look that is older than the fence shows a failure before it, although the row knows of an HTLC by now.
func TestLookFromBeforeTheFenceIsNoEvidence(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout), lndfake.Holds(sat))
	first := h.reserved(invoice)
	h.conclude(first, must(t, h.steps.SendLightning, first))
	second := h.reserved(invoice)
	gate := h.bank.Block(lndfake.LookupPayment, lndfake.AfterEffect)
	zombie := going(t.Context(), h.steps.AbandonLightning, second)
	<-gate.Reached()
	wantInFlight(t, must(t, h.steps.SendLightning, second))
	h.pastStall()
	gate.Release()
	if got := <-zombie; got.err != nil || got.out.Terminal() {
		t.Fatalf("%+v, %v", got.out, got.err)
	}
}

// What LND has shown an HTLC of and then knows nothing of was paid or not: neither sent again nor given back.
func TestForgottenPaymentIsNeitherSentAgainNorGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	must(t, h.steps.SendLightning, req)
	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	h.bank.Forget(invoice.Hash)
	h.pastStall()
	for range 2 {
		wantUnknown(t, must(t, h.steps.SendLightning, req))
		wantUnknown(t, must(t, h.steps.AbandonLightning, req))
		h.pastStall()
	}
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 1 {
		t.Errorf("sent %d times", sends)
	}
}

// A call that reached LND may wait there for its database: a refusal of the next call does not speak for it.
func TestRefusalDoesNotSpeakForAnEarlierCall(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindUnknown)
	wantUnknown(t, must(t, h.steps.SendLightning, req))
	h.pastDeadline()
	h.bank.Refuse(lndfake.SendPayment, payment.ReasonInvoiceExpired)
	wantUnknown(t, must(t, h.steps.SendLightning, req))
	h.pastStall()
	h.bank.Refuse(lndfake.SendPayment, payment.ReasonInvoiceExpired)
	wantNotPaid(t, must(t, h.steps.SendLightning, req), payment.ReasonInvoiceExpired, 3)
}

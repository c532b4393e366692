package activities_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestAbandonGivesUpWhatNeverLeft(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	word := must(t, h.steps.AbandonLightning, req)
	wantNotPaid(t, word, payment.ReasonAbandoned, 0)
	h.conclude(req, word)
	h.wantMoney(balance, 0)
}

func TestAbandonGivesUpWhatLNDNeverRegisteredAndSendsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindUnknown)
	must(t, h.steps.SendLightning, req)
	wantUnknown(t, must(t, h.steps.AbandonLightning, req))
	h.pastDeadline() // it may have reached LND in time, and wait there
	wantUnknown(t, must(t, h.steps.AbandonLightning, req))
	h.pastStall()
	word := must(t, h.steps.AbandonLightning, req)
	wantNotPaid(t, word, payment.ReasonAbandoned, 1)
	h.conclude(req, word)
	h.wantMoney(balance, 0)
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 1 {
		t.Fatalf("sent %d times", sends)
	}
}

func TestAbandonLeavesWhatMayStillMove(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	must(t, h.steps.SendLightning, req)
	h.pastDeadline()
	if word := must(t, h.steps.AbandonLightning, req); word.Status != step.InFlight || word.Unknown || word.Note == "" {
		t.Fatalf("word %+v", word)
	}
	h.bank.Down()
	wantUnknown(t, must(t, h.steps.AbandonLightning, req))
	h.bank.Up()
	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	wantPaid(t, must(t, h.steps.AbandonLightning, req), sat)
}

func TestAbandonTellsTheEndOfWhatHasEnded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(5000)
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout))
	req := h.reserved(invoice)
	must(t, h.steps.SendLightning, req)
	wantNotPaid(t, must(t, h.steps.AbandonLightning, req), payment.ReasonTimeout, 1)

	paid := h.reserved(h.peer.MakeInvoice(5000))
	h.conclude(paid, must(t, h.steps.SendLightning, paid))
	wantPaid(t, must(t, h.steps.AbandonLightning, paid), sat)
}

// An abandon and a send that both saw the same fence: the later of void and fence loses.
func TestAbandonedUnderANewerAttemptIsNotGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindUnknown)
	must(t, h.steps.SendLightning, req)
	h.pastStall()
	evidence := must(t, h.steps.AbandonLightning, req)
	word := must(t, h.steps.SendLightning, req) // a zombie that woke up
	wantPaid(t, word, sat)
	if got := h.conclude(req, evidence); got.State.Terminal() {
		t.Fatalf("given back by the evidence of attempt 1: %+v", got)
	}
	h.conclude(req, word)
	h.wantMoney(balance-5001*sat, 0)
}

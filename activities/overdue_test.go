package activities_test

import (
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// A payment past the expiry of its last HTLC is told as overdue, and is never given back by itself (rule 2).
func TestOverdueIsToldAndNotGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	word := must(t, h.steps.SendLightning, req)
	if strings.Contains(word.Note, "overdue") {
		t.Fatalf("overdue at once: %+v", word)
	}
	h.bank.Strand(invoice.Hash)
	mineTo(h, int32(word.Expiry)+1)
	word = must(t, h.steps.SendLightning, req)
	if word.Status != step.InFlight || !strings.Contains(word.Note, "overdue") {
		t.Fatalf("past block %d: %+v", word.Expiry, word)
	}
}

// LND that died between registering an attempt and signing its HTLC says "in flight" for ever. An operator may give
// such a payment up a day of blocks past its expiry, if no HTLC of it is anywhere.
func TestAbandonGivesUpWhatLNDHasLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	expiry := int32(must(t, h.steps.SendLightning, req).Expiry)
	h.bank.Strand(invoice.Hash)
	mineTo(h, expiry+143)
	if word := must(t, h.steps.AbandonLightning, req); word.Terminal() {
		t.Fatalf("given up too early: %+v", word)
	}
	mineTo(h, expiry+144)
	word := must(t, h.steps.AbandonLightning, req)
	wantNotPaid(t, word, payment.ReasonAbandoned, 1)
	if said := word.Failure.Message; !strings.Contains(said, "lost") || strings.Contains(said, "before it was sent") {
		t.Errorf("told as %q", said)
	}
	h.conclude(req, word)
	h.wantMoney(balance, 0)
}

func TestAbandonLeavesAnHTLCThatIsStillOnAChannel(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	expiry := int32(must(t, h.steps.SendLightning, req).Expiry)
	mineTo(h, expiry+1000)
	if word := must(t, h.steps.AbandonLightning, req); word.Terminal() || !strings.Contains(word.Note, "1 HTLC") {
		t.Fatalf("an HTLC is on a channel: %+v", word)
	}
}

func mineTo(h *house, height int32) {
	h.network.MineEmpty(int(height - h.network.Height()))
}

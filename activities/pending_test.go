package activities_test

import (
	"context"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// late is a node whose stream has shown nothing but "looking for a route" when the step's patience ended; between that
// word and the row's "pending", meanwhile happens.
type late struct {
	lndclient.Node
	meanwhile func()
}

func (l late) SendPayment(ctx context.Context, order lndclient.SendPayment) (lndclient.Payment, error) {
	sent, err := l.Node.SendPayment(ctx, order)
	return searching(sent), err
}

func (l late) FollowPayment(ctx context.Context, hash payment.Hash) (lndclient.Payment, error) {
	known, err := l.Node.LookupPayment(ctx, hash)
	l.meanwhile()
	return searching(known), err
}

func searching(p lndclient.Payment) lndclient.Payment {
	p.Status, p.HTLCs, p.Expiry, p.Preimage, p.Fee = lndclient.InFlight, 0, 0, [32]byte{}, 0
	return p
}

// The watcher hints only rows that say pending: what LND says before the row does must be seen by the step itself.
func TestWhatHappensBeforeTheRowIsPendingIsSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	held := h.peer.MakeHold(5000)
	req := h.reserved(held)
	word := must(t, h.stepsOn(late{h.bank, func() {}}).SendLightning, req)
	if row := h.row(req.ID); word.Status != step.InFlight || word.Expiry == 0 || row.State != payment.Pending || row.Expiry != word.Expiry {
		t.Errorf("an HTLC was accepted: the row is %s until %d, the word says %+v", row.State, row.Expiry, word)
	}

	held = h.peer.MakeHold(5000)
	req = h.reserved(held)
	settle := func() {
		if err := h.peer.SettleInvoice(t.Context(), held.Preimage); err != nil {
			t.Error(err)
		}
	}
	wantPaid(t, must(t, h.stepsOn(late{h.bank, settle}).SendLightning, req), sat)
}

// A pending row that does not know its HTLC's expiry is hinted when there is one.
func TestNewHTLCOfAPendingPaymentIsHinted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeHold(100))
	must(t, h.steps.SendLightning, req)
	known, err := h.bank.LookupPayment(t.Context(), req.PaymentHash)
	if err != nil {
		t.Fatal(err)
	}
	var woken hints
	w := h.watcher(woken.hint)
	if err := w.PaymentChanged(t.Context(), known); err != nil || woken.has(req.ID) {
		t.Errorf("nothing new was hinted (%v)", err)
	}
	known.Expiry++
	if err := w.PaymentChanged(t.Context(), known); err != nil || !woken.has(req.ID) {
		t.Errorf("a later expiry was not hinted (%v)", err)
	}
}

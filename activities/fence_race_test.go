package activities_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// Invariant 2: of two steps that have both seen the row before its fence, one sends. LND would pay the failed hash of the
// first again for the second, after the first one's failure has been given back.
func TestOfTwoStepsWithTheSameKnowledgeOneSends(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(5000)
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout), lndfake.Settles(sat))
	req := h.reserved(invoice)
	row := h.lockRow(req.ID)
	first, second := going(t.Context(), h.steps.SendLightning, req), going(t.Context(), h.steps.SendLightning, req)
	row.waiters(2)
	row.release()
	for _, done := range []<-chan result[step.Word]{first, second} {
		if got := <-done; got.err != nil || got.out.Status == step.Paid {
			t.Errorf("%+v, %v", got.out, got.err)
		}
	}
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 1 {
		t.Fatalf("LND was asked to pay %d times under one fence", sends)
	}
	word := must(t, h.steps.SendLightning, req)
	wantNotPaid(t, word, payment.ReasonTimeout, 1)
	h.conclude(req, word)
	h.wantMoney(balance, 0)
}

func TestOfTwoStepsWithTheSameKnowledgeOneBroadcasts(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.signed(100_000 * sat)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	row := h.lockRow(req.ID)
	first, second := going(t.Context(), h.steps.PublishOnchain, req), going(t.Context(), h.steps.PublishOnchain, req)
	row.waiters(2)
	row.release()
	final := 0
	for _, done := range []<-chan result[step.Word]{first, second} {
		if got := <-done; got.err == nil && got.out.Terminal() {
			final++
		}
	}
	if final != 1 {
		t.Fatalf("%d of two broadcasts were the first one, whose refusal is final", final)
	}
}

package activities_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestSendPays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(5000)
	req := h.reserved(invoice)
	h.wantMoney(balance, 5010*sat)

	wantPaid(t, must(t, h.steps.SendLightning, req), sat)
	row := h.row(req.ID)
	if row.Send.Attempt != 1 || row.Send.Baseline != 0 || !row.Send.Deadline.After(h.clock.Now()) {
		t.Fatalf("the fence is %+v", row.Send)
	}
	if got := h.conclude(req, must(t, h.steps.SendLightning, req)); got.State != payment.Settled || got.Fee != sat {
		t.Fatalf("outcome %+v", got)
	}
	h.wantMoney(balance-5001*sat, 0)
	wantPaid(t, must(t, h.steps.SendLightning, req), sat) // of the row
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 1 {
		t.Fatalf("LND was asked to pay %d times", sends)
	}
}

func TestSendPaysTheCallersAmountOfAnInvoiceWithout(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(0))
	wantPaid(t, must(t, h.steps.SendLightning, req), sat)
	known, err := h.bank.LookupPayment(t.Context(), req.PaymentHash)
	if err != nil || known.Amount != 700*sat {
		t.Fatalf("LND paid %+v, %v", known, err)
	}
}

// The preimage is a secret of the ledger: it never enters a word, which Temporal keeps in its history.
func TestPreimageIsStoredInTheLedgerAndNeverInTheWord(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(100)
	req := h.reserved(invoice)
	word := must(t, h.steps.SendLightning, req)
	outcome := h.conclude(req, word)

	if row := h.row(req.ID); !bytes.Equal(row.Preimage, invoice.Preimage[:]) {
		t.Fatalf("the ledger has the preimage %x", row.Preimage)
	}
	for _, told := range []any{word, outcome, must(t, h.steps.SendLightning, req)} {
		text, err := json.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{
			string(invoice.Preimage[:]), hex.EncodeToString(invoice.Preimage[:]), base64.StdEncoding.EncodeToString(invoice.Preimage[:]),
		} {
			if strings.Contains(strings.ToLower(string(text)), strings.ToLower(form)) {
				t.Fatalf("%s tells the preimage", text)
			}
		}
	}
}

func TestEveryFailureOfLNDMakesTheRowVoidable(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, reason := range []payment.Reason{
		payment.ReasonNoRoute, payment.ReasonTimeout, payment.ReasonRejected, payment.ReasonNodeFunds, payment.ReasonInternal,
	} {
		invoice := h.peer.MakeInvoice(5000)
		req := h.reserved(invoice)
		h.bank.Plan(invoice.Hash, lndfake.Fails(reason), lndfake.Fails(reason))
		word := must(t, h.steps.SendLightning, req)
		wantNotPaid(t, word, reason, 1)
		if got := h.conclude(req, word); got.State != payment.Failed || got.Failure.Reason != reason {
			t.Fatalf("%s: outcome %+v", reason, got)
		}
		h.wantMoney(balance, 0)
		wantNotPaid(t, must(t, h.steps.SendLightning, req), reason, 1) // the row's own word
	}
	if spent, err := h.ledger.Spending(t.Context(), h.key.ID); err != nil || spent.Windows[0].Spent != 0 || spent.Reserved != 0 {
		t.Fatalf("the budget still counts %+v, %v", spent, err)
	}
}

// LND has one code for no route and for no route within the fee limit.
func TestFeeOverTheLimitIsToldFromNoRoute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(5000)
	h.bank.SetRouteFee(invoice.Hash, 11*sat) // of the peer's invoice
	req := h.reserved(invoice)
	wantNotPaid(t, must(t, h.steps.SendLightning, req), payment.ReasonFeeOverLimit, 1)

	other := h.peer.MakeInvoice(5000)
	h.bank.Plan(other.Hash, lndfake.Fails(payment.ReasonNoRoute))
	h.bank.Fail(lndfake.ExplainNoRoute, lndfake.BeforeEffect, lndclient.KindUnknown)
	wantNotPaid(t, must(t, h.steps.SendLightning, h.reserved(other)), payment.ReasonNoRoute, 1)
}

func TestHeldIsInFlightWithItsExpiryUntilTheReceiverDecides(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	word := must(t, h.steps.SendLightning, req)
	if word.Status != step.InFlight || word.Unknown || word.Expiry == 0 || word.Note == "" {
		t.Fatalf("word %+v", word)
	}
	if row := h.row(req.ID); row.State != payment.Pending || row.Expiry != word.Expiry {
		t.Fatalf("the row is %s until %d, the word says %d", row.State, row.Expiry, word.Expiry)
	}
	for range 2 {
		_, err := act(t.Context(), h.steps.FollowLightning, req)
		wantBenignRetry(t, err)
	}
	h.wantMoney(balance, 5010*sat)

	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	wantPaid(t, must(t, h.steps.FollowLightning, req), sat)
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 1 {
		t.Fatalf("LND was asked to pay %d times", sends)
	}
}

func TestHeldAndCanceledIsNotPaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	must(t, h.steps.SendLightning, req)
	if err := h.peer.CancelInvoice(t.Context(), invoice.Hash); err != nil {
		t.Fatal(err)
	}
	word := must(t, h.steps.FollowLightning, req)
	wantNotPaid(t, word, payment.ReasonRejected, 1)
	h.conclude(req, word)
	h.wantMoney(balance, 0)
}

// SendLightning waits a little: the receiver who decides meanwhile is answered at once.
func TestSendFollowsForAWhile(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	h.steps.Timing.Follow = h.steps.Timing.Call
	follow := h.bank.Block(lndfake.FollowPayment, lndfake.BeforeEffect)
	done := going(t.Context(), h.steps.SendLightning, req)
	<-follow.Reached()
	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	follow.Release()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	wantPaid(t, got.out, sat)
}

func TestRefusedByLNDIsNotPaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, reason := range []payment.Reason{payment.ReasonInvoiceExpired, payment.ReasonSelfPayment, payment.ReasonInvoiceInvalid} {
		req := h.reserved(h.peer.MakeInvoice(100))
		h.bank.Refuse(lndfake.SendPayment, reason)
		word := must(t, h.steps.SendLightning, req)
		wantNotPaid(t, word, reason, 1)
		h.conclude(req, word)
	}
	req := h.reserved(h.peer.MakeInvoice(100))
	h.bank.Refuse(lndfake.SendPayment, "")
	wantNotPaid(t, must(t, h.steps.SendLightning, req), payment.ReasonInternal, 1)
}

// Paid or in flight before our fence: by somebody else, so nothing is sent and nothing is ours.
func TestHashOfSomebodyElseIsNeverOurs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	paid, held := h.peer.MakeInvoice(100), h.peer.MakeHold(100)
	for _, invoice := range []lndfake.MadeInvoice{paid, held} {
		if _, err := h.bank.SendPayment(t.Context(), lndclient.SendPayment{Invoice: invoice.Request, FeeLimit: 10 * sat}); err != nil {
			t.Fatal(err)
		}
	}
	before := h.bank.Calls(lndfake.SendPayment)

	first := h.reserved(paid)
	word := must(t, h.steps.SendLightning, first)
	wantNotPaid(t, word, payment.ReasonAlreadyPaid, 0)
	h.conclude(first, word)
	second := h.reserved(held)
	word = must(t, h.steps.SendLightning, second)
	wantNotPaid(t, word, payment.ReasonPaymentInFlight, 0)
	h.conclude(second, word)

	if h.bank.Calls(lndfake.SendPayment) != before || h.row(first.ID).Preimage != nil {
		t.Fatal("something was sent, or the other's preimage was taken")
	}
	h.wantMoney(balance, 0)
}

// Rule: LND pays a FAILED hash again, and the stale FAILED is not about us.
func TestStaleFailureIsTheBaselineAndNeverTakenForOurs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(100)
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout), lndfake.Holds(sat))
	first := h.reserved(invoice)
	word := must(t, h.steps.SendLightning, first)
	h.conclude(first, word)
	stale, err := h.bank.LookupPayment(t.Context(), invoice.Hash)
	if err != nil || stale.Status != lndclient.Failed {
		t.Fatalf("%+v, %v", stale, err)
	}

	second := h.reserved(invoice)
	h.bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindUnavailable) // LND never registers attempt 1
	wantUnknown(t, must(t, h.steps.SendLightning, second))
	if row := h.row(second.ID); row.Send.Baseline != stale.Index || row.Send.Attempt != 1 {
		t.Fatalf("fence %+v, want the baseline %d", row.Send, stale.Index)
	}
	wantUnknown(t, must(t, h.steps.SendLightning, second)) // sees only the stale one
	h.pastDeadline()
	if word := must(t, h.steps.SendLightning, second); word.Status != step.InFlight || word.Unknown {
		t.Fatalf("sent again: %+v", word)
	}
	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	word = must(t, h.steps.FollowLightning, second)
	wantPaid(t, word, sat)
	h.conclude(second, word)
	h.wantMoney(balance-101*sat, 0)
	wantNotPaid(t, must(t, h.steps.SendLightning, first), payment.ReasonTimeout, 1) // and the first stays failed
}

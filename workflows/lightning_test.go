package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestLightningRefusedAtReserve(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.books.refuses = &payment.Failure{Reason: payment.ReasonBudgetExceeded, Message: "no"}
	s.wantsEnd(s.run("Lightning"), payment.Refused, payment.ReasonBudgetExceeded)
	s.wants("Reserve") // invariant 2: no send
}

func TestLightningSettledAtOnce(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.paid(3*sat))
	out := s.run("Lightning")
	s.wantsEnd(out, payment.Settled, "")
	if out.Fee != 3*sat || out.Amount != 5000*sat || out.ID != s.req.ID {
		t.Errorf("outcome %+v", out)
	}
	s.wants("Reserve", "SendLightning", "Settle, fee 3 sat")
}

func TestLightningFailedAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		word  func(s *saga) answer
		steps string
		why   payment.Reason
	}{
		"node offline, nothing fenced": {
			func(s *saga) answer { return s.notPaid(payment.ReasonNodeOffline) }, "Void NODE_OFFLINE, attempt 0", payment.ReasonNodeOffline},
		"no route after the first fence": {
			func(s *saga) answer { return s.sentThenNo(payment.ReasonNoRoute) }, "Void NO_ROUTE, attempt 1", payment.ReasonNoRoute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, lightningRequest())
			s.says(step.SendLightning, c.word(s))
			s.wantsEnd(s.run("Lightning"), payment.Failed, c.why)
			s.wants("Reserve", "SendLightning", c.steps) // the void is about the fence that the word is about
			if in := s.books.voided[0]; in.Request.ID != s.req.ID || in.Request.WalletID != s.req.WalletID {
				t.Errorf("void needs the whole request for a tombstone, got %+v", in.Request)
			}
		})
	}
}

func TestLightningInFlightThenHint(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	s.at(2*time.Second, s.hint)
	s.at(4*time.Second, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "SendLightning", "Settle, fee 1 sat", "cancel FollowLightning")
}

func TestLightningInFlightThenFailed(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.notPaid(payment.ReasonRejected))
	s.says(step.FollowLightning, s.flying)
	s.at(time.Second, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonRejected)
	s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "Void REJECTED, attempt 1", "cancel FollowLightning")
}

// The node is away for a while and the send step errs: it is retried, not given up.
func TestLightningSendStepIsRetried(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, away, away, away, s.paid(sat))
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	if n := s.times(step.SendLightning); n != 4 {
		t.Errorf("%d attempts, want 4", n)
	}
	s.wants("Reserve", "SendLightning", "Settle, fee 1 sat")
}

// Another attempt was fenced after the evidence: the ledger answers the row unchanged, and the saga asks again.
func TestLightningVoidRefusedByTheLedger(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, func() (step.Word, error) {
		word, err := s.sentThenNo(payment.ReasonNoRoute)()
		s.books.fence() // a zombie attempt wakes up and sends
		return word, err
	})
	s.says(step.FollowLightning, s.paid(2*sat))
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "Void NO_ROUTE, attempt 1", "FollowLightning", "Settle, fee 2 sat")
}

func TestLightningVoidRefusedThenFails(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, func() (step.Word, error) {
		word, err := s.sentThenNo(payment.ReasonNoRoute)()
		s.books.fence()
		return word, err
	})
	s.says(step.FollowLightning, s.notPaid(payment.ReasonTimeout))
	s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonTimeout)
	s.wants("Reserve", "SendLightning", "Void NO_ROUTE, attempt 1", "FollowLightning", "Void TIMEOUT, attempt 2")
}

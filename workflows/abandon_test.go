package workflows_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// wantNotSafe checks that an abandon was refused, with a reason for the operator.
func wantNotSafe(t *testing.T, r *reply) {
	t.Helper()
	var refused *temporal.ApplicationError
	switch {
	case !r.accepted || !r.done:
		t.Errorf("not answered: %+v", r)
	case !errors.As(r.err, &refused) || refused.Type() != "NOT_SAFE":
		t.Errorf("want NOT_SAFE, got %v, %+v", r.err, r.outcome)
	case !strings.Contains(refused.Message(), "not abandoned"):
		t.Errorf("the refusal does not say why: %q", refused.Message())
	}
}

func TestAbandonBeforeAnythingLeft(t *testing.T) {
	t.Run("while reserving", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.away[step.Reserve] = 8
		s.says(step.SendLightning, away) // until the row is terminal, which it then says
		var told *reply
		s.at(time.Second, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonAbandoned)
		wantReply(t, told, payment.Failed, 10*time.Minute)
		s.wants("Reserve", "SendLightning", "Void ABANDONED, attempt 0", "told abandon: failed")
	})
	t.Run("while the send waits for its node", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, away)
		var told *reply
		s.at(time.Minute, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonAbandoned)
		wantReply(t, told, payment.Failed, time.Minute+time.Second)
	})
}

// The send has fenced and not answered yet: the ledger refuses the void, and the wish is decided by LND afterwards.
func TestAbandonWhileSendingWhenFenced(t *testing.T) {
	s := newSaga(t, lightningRequest())
	var told *reply
	s.says(step.SendLightning, func() (step.Word, error) {
		s.books.fence()
		told = s.update(workflows.UpdateAbandon)
		return s.flying()
	}, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	s.says(step.AbandonLightning, s.flying)
	s.at(time.Hour, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	wantNotSafe(t, told)
	s.wantsInOrder("Reserve", "SendLightning", "Void ABANDONED, attempt 0", "AbandonLightning", "told abandon: refused", "Settle, fee 1 sat")
}

func TestAbandonInFlight(t *testing.T) {
	t.Run("accepted: LND certainly never had it", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying)
		s.says(step.FollowLightning, s.flying)
		s.says(step.AbandonLightning, s.notPaid(payment.ReasonAbandoned))
		var told *reply
		s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonAbandoned)
		wantReply(t, told, payment.Failed, time.Hour) // the operator hears of the row, not of an intention
		s.wants("Reserve", "SendLightning", "FollowLightning", "cancel FollowLightning", "AbandonLightning", "Void ABANDONED, attempt 1",
			"told abandon: failed")
	})
	t.Run("refused: in flight", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.paid(sat))
		s.says(step.FollowLightning, s.flying)
		s.says(step.AbandonLightning, s.flying)
		var told *reply
		s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
		s.at(2*time.Hour, s.hint)
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantNotSafe(t, told)
		if told.took > time.Hour {
			t.Errorf("refused after %v", told.took)
		}
		s.wants("Reserve", "SendLightning", "FollowLightning", "cancel FollowLightning", "AbandonLightning", "FollowLightning",
			"told abandon: refused", "SendLightning", "Settle, fee 1 sat", "cancel FollowLightning")
	})
	t.Run("paid meanwhile", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying)
		s.says(step.FollowLightning, s.flying)
		s.says(step.AbandonLightning, s.paid(sat))
		var told *reply
		s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantReply(t, told, payment.Settled, time.Hour)
	})
}

func TestAbandonInFlightAmongOthers(t *testing.T) {
	t.Run("two at once", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.paid(sat))
		s.says(step.FollowLightning, s.flying)
		s.says(step.AbandonLightning, s.flying)
		var first, second *reply
		s.at(time.Hour, func() {
			first, second = s.update(workflows.UpdateAbandon), s.update(workflows.UpdateAbandon)
		})
		s.at(2*time.Hour, s.hint)
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantNotSafe(t, first)
		wantNotSafe(t, second)
	})
	t.Run("after a cancel that came too late", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying)
		s.says(step.FollowLightning, s.flying)
		s.says(step.AbandonLightning, s.notPaid(payment.ReasonAbandoned))
		var told *reply
		s.at(time.Minute, s.cancel)
		s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonAbandoned)
		wantReply(t, told, payment.Failed, time.Hour)
	})
}

// A zombie fences between the evidence and the void: the ledger refuses, and the operator hears in the end what holds.
func TestAbandonRefusedByTheLedger(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	s.says(step.AbandonLightning, func() (step.Word, error) {
		word, err := s.notPaid(payment.ReasonAbandoned)()
		s.books.fence()
		return word, err
	}, s.flying)
	var told *reply
	s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
	s.at(2*time.Hour, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	wantNotSafe(t, told)
	if told.took > time.Hour {
		t.Errorf("answered after %v", told.took)
	}
}

// An abandon and the saga's own step reach the ledger while it is away: whichever comes first holds, and both are answered.
func TestAbandonRacesInsideTheLedger(t *testing.T) {
	t.Run("transfer", func(t *testing.T) {
		s := newSaga(t, walletRequest())
		s.books.away[step.Transfer], s.books.away[step.Void] = 6, 10
		var told *reply
		s.at(time.Second, func() { told = s.update(workflows.UpdateAbandon) })
		out := s.run("Intraledger")
		wantReply(t, told, out.State, time.Hour)
	})
	t.Run("settle of an own invoice", func(t *testing.T) {
		s := newSaga(t, ownInvoiceRequest())
		s.closes(nil)
		s.books.away[step.Settle], s.books.away[step.Void] = 10, 3
		var told *reply
		s.at(time.Second, func() { told = s.update(workflows.UpdateAbandon) })
		out := s.run("Intraledger")
		wantReply(t, told, out.State, time.Hour)
	})
	t.Run("reserve answers after the void", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.paid(sat))
		s.books.meddle = func(name string) {
			if name == step.Reserve {
				s.update(workflows.UpdateAbandon) // committed; the answer is still on its way
			}
		}
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonAbandoned)
	})
}

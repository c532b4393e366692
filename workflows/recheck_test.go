package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

func TestRecheckInFlight(t *testing.T) {
	t.Run("still in flight", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.flying, s.paid(sat))
		s.says(step.FollowLightning, s.flying)
		var told *reply
		s.at(time.Minute, func() { told = s.update(workflows.UpdateRecheck) })
		s.at(time.Hour, s.hint)
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantReply(t, told, payment.Pending, time.Minute)
		s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "told recheck: pending", "SendLightning", "Settle, fee 1 sat", "cancel FollowLightning")
	})
	t.Run("settled", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.paid(sat))
		s.says(step.FollowLightning, s.flying)
		var told *reply
		s.at(time.Minute, func() { told = s.update(workflows.UpdateRecheck) })
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantReply(t, told, payment.Settled, time.Minute)
	})
	t.Run("failed", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.notPaid(payment.ReasonTimeout))
		s.says(step.FollowLightning, s.flying)
		var told *reply
		s.at(time.Minute, func() { told = s.update(workflows.UpdateRecheck) })
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonTimeout)
		wantReply(t, told, payment.Failed, time.Minute)
	})
}

// Before anything has left there is nothing to ask: the operator gets what the send says.
func TestRecheckBeforeTheSend(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.books.away[step.Reserve] = 5
	s.says(step.SendLightning, s.flying, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	var told *reply
	s.at(time.Second, func() { told = s.update(workflows.UpdateRecheck) })
	s.at(time.Hour, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	wantReply(t, told, payment.Pending, time.Minute)
}

func TestRecheckOfARefusal(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.books.away[step.Reserve] = 5
	s.books.refuses = &payment.Failure{Reason: payment.ReasonBudgetExceeded, Message: "no"}
	var told *reply
	s.at(time.Second, func() { told = s.update(workflows.UpdateRecheck) })
	s.wantsEnd(s.run("Lightning"), payment.Refused, payment.ReasonBudgetExceeded)
	wantReply(t, told, payment.Refused, time.Minute)
}

// Many operators at once are answered by few questions.
func TestManyRechecksAtOnce(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying)
	s.says(step.FollowLightning, func() (step.Word, error) {
		if s.env.Now().Sub(s.begun) < time.Hour {
			return s.flying()
		}
		return s.paid(sat)()
	})
	told := make([]*reply, 200) // more than the channel of wishes holds
	s.at(time.Minute, func() {
		for i := range told {
			told[i] = s.update(workflows.UpdateRecheck)
		}
	})
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	for _, one := range told {
		wantReply(t, one, payment.Pending, time.Minute)
	}
	if asks := s.times(step.SendLightning); asks > 4 {
		t.Errorf("asked %d times for 200 rechecks", asks)
	}
}

// A cancel that came too late takes nothing from the operators.
func TestRecheckAfterCancelInFlight(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	var told *reply
	s.at(time.Second, s.cancel)
	s.at(time.Minute, func() { told = s.update(workflows.UpdateRecheck) })
	s.at(time.Hour, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	wantReply(t, told, payment.Pending, time.Minute)
}

// After the end the validator says so, and leaves no trace in the history.
func TestSteeringAfterTheEnd(t *testing.T) {
	for _, name := range []string{workflows.UpdateRecheck, workflows.UpdateAbandon} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, onchainRequest())
			s.quotes(400 * sat)
			s.signs(refusal(payment.ReasonNodeFunds))
			var told *reply
			s.releases(func() { told = s.update(name) }) // voided; the workflow still releases the inputs
			s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonNodeFunds)
			if told.accepted || told.rejected == nil {
				t.Errorf("want a rejection, got %+v", told)
			}
			s.wants("EstimateOnchain", "Reserve", "SignOnchain, 7 sat/vB, reserve 400 sat", "Void NODE_FUNDS, attempt 0", "ReleaseInputs", "rejected "+name)
		})
	}
}

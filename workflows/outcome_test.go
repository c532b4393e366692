package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// wantReply checks that an update was answered, with what, and when at the latest.
func wantReply(t *testing.T, r *reply, state payment.State, within time.Duration) {
	t.Helper()
	switch {
	case !r.accepted || !r.done:
		t.Errorf("not answered: %+v", r)
	case r.err != nil:
		t.Errorf("answered by an error: %v", r.err)
	case r.outcome.State != state:
		t.Errorf("answered %s, want %s", r.outcome.State, state)
	case r.took > within:
		t.Errorf("answered after %v, want within %v", r.took, within)
	}
}

// Update-with-Start: the update comes with the first task and is answered as soon as there is something to tell.
func TestOutcomeWithTheFirstTask(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.refuses = &payment.Failure{Reason: payment.ReasonInsufficientBalance, Message: "no"}
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.run("Lightning")
		wantReply(t, told, payment.Refused, time.Second)
		if told.outcome.Failure == nil || told.outcome.Failure.Reason != payment.ReasonInsufficientBalance {
			t.Errorf("told %+v", told.outcome)
		}
	})
	t.Run("settled", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.paid(2*sat))
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.run("Lightning")
		wantReply(t, told, payment.Settled, time.Second)
		if told.outcome.Fee != 2*sat {
			t.Errorf("told %+v", told.outcome)
		}
	})
	t.Run("failed", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.sentThenNo(payment.ReasonNoRoute))
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.run("Lightning")
		wantReply(t, told, payment.Failed, time.Second)
	})
	t.Run("in flight", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.paid(sat))
		s.says(step.FollowLightning, s.flying)
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.at(time.Hour, s.hint)
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantReply(t, told, payment.Pending, time.Second)
	})
}

// It must not be answered before the row says what happened: "reserved" is nothing to tell.
func TestOutcomeWaitsForTheSend(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, away, away, away, away, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	var told *reply
	s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
	s.at(time.Hour, s.hint)
	s.run("Lightning")
	wantReply(t, told, payment.Pending, 10*time.Second)
	if told.took < time.Second {
		t.Errorf("told after %v, before the send had answered", told.took)
	}
}

func TestManyCallersWaitForOneOutcome(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, away, away, s.paid(sat))
	told := make([]*reply, 20)
	s.at(0, func() {
		for i := range told {
			told[i] = s.update(workflows.UpdateOutcome)
		}
	})
	s.run("Lightning")
	for _, one := range told {
		wantReply(t, one, payment.Settled, 10*time.Second)
	}
	s.seen.steps = s.seen.steps[:3]
	s.wants("Reserve", "SendLightning", "Settle, fee 1 sat")
}

func TestOutcomeAskedInFlightIsAnsweredAtOnce(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	var told *reply
	s.at(time.Minute, func() { told = s.update(workflows.UpdateOutcome) })
	s.at(time.Hour, s.hint)
	s.run("Lightning")
	wantReply(t, told, payment.Pending, time.Minute)
}

// A cancel of the workflow is no answer for those who wait: they learn what became of the payment.
func TestOutcomeOfACancelledWorkflow(t *testing.T) {
	t.Run("given back", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, during(s.cancel, s.notPaid(payment.ReasonNodeOffline)))
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonCanceled)
		wantReply(t, told, payment.Failed, time.Second)
	})
	t.Run("in flight", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, during(func() { s.books.fence(); s.cancel() }, s.flying))
		s.says(step.FollowLightning, s.flying, s.paid(sat))
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantReply(t, told, payment.Pending, time.Second)
	})
	t.Run("asked before the reserve is through", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.away[step.Reserve] = 10
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		s.at(time.Second, s.cancel)
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonCanceled)
		wantReply(t, told, payment.Failed, 10*time.Minute)
	})
}

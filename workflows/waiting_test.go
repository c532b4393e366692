package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

const day = 24 * time.Hour

// Every signal is lost. The retries of one following activity find the end, and nothing is added to the history.
func TestFiveDaysInFlightWithEverySignalLost(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying)
	s.says(step.FollowLightning, func() (step.Word, error) {
		if s.env.Now().Sub(s.begun) < 5*day {
			return s.flying()
		}
		return s.paid(sat)()
	})
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	if waited := s.env.Now().Sub(s.begun); waited < 5*day || waited > 5*day+15*time.Minute {
		t.Errorf("ended after %v, want at most 15 minutes after the end", waited)
	}
	s.wants("Reserve", "SendLightning", "FollowLightning", "Settle, fee 1 sat")
	if s.seen.timers != 0 {
		t.Errorf("%d timers in the history, want none: the retry policy waits", s.seen.timers)
	}
	if attempts := s.times(step.FollowLightning); attempts < 5*24*4 {
		t.Errorf("asked %d times in five days, want every 15 minutes", attempts)
	}
}

func TestHundredSignalsAtOnceAskFewTimes(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.flying, s.flying, s.flying, s.paid(sat))
	s.says(step.FollowLightning, func() (step.Word, error) {
		if s.env.Now().Sub(s.begun) < time.Hour {
			return s.flying()
		}
		return s.paid(sat)()
	})
	s.at(time.Second, func() {
		for range 100 {
			s.env.SignalWorkflowSkippingWorkflowTask("news", nil) // all arrive in one task
		}
		s.hint()
	})
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "Settle, fee 1 sat")
}

// Signals that arrive while LND is being asked are answered by one more question.
func TestSignalsDuringAnAskAreAnsweredByOneMore(t *testing.T) {
	s := newSaga(t, lightningRequest())
	flood := func() {
		for range 100 {
			s.hint()
		}
	}
	s.says(step.SendLightning, s.flying, during(flood, s.flying), s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	s.at(time.Second, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "SendLightning", "Settle, fee 1 sat", "cancel FollowLightning")
}

// The watcher hears of the end before the send has returned "in flight": the hint waits for the saga.
func TestSignalBeforeTheSendReturns(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, during(s.hint, s.flying), s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "Settle, fee 1 sat", "cancel FollowLightning")
	if waited := s.env.Now().Sub(s.begun); waited > time.Second {
		t.Errorf("the hint was answered after %v", waited)
	}
}

// Invariant 7: a signal never decides, whatever it carries.
func TestSignalPayloads(t *testing.T) {
	for name, payload := range map[string]any{"nil": nil, "text": "paid", "structure": step.Word{Status: step.Paid}} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, lightningRequest())
			s.says(step.SendLightning, s.flying, s.flying, s.notPaid(payment.ReasonTimeout))
			s.says(step.FollowLightning, s.flying)
			s.at(time.Second, func() { s.env.SignalWorkflow("news", payload) })
			s.at(time.Minute, func() { s.env.SignalWorkflow("news", payload) })
			s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonTimeout)
			s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "SendLightning", "Void TIMEOUT, attempt 1", "cancel FollowLightning")
		})
	}
}

// A step that cannot reach its node is asked again without end: an hour away loses nothing.
func TestAskIsRetriedWhileTheNodeIsAway(t *testing.T) {
	s := newSaga(t, lightningRequest())
	var comesBack time.Time
	s.says(step.SendLightning, s.flying, func() (step.Word, error) {
		if s.env.Now().Before(comesBack) {
			return away()
		}
		return s.paid(sat)()
	})
	s.says(step.FollowLightning, away)
	comesBack = s.env.Now().Add(time.Hour)
	s.at(time.Second, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", "Settle, fee 1 sat", "cancel FollowLightning")
}

// A following activity that breaks for good is a defect; the saga waits a minute and follows again.
func TestBrokenFollowingDoesNotSpin(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying)
	s.says(step.FollowLightning, broken, broken, s.paid(sat))
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "FollowLightning", "FollowLightning", "Settle, fee 1 sat")
	if waited := s.env.Now().Sub(s.begun); waited != 2*time.Minute {
		t.Errorf("waited %v, want a minute after each break", waited)
	}
}

package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Invariant 5: a cancelled workflow compensates if nothing has left, and otherwise goes on to the end.

func TestCancelBeforeReserve(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.at(0, s.cancel) // with the first task: the reserve runs all the same, so that the row has an owner
	s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonCanceled)
	s.wants("Reserve", "Void CANCELED, attempt 0")
}

func TestCancelWhileReserving(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.books.meddle = func(name string) {
		if name == step.Reserve {
			s.cancel()
		}
	}
	s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonCanceled)
	s.wants("Reserve", "Void CANCELED, attempt 0")
}

func TestCancelWhileReservingARefusal(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.books.refuses = &payment.Failure{Reason: payment.ReasonInsufficientBalance, Message: "no"}
	s.books.meddle = func(string) { s.cancel() }
	s.wantsEnd(s.run("Lightning"), payment.Refused, payment.ReasonInsufficientBalance)
	s.wants("Reserve")
}

func TestCancelWhileSending(t *testing.T) {
	t.Run("nothing fenced: given back", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, during(s.cancel, s.notPaid(payment.ReasonNodeOffline)))
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonCanceled)
		s.wants("Reserve", "SendLightning", "cancel SendLightning", "Void CANCELED, attempt 0")
	})
	t.Run("fenced: goes on to the end", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, during(func() { s.books.fence(); s.cancel() }, s.flying))
		s.says(step.FollowLightning, s.flying, s.flying, s.paid(sat))
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		s.wants("Reserve", "SendLightning", "cancel SendLightning", "Void CANCELED, attempt 0", "FollowLightning", "Settle, fee 1 sat")
	})
	t.Run("fenced and failed: given back by LND's word", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, during(func() { s.books.fence(); s.cancel() }, s.flying))
		s.says(step.FollowLightning, s.notPaid(payment.ReasonNoRoute))
		s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonNoRoute)
		s.wants("Reserve", "SendLightning", "cancel SendLightning", "Void CANCELED, attempt 0", "FollowLightning", "Void NO_ROUTE, attempt 1")
	})
}

func TestCancelInFlightIsIgnored(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying)
	s.says(step.FollowLightning, func() (step.Word, error) {
		if s.env.Now().Sub(s.begun) < day {
			return s.flying()
		}
		return s.paid(sat)()
	})
	s.at(time.Minute, s.cancel)
	s.at(time.Hour, s.cancel)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "FollowLightning", "Settle, fee 1 sat")
}

// After a cancel that came too late, hints still count.
func TestHintAfterCancelInFlight(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	s.at(time.Minute, s.cancel)
	s.at(2*time.Minute, s.hint)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	if waited := s.env.Now().Sub(s.begun); waited != 2*time.Minute {
		t.Errorf("ended after %v, want at the hint", waited)
	}
}

func TestCancelDuringSettle(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.paid(sat))
	s.books.away[step.Settle] = 20
	s.at(10*time.Second, s.cancel)
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	s.wants("Reserve", "SendLightning", "Settle, fee 1 sat")
}

func TestCancelDuringVoid(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.sentThenNo(payment.ReasonNoRoute))
	s.books.away[step.Void] = 20
	s.at(10*time.Second, s.cancel)
	s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonNoRoute)
	s.wants("Reserve", "SendLightning", "Void NO_ROUTE, attempt 1")
}

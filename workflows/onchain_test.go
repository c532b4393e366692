package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// toPublish are the steps before the broadcast.
var toPublish = []string{"EstimateOnchain", "Reserve", "SignOnchain, 7 sat/vB, reserve 400 sat", "PublishOnchain"}

func after(steps []string, more ...string) []string {
	return append(append([]string{}, steps...), more...)
}

// newOnchain is a saga whose estimate, signing and release go well.
func newOnchain(t *testing.T) *saga {
	t.Helper()
	s := newSaga(t, onchainRequest())
	s.quotes(400 * sat)
	s.signs(nil)
	s.releases(func() {})
	return s
}

// Nothing was reserved: the void leaves a tombstone, about no attempt, and no inputs are leased.
func TestOnchainEstimateFails(t *testing.T) {
	s := newOnchain(t)
	s.estimates(func() (step.Quote, error) { return step.Quote{Failure: refusal(payment.ReasonNodeOffline)}, nil })
	s.wantsEnd(s.run("Onchain"), payment.Refused, payment.ReasonNodeOffline)
	s.wants("EstimateOnchain", "Void NODE_OFFLINE, attempt 0")
}

func TestOnchainRefusedAtReserve(t *testing.T) {
	s := newOnchain(t)
	s.books.refuses = refusal(payment.ReasonBudgetExceeded)
	s.wantsEnd(s.run("Onchain"), payment.Refused, payment.ReasonBudgetExceeded)
	s.wants("EstimateOnchain", "Reserve")
}

func TestOnchainSigningFails(t *testing.T) {
	s := newOnchain(t)
	s.signs(refusal(payment.ReasonFeeOverLimit))
	s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonFeeOverLimit)
	s.wants("EstimateOnchain", "Reserve", "SignOnchain, 7 sat/vB, reserve 400 sat", "Void FEE_OVER_LIMIT, attempt 0", "ReleaseInputs")
	if in := s.books.voided[0].Request; in.FeeReserve != 400*sat {
		t.Errorf("the void names a fee reserve of %v", in.FeeReserve)
	}
}

func TestOnchainPublishFails(t *testing.T) {
	t.Run("rejected by the mempool", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.sentThenNo(payment.ReasonPublishRejected))
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonPublishRejected)
		s.wants(after(toPublish, "Void PUBLISH_REJECTED, attempt 1", "ReleaseInputs")...)
	})
	t.Run("node offline, nothing fenced", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.notPaid(payment.ReasonNodeOffline))
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonNodeOffline)
		s.wants(after(toPublish, "Void NODE_OFFLINE, attempt 0", "ReleaseInputs")...)
	})
}

func TestOnchainConfirmed(t *testing.T) {
	t.Run("found by the following activity", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying, s.flying, s.flying, s.paid(300*sat))
		var told *reply
		s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
		out := s.run("Onchain")
		s.wantsEnd(out, payment.Settled, "")
		if out.TxID != testTxID || out.Fee != 300*sat {
			t.Errorf("outcome %+v", out)
		}
		wantReply(t, told, payment.Pending, time.Second)
		if told.outcome.TxID != testTxID {
			t.Errorf("broadcast must be told with its txid, got %+v", told.outcome)
		}
		s.wantsInOrder(after(toPublish, "FollowOnchain", "Settle, fee 300 sat")...)
	})
	t.Run("found after a hint of a block", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying)
		s.says(step.AskOnchain, s.flying, s.paid(300*sat))
		s.at(10*time.Minute, s.hint)
		s.at(20*time.Minute, s.hint)
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
		s.wants(after(toPublish, "FollowOnchain", "AskOnchain", "AskOnchain", "Settle, fee 300 sat", "cancel FollowOnchain")...)
	})
	t.Run("settled at once by a resumed publish", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.paid(300*sat))
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
		s.wants(after(toPublish, "Settle, fee 300 sat")...)
	})
}

func TestOnchainConflictConfirmed(t *testing.T) {
	s := newOnchain(t)
	s.says(step.PublishOnchain, s.flying)
	s.says(step.FollowOnchain, s.flying, s.notPaid(payment.ReasonConflict))
	s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonConflict)
	s.wants(after(toPublish, "FollowOnchain", "Void CONFLICT, attempt 1", "ReleaseInputs")...)
}

// The release is retried until it succeeds, and those who wait are answered before it.
func TestOnchainReleaseIsRetried(t *testing.T) {
	s := newOnchain(t)
	s.signs(refusal(payment.ReasonNodeFunds))
	calls := 0
	register(s.env, step.ReleaseInputs, releaseAfter(&calls, 50))
	var told *reply
	s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
	s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonNodeFunds)
	wantReply(t, told, payment.Failed, time.Second)
	if calls != 51 {
		t.Errorf("%d releases", calls)
	}
}

func TestOnchainCancelled(t *testing.T) {
	t.Run("while estimating", func(t *testing.T) {
		s := newOnchain(t)
		s.estimates(func() (step.Quote, error) { s.cancel(); return step.Quote{SatPerVByte: minerRate}, nil })
		s.wantsEnd(s.run("Onchain"), payment.Refused, payment.ReasonCanceled) // a tombstone
		s.wants("EstimateOnchain", "cancel EstimateOnchain", "Void CANCELED, attempt 0")
	})
	t.Run("while reserving", func(t *testing.T) {
		s := newOnchain(t)
		s.books.meddle = func(name string) {
			if name == step.Reserve {
				s.cancel()
			}
		}
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonCanceled)
		s.wants("EstimateOnchain", "Reserve", "Void CANCELED, attempt 0", "ReleaseInputs")
	})
	t.Run("while signing", func(t *testing.T) {
		s := newOnchain(t)
		s.signsAfter(s.cancel, nil)
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonCanceled)
		s.wants("EstimateOnchain", "Reserve", "SignOnchain, 7 sat/vB, reserve 400 sat", "cancel SignOnchain", "Void CANCELED, attempt 0", "ReleaseInputs")
	})
	t.Run("while publishing, nothing fenced", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, during(s.cancel, s.notPaid(payment.ReasonNodeOffline)))
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonCanceled)
		s.wants(after(toPublish, "cancel PublishOnchain", "Void CANCELED, attempt 0", "ReleaseInputs")...)
	})
	t.Run("while publishing, fenced", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, during(func() { s.books.fence(); s.cancel() }, s.flying))
		s.says(step.FollowOnchain, s.flying, s.paid(300*sat))
		out := s.run("Onchain")
		s.wantsEnd(out, payment.Settled, "")
		if out.TxID != testTxID {
			t.Errorf("outcome %+v", out)
		}
		s.wants(after(toPublish, "cancel PublishOnchain", "Void CANCELED, attempt 0", "FollowOnchain", "Settle, fee 300 sat")...)
	})
	t.Run("broadcast", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying, s.flying, s.flying, s.paid(300*sat))
		s.at(time.Second, s.cancel)
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
		s.wants(after(toPublish, "FollowOnchain", "Settle, fee 300 sat")...)
	})
	t.Run("while settling", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.paid(300*sat))
		s.books.away[step.Settle] = 20
		s.at(10*time.Second, s.cancel)
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	})
}

func TestOnchainAbandoned(t *testing.T) {
	t.Run("while signing", func(t *testing.T) {
		s := newOnchain(t)
		var told *reply
		voided := make(chan struct{})
		s.books.meddle = func(name string) {
			if name == step.Void {
				close(voided)
			}
		}
		s.signsAfter(func() { told = s.update(workflows.UpdateAbandon); <-voided }, nil)
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonAbandoned)
		wantReply(t, told, payment.Failed, time.Second)
		s.wantsInOrder("SignOnchain, 7 sat/vB, reserve 400 sat", "Void ABANDONED, attempt 0", "ReleaseInputs")
	})
	t.Run("broadcast: it may still be mined", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying)
		s.says(step.AbandonOnchain, s.flying)
		s.says(step.AskOnchain, s.paid(300*sat))
		var told *reply
		s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
		s.at(2*time.Hour, s.hint)
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
		wantNotSafe(t, told)
	})
	t.Run("a conflict is confirmed", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying)
		s.says(step.AbandonOnchain, s.notPaid(payment.ReasonConflict))
		var told *reply
		s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonConflict)
		wantReply(t, told, payment.Failed, time.Hour)
		s.wants(after(toPublish, "FollowOnchain", "cancel FollowOnchain", "AbandonOnchain", "Void CONFLICT, attempt 1", "ReleaseInputs",
			"told abandon: failed")...)
	})
}

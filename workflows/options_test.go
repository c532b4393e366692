package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// A step that gives up leaves a payment without an owner: no step of a saga has a limit of time or attempts as a whole,
// and none may hang.
func TestStepsNeverGiveUp(t *testing.T) {
	s := newOnchain(t)
	s.says(step.PublishOnchain, s.flying)
	s.says(step.AskOnchain, s.flying)
	s.says(step.FollowOnchain, s.flying)
	s.says(step.AbandonOnchain, s.notPaid(payment.ReasonConflict))
	s.at(time.Second, s.hint)
	s.at(time.Minute, func() { s.update(workflows.UpdateAbandon) })
	s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonConflict)
	if len(s.seen.scheduled) != 7 || len(s.seen.local) != 2 {
		t.Fatalf("%d activities and %d local ones were scheduled: %q", len(s.seen.scheduled), len(s.seen.local), s.seen.trace())
	}
	for _, did := range s.seen.scheduled {
		o := did.options
		if o.ScheduleToCloseTimeout != 0 || o.ScheduleToStartTimeout != 0 {
			t.Errorf("%s gives up after %v, %v", did.name, o.ScheduleToCloseTimeout, o.ScheduleToStartTimeout)
		}
		if o.StartToCloseTimeout <= 0 || o.HeartbeatTimeout <= 0 {
			t.Errorf("%s may hang: %v, heartbeat %v", did.name, o.StartToCloseTimeout, o.HeartbeatTimeout)
		}
		if o.RetryPolicy == nil || o.RetryPolicy.MaximumAttempts != 0 || len(o.RetryPolicy.NonRetryableErrorTypes) > 0 {
			t.Errorf("%s is not retried without end: %+v", did.name, o.RetryPolicy)
		}
		if o.Summary == "" {
			t.Errorf("%s has no summary for the UI", did.name)
		}
		follows := did.name == step.FollowOnchain
		// A release must not overtake the signing that leases, nor an abandon the poll that may send.
		if waits := follows || did.name == step.SignOnchain; waits != o.WaitForCancellation {
			t.Errorf("%s waits for its cancellation: %v", did.name, o.WaitForCancellation)
		}
		if follows && (o.RetryPolicy.InitialInterval != 30*time.Second || o.RetryPolicy.MaximumInterval != 15*time.Minute) {
			t.Errorf("the poll's back-off is %+v", o.RetryPolicy)
		}
	}
	for _, o := range s.seen.local {
		// Left out, the limit as a whole would be the limit of one attempt.
		if o.ScheduleToCloseTimeout < 365*day || o.StartToCloseTimeout <= 0 || o.StartToCloseTimeout > time.Minute {
			t.Errorf("a step in the ledger gives up after %v, an attempt after %v", o.ScheduleToCloseTimeout, o.StartToCloseTimeout)
		}
		if o.RetryPolicy == nil || o.RetryPolicy.MaximumAttempts != 0 {
			t.Errorf("a step in the ledger is not retried without end: %+v", o.RetryPolicy)
		}
	}
}

package workflows_test

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// Temporal ends a workflow whose history is too long, for example after thousands of hints. Before that the saga goes on in
// a new run with the same request; the row says where.
func TestOutgrownSagaGoesOnInANewRun(t *testing.T) {
	for kind, s := range map[string]func(t *testing.T) *saga{
		"Lightning": func(t *testing.T) *saga {
			s := newSaga(t, lightningRequest())
			s.says(step.SendLightning, s.flying)
			s.says(step.FollowLightning, s.flying)
			return s
		},
		"Onchain": func(t *testing.T) *saga {
			s := newOnchain(t)
			s.says(step.PublishOnchain, s.flying)
			s.says(step.AskOnchain, s.flying)
			s.says(step.FollowOnchain, s.flying)
			return s
		},
	} {
		t.Run(kind, func(t *testing.T) {
			s := s(t)
			var told *reply
			s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
			s.at(time.Minute, s.hint) // not yet
			s.at(time.Hour, func() { s.env.SetContinueAsNewSuggested(true) })
			s.at(2*time.Hour, s.hint)
			s.begun = s.env.Now()
			s.env.ExecuteWorkflow(kind, s.req)
			var again *workflow.ContinueAsNewError
			if err := s.env.GetWorkflowError(); !errors.As(err, &again) || again.WorkflowType.Name != kind {
				t.Fatalf("want a new run of %s, got %v\nsteps: %q", kind, err, s.seen.trace())
			}
			if at := s.env.Now().Sub(s.begun); at != 2*time.Hour {
				t.Errorf("a new run after %v", at)
			}
			wantReply(t, told, payment.Pending, time.Second)
			if state, _ := s.books.now(); state != payment.Pending {
				t.Errorf("the row is %s", state)
			}
		})
	}
}

// An operator who waits for an answer gets it in this run.
func TestOutgrownSagaAnswersFirst(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying)
	s.says(step.FollowLightning, s.flying)
	s.says(step.AbandonLightning, s.notPaid(payment.ReasonAbandoned))
	var told *reply
	s.at(time.Hour, func() {
		s.env.SetContinueAsNewSuggested(true)
		s.hint()
		told = s.update(workflows.UpdateAbandon)
	})
	s.wantsEnd(s.run("Lightning"), payment.Failed, payment.ReasonAbandoned)
	wantReply(t, told, payment.Failed, time.Hour)
}

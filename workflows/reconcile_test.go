package workflows_test

import (
	"context"
	"reflect"
	"testing"

	"go.temporal.io/sdk/testsuite"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

var (
	allWell  = step.Comparison{Checks: []step.Check{{Name: "payments against alpha", OK: true, Detail: "3 payments"}}}
	orphaned = step.Repaired{Looked: 2, Restarted: []payment.ID{{1}}}
)

// chores registers the upkeep steps: each may fail, and the comparison fails so many times first.
func chores(env *testsuite.TestWorkflowEnvironment, repair, keep error, unreachable int) {
	register(env, step.RepairOrphans, func(context.Context) (step.Repaired, error) { return orphaned, repair })
	register(env, step.KeepLedger, func(context.Context) error { return keep })
	calls := 0
	register(env, step.CompareNode, func(context.Context) (step.Comparison, error) {
		calls++
		if calls <= unreachable {
			return step.Comparison{}, errAway
		}
		return allWell, nil
	})
}

func TestReconcile(t *testing.T) {
	env, seen := newChore(t)
	chores(env, nil, nil, 0)
	env.ExecuteWorkflow("Reconcile", []string{"alpha", "beta"})
	var got workflows.Reconciled
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	want := workflows.Reconciled{Repaired: orphaned, Comparisons: map[string]step.Comparison{"alpha": allWell, "beta": allWell}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
	var queues []string
	for _, did := range seen.scheduled {
		queues = append(queues, did.name+" on "+did.options.TaskQueue)
		if did.options.ScheduleToStartTimeout == 0 || did.options.RetryPolicy.MaximumAttempts == 0 {
			t.Errorf("%s never gives up, and the next run waits for it", did.name)
		}
	}
	if want := []string{"RepairOrphans on watchers", "KeepLedger on watchers", "CompareNode on node-alpha", "CompareNode on node-beta"}; !reflect.DeepEqual(queues, want) {
		t.Errorf("\n got %q\nwant %q", queues, want)
	}
}

// A node that does not answer is named; the others are compared all the same.
func TestReconcileWithANodeUnreachable(t *testing.T) {
	env, _ := newChore(t)
	chores(env, nil, nil, 3) // all attempts of the first node
	env.ExecuteWorkflow("Reconcile", []string{"alpha", "beta"})
	var got workflows.Reconciled
	if err := env.GetWorkflowResult(&got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Unreachable, []string{"alpha"}) || len(got.Comparisons) != 1 || got.Comparisons["beta"].Checks == nil {
		t.Errorf("got %+v", got)
	}
	if !reflect.DeepEqual(got.Repaired, orphaned) {
		t.Errorf("repaired %+v", got.Repaired)
	}
}

// One part that fails keeps no other from its turn: the books are compared while a payment's workflow cannot be found.
func TestReconcileWithTheLedgerAway(t *testing.T) {
	for name, away := range map[string][2]error{"repair": {errAway, nil}, "keep": {nil, errAway}, "both": {errAway, errAway}} {
		t.Run(name, func(t *testing.T) {
			env, seen := newChore(t)
			chores(env, away[0], away[1], 0)
			env.ExecuteWorkflow("Reconcile", []string{"alpha"})
			if env.GetWorkflowError() == nil {
				t.Error("want an error: the next run comes by schedule")
			}
			if last := seen.scheduled[len(seen.scheduled)-1]; last.name != step.CompareNode {
				t.Errorf("the last part was %s, the node was not compared", last.name)
			}
		})
	}
}

func TestReconcileNode(t *testing.T) {
	for name, c := range map[string]struct {
		unreachable int
		want        workflows.ReconciledNode
	}{
		"answers": {0, workflows.ReconciledNode{Comparison: allWell}},
		"away":    {3, workflows.ReconciledNode{Unreachable: true}},
	} {
		t.Run(name, func(t *testing.T) {
			env, seen := newChore(t)
			chores(env, nil, nil, c.unreachable)
			env.ExecuteWorkflow("ReconcileNode", "alpha")
			var got workflows.ReconciledNode
			if err := env.GetWorkflowResult(&got); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v", got, err)
			}
			if did := seen.scheduled; len(did) != 1 || did[0].options.TaskQueue != "node-alpha" || did[0].options.ScheduleToStartTimeout == 0 {
				t.Errorf("steps: %+v", did)
			}
		})
	}
}

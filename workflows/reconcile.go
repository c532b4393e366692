package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
)

// Reconciled is what one run of Reconcile found.
type Reconciled struct {
	Repaired    step.Repaired              `json:"repaired"`
	Comparisons map[string]step.Comparison `json:"comparisons"` // by node
	Unreachable []string                   `json:"unreachable,omitempty"`
}

// Reconcile runs on a schedule: it starts the workflow of every payment that has lost its own, keeps the ledger's sums
// and snapshots fresh, and compares the ledger with each node that answers. One part that fails keeps no other from its
// turn; the run then ends as failed. Schedules of earlier builds name nodes; now each has a schedule of its own (ReconcileNode).
func Reconcile(ctx workflow.Context, nodes []string) (Reconciled, error) {
	out := Reconciled{Comparisons: map[string]step.Comparison{}}
	ctx = chore(ctx, WatchersQueue)
	repairing := workflow.ExecuteActivity(ctx, step.RepairOrphans).Get(ctx, &out.Repaired)
	keeping := workflow.ExecuteActivity(ctx, step.KeepLedger).Get(ctx, nil)
	for _, node := range nodes {
		var comparison step.Comparison
		nodeCtx := chore(ctx, NodeQueue(node))
		if err := workflow.ExecuteActivity(nodeCtx, step.CompareNode).Get(nodeCtx, &comparison); err != nil {
			out.Unreachable = append(out.Unreachable, node)
			continue
		}
		out.Comparisons[node] = comparison
	}
	return out, errors.Join(repairing, keeping)
}

// chore gives up soon where nobody serves it or a worker dies: the next run comes by schedule. What works may take its time, because a
// large ledger is looked at whole; the schedule starts no second run meanwhile.
func chore(ctx workflow.Context, queue string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		ScheduleToStartTimeout: time.Minute,
		StartToCloseTimeout:    time.Hour,
		HeartbeatTimeout:       10 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 3},
	})
}

package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
)

// Reconciled is what one run of Reconcile found.
type Reconciled struct {
	Repaired   step.Repaired
	Comparison step.Comparison
}

// Reconcile runs on a schedule: it starts the workflow of every payment that has lost its own, keeps the ledger's sums
// and snapshots fresh, and compares the ledger with the nodes.
func Reconcile(ctx workflow.Context) (Reconciled, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           WatchersQueue,
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{MaximumAttempts: 3}, // the next run comes soon
	})
	var out Reconciled
	if err := workflow.ExecuteActivity(ctx, step.RepairOrphans).Get(ctx, &out.Repaired); err != nil {
		return out, err
	}
	if err := workflow.ExecuteActivity(ctx, step.KeepLedger).Get(ctx, nil); err != nil {
		return out, err
	}
	err := workflow.ExecuteActivity(ctx, step.CompareNodes).Get(ctx, &out.Comparison)
	return out, err
}

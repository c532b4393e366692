package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
)

// WatchNode keeps one watcher alive for one LND node, wherever in the fleet. The activity subscribes to the node's
// streams, credits what arrives and hints payments; Temporal moves it to another worker within seconds when its
// worker dies. A new run every day keeps the history short.
func WatchNode(ctx workflow.Context, node string) error {
	const day = 24 * time.Hour
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           NodeQueue(node),
		StartToCloseTimeout: day + time.Hour,
		HeartbeatTimeout:    6 * time.Second,
		Summary:             "watch " + node + ": payments, invoices, transactions, blocks",
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 1.5,
			MaximumInterval:    5 * time.Second,
		},
	})
	if err := workflow.ExecuteActivity(ctx, step.WatchNode, node).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, WatchNode, node)
}

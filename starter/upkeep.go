package starter

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/workflows"
)

// EnsureWatcher starts the watcher of a node unless it runs already, anywhere in the fleet.
func (s *Starter) EnsureWatcher(ctx context.Context, node string) error {
	_, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.WatcherID(node), TaskQueue: workflows.WatchersQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:            "watches LND node " + node,
	}, workflows.WatchNode, node)
	return err
}

// EnsureReconcile creates the schedule of Reconcile unless it exists; then it tells it again what to do, with the nodes and the
// payload keys of today. Runs missed while Temporal was away are caught up only within the window: one run repairs everything.
func (s *Starter) EnsureReconcile(ctx context.Context, every time.Duration) error {
	action := &client.ScheduleWorkflowAction{
		ID: workflows.ReconcileID, Workflow: workflows.Reconcile, Args: []any{s.cfg.Nodes}, TaskQueue: workflows.WatchersQueue,
		StaticSummary: "repairs orphans, keeps the ledger fresh, compares it with the nodes",
	}
	_, err := s.temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:            workflows.ReconcileID,
		Spec:          client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: 2 * every,
		Action:        action,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return s.temporal.ScheduleClient().GetHandle(ctx, workflows.ReconcileID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(was client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := was.Description.Schedule // its times, and whether it is paused, are the operator's
			schedule.Action = action
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
}

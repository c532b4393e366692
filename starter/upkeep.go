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

// EnsureWatchers starts what runs once in the fleet unless it runs already, anywhere: a watcher per node, and the dispatcher of
// callbacks.
func (s *Starter) EnsureWatchers(ctx context.Context) error {
	var failed error
	for _, node := range s.cfg.Nodes {
		failed = errors.Join(failed, s.ensure(ctx, workflows.WatcherID(node), "watches LND node "+node, workflows.WatchNode, node))
	}
	return errors.Join(failed, s.ensure(ctx, workflows.DispatcherID, "starts what callback endpoints are to be told", workflows.DispatchCallbacks))
}

func (s *Starter) ensure(ctx context.Context, id, summary string, workflow any, args ...any) error {
	_, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.WatchersQueue, StaticSummary: summary,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, workflow, args...)
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

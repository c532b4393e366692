package starter

import (
	"context"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/workflows"
)

// EnsureWatchers starts what runs once in the fleet unless it runs already, anywhere: a watcher per node, and the dispatcher of
// callbacks. Nodes are our own and those that other workers have a schedule for: whoever repairs, repairs for all.
func (s *Starter) EnsureWatchers(ctx context.Context) error {
	nodes, err := s.scheduledNodes(ctx)
	if err != nil { // our own are ensured all the same
		s.log.Warn("the schedules of other workers' nodes cannot be read", "error", err)
	}
	var failed error
	for _, node := range s.cfg.Nodes {
		nodes[node] = true
	}
	for node := range nodes {
		failed = errors.Join(failed, s.ensure(ctx, workflows.WatcherID(node), "watches LND node "+node, workflows.WatchNode, node))
	}
	return errors.Join(failed, s.ensure(ctx, workflows.DispatcherID, "starts what callback endpoints are to be told", workflows.DispatchCallbacks))
}

// scheduledNodes are the nodes of the whole fleet, also where the rest of them cannot be read.
func (s *Starter) scheduledNodes(ctx context.Context) (map[string]bool, error) {
	nodes := map[string]bool{}
	schedules, err := s.temporal.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nodes, err
	}
	for schedules.HasNext() {
		entry, err := schedules.Next()
		if err != nil {
			return nodes, err
		}
		if node, ok := strings.CutPrefix(entry.ID, workflows.ReconcileNodeID("")); ok {
			nodes[node] = true
		}
	}
	return nodes, nil
}

func (s *Starter) ensure(ctx context.Context, id, summary string, workflow any, args ...any) error {
	_, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.WatchersQueue, StaticSummary: summary,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}, workflow, args...)
	return err
}

// EnsureReconcile creates the schedules unless they exist: of Reconcile, and of ReconcileNode for each of our nodes. One that
// exists is told again what to do, with the payload keys of today; those of other workers' nodes are left alone.
func (s *Starter) EnsureReconcile(ctx context.Context, every time.Duration) error {
	failed := s.ensureSchedule(ctx, every, &client.ScheduleWorkflowAction{
		ID: workflows.ReconcileID, Workflow: workflows.Reconcile, Args: []any{[]string{}}, TaskQueue: workflows.WatchersQueue,
		StaticSummary: "repairs orphans and keeps the ledger fresh",
	})
	for _, node := range s.cfg.Nodes {
		failed = errors.Join(failed, s.ensureSchedule(ctx, every, &client.ScheduleWorkflowAction{
			ID: workflows.ReconcileNodeID(node), Workflow: workflows.ReconcileNode, Args: []any{node}, TaskQueue: workflows.WatchersQueue,
			StaticSummary: "compares the ledger with LND node " + node,
		}))
	}
	return failed
}

// ensureSchedule creates or updates the schedule of an action, under the same id. Runs missed while Temporal was away are
// caught up only within the window: one run repairs everything.
func (s *Starter) ensureSchedule(ctx context.Context, every time.Duration, action *client.ScheduleWorkflowAction) error {
	_, err := s.temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID:            action.ID,
		Spec:          client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: every}}},
		Overlap:       enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: 2 * every,
		Action:        action,
	})
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return err
	}
	return s.temporal.ScheduleClient().GetHandle(ctx, action.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(was client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			schedule := was.Description.Schedule // its times, and whether it is paused, are the operator's
			schedule.Action = action
			return &client.ScheduleUpdate{Schedule: &schedule}, nil
		},
	})
}

package worker_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/workflows"
)

// What runs once in the fleet is started again where somebody has ended it: nothing comes in without a watcher.
func TestEndedWatchersComeBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	f.run("")
	for _, id := range []string{workflows.WatcherID("bank"), workflows.DispatcherID} {
		f.await(id, func() bool { return f.running(id) })
		if err := f.temporal.TerminateWorkflow(t.Context(), id, "", "an operator's mistake"); err != nil {
			t.Fatal(err)
		}
		f.await(id+" again", func() bool { return f.running(id) })
	}
}

// Two workers hold the credentials of one node each: both nodes are compared with the ledger, also after each worker has started
// again, and the process of either brings back the watchers of both.
func TestWorkersOfDifferentNodes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	annex := f.doorFor(codec.Keys{}, "annex")
	stopBank := f.serve("", f.door, map[string]lndclient.Node{"bank": f.bank})
	stopAnnex := f.serve("", annex, map[string]lndclient.Node{"annex": f.peer})
	for _, node := range []string{"bank", "annex"} {
		f.await("a comparison with "+node, func() bool { return !f.compared(node).IsZero() })
	}
	stopAnnex()
	stopAnnex = f.serve("", annex, map[string]lndclient.Node{"annex": f.peer})
	for _, node := range []string{"bank", "annex"} {
		before := f.compared(node)
		f.await("another comparison with "+node, func() bool { return f.compared(node).After(before) })
	}
	stopBank()
	stopAnnex()

	for door, node := range map[*starter.Starter]string{f.door: "annex", annex: "bank"} {
		id := workflows.WatcherID(node)
		f.await(id, func() bool { return f.running(id) })
		if err := f.temporal.TerminateWorkflow(t.Context(), id, "", "an operator's mistake"); err != nil {
			t.Fatal(err)
		}
		if err := door.EnsureWatchers(t.Context()); err != nil || !f.running(id) {
			t.Errorf("%s was not started by the worker of another node: %v", id, err)
		}
	}
}

// A schedule that an earlier build made for the house and its nodes is told to leave the nodes to their own.
func TestScheduleOfAnEarlierBuild(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	schedules := f.temporal.ScheduleClient()
	old, err := schedules.Create(t.Context(), client.ScheduleOptions{
		ID: workflows.ReconcileID, Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: time.Hour}}}, Paused: true,
		Action: &client.ScheduleWorkflowAction{
			ID: workflows.ReconcileID, Workflow: workflows.Reconcile, Args: []any{[]string{"bank"}}, TaskQueue: workflows.WatchersQueue,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.door.EnsureReconcile(t.Context(), time.Minute); err != nil {
		t.Fatal(err)
	}
	now, err := old.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if args := argsOf(now); args != "[]" || !now.Schedule.State.Paused || now.Schedule.Spec.Intervals[0].Every != time.Hour {
		t.Errorf("the house's schedule: %s, %+v", args, now.Schedule)
	}
	now, err = schedules.GetHandle(t.Context(), workflows.ReconcileNodeID("bank")).Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if args := argsOf(now); args != `"bank"` || now.Schedule.Spec.Intervals[0].Every != time.Minute {
		t.Errorf("the node's schedule: %s, %+v", args, now.Schedule)
	}
}

// A payment whose node no worker serves waits with its funds held; the operators' filter finds it.
func TestFilterFindsWhatNobodyServes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	f.run("")
	f.door = f.doorFor(codec.Keys{}, "ghost")
	row := f.pay(f.peer.MakeInvoice(1_000).Request)
	filter := regexp.MustCompile("what has not ended. \\| `(.*)`").FindStringSubmatch(read(t, "../docs/operations.md"))
	if len(filter) != 2 {
		t.Fatal("docs/operations.md has no filter for what has not ended")
	}
	f.await("the payment in the list", func() bool {
		found, err := f.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: filter[1]})
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(found.GetExecutions(), func(e *workflowpb.WorkflowExecutionInfo) bool {
			return e.GetExecution().GetWorkflowId() == row.ID.String()
		})
	})
	if state := f.state(row.ID); state != payment.Reserved {
		t.Errorf("the payment is %s", state)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// argsOf is what a schedule starts its workflow with, as it is stored.
func argsOf(described *client.ScheduleDescription) string {
	var args []string
	for _, arg := range described.Schedule.Action.(*client.ScheduleWorkflowAction).Args {
		args = append(args, string(arg.(*commonpb.Payload).GetData()))
	}
	return strings.Join(args, ", ")
}

// compared is when the latest run of a node's schedule began that has found the node.
func (f *fleet) compared(node string) time.Time {
	var latest time.Time
	described, err := f.temporal.ScheduleClient().GetHandle(f.t.Context(), workflows.ReconcileNodeID(node)).Describe(f.t.Context())
	if err != nil {
		return latest
	}
	for _, action := range described.Info.RecentActions {
		var got workflows.ReconciledNode
		run := action.StartWorkflowResult
		err := f.temporal.GetWorkflow(f.t.Context(), run.WorkflowID, run.FirstExecutionRunID).Get(f.t.Context(), &got)
		if err == nil && !got.Unreachable && len(got.Comparison.Checks) > 0 {
			latest = action.ActualTime
		}
	}
	return latest
}

func (f *fleet) running(id string) bool {
	described, err := f.temporal.DescribeWorkflowExecution(f.t.Context(), id, "")
	return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

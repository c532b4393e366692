package worker_test

import (
	"testing"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/holdfast-pay/holdfast/codec"
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

func (f *fleet) running(id string) bool {
	described, err := f.temporal.DescribeWorkflowExecution(f.t.Context(), id, "")
	return err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING
}

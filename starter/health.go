package starter

import (
	"context"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// polledWithin is how recent a worker's last poll must be. A poll waits for up to a minute, so that a worker that has
// ended is missed after this time, and not before.
const polledWithin = 75 * time.Second

// Reachable asks Temporal whether it is there. Errors: ReasonUnavailable.
func (s *Starter) Reachable(ctx context.Context) error {
	if _, err := s.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return payment.Errorf(payment.ReasonUnavailable, "Temporal does not answer. Check that it runs.").Because(err)
	}
	return nil
}

// Served reports whether workers poll what a payment needs: the sagas' queue and the queue of the node that sends.
// Errors: ReasonUnavailable, naming the queues that nobody polls.
func (s *Starter) Served(ctx context.Context) error {
	var unserved []string
	for _, queue := range []struct {
		name string
		kind enumspb.TaskQueueType
	}{
		{workflows.PaymentsQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW},
		{workflows.NodeQueue(s.cfg.Nodes[0]), enumspb.TASK_QUEUE_TYPE_ACTIVITY},
	} {
		polled, err := s.polled(ctx, queue.name, queue.kind)
		if err != nil {
			return payment.Errorf(payment.ReasonUnavailable, "Temporal does not answer, so it is not known whether workers serve. Check that it runs.").Because(err)
		}
		if !polled {
			unserved = append(unserved, queue.name)
		}
	}
	if len(unserved) > 0 {
		return payment.Errorf(payment.ReasonUnavailable, "No worker polls %s. Start one: holdfast worker.", strings.Join(unserved, ", "))
	}
	return nil
}

func (s *Starter) polled(ctx context.Context, queue string, kind enumspb.TaskQueueType) (bool, error) {
	answer, err := s.temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: s.cfg.Namespace, TaskQueue: &taskqueuepb.TaskQueue{Name: queue}, TaskQueueType: kind,
	})
	promoted := answer.GetVersioningInfo().GetCurrentDeploymentVersion().GetBuildId()
	for _, poller := range answer.GetPollers() {
		if buildOf(poller) == promoted && s.now().Sub(poller.GetLastAccessTime().AsTime()) < polledWithin {
			return true, nil
		}
	}
	return false, err
}

// buildOf is empty for a worker that has no build: it serves while none is promoted.
func buildOf(poller *taskqueuepb.PollerInfo) string {
	if options := poller.GetDeploymentOptions(); options.GetWorkerVersioningMode() == enumspb.WORKER_VERSIONING_MODE_VERSIONED {
		return options.GetBuildId()
	}
	return ""
}

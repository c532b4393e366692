package starter

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/workflows"
)

// StartDelivery starts the workflow that tells a callback endpoint, unless it runs already. One that has ended is started
// again: the ledger says that the delivery is due, so it was terminated. Accounts get their turns fairly.
func (s *Starter) StartDelivery(ctx context.Context, d ledger.Delivery) error {
	_, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.CallbackID(d.ID), TaskQueue: workflows.CallbacksQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		TypedSearchAttributes:    workflows.CallbackAttributes(d.AccountID),
		StaticSummary:            "tells of " + d.Event + ", transaction " + d.TransactionID.String(),
		Priority:                 temporal.Priority{FairnessKey: d.AccountID.String()},
	}, workflows.DeliverCallback, step.Callback{ID: d.ID})
	return err
}

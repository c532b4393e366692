package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
)

// ReconciledNode is what one run of ReconcileNode found.
type ReconciledNode struct {
	Comparison  step.Comparison `json:"comparison"`
	Unreachable bool            `json:"unreachable,omitempty"` // the node, or every worker that serves it
}

// ReconcileNode runs on a schedule of its node: it compares the ledger with it. A node that does not answer is a result, not a
// defect: the next run asks again.
func ReconcileNode(ctx workflow.Context, node string) (ReconciledNode, error) {
	var out ReconciledNode
	ctx = chore(ctx, NodeQueue(node))
	if err := workflow.ExecuteActivity(ctx, step.CompareNode).Get(ctx, &out.Comparison); err != nil {
		return ReconciledNode{Unreachable: true}, nil //nolint:nilerr // see above
	}
	return out, nil
}

package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// ProbeFee asks a node what a payment of an invoice would cost now. Nothing is sent.
func ProbeFee(ctx workflow.Context, in step.ProbeInput) (step.Probe, error) {
	var probe step.Probe
	ctx = onNodeBriefly(ctx, in.Node, "look for a route")
	err := workflow.ExecuteActivity(ctx, step.ProbeFee, in).Get(ctx, &probe)
	return probe, err
}

// EstimateFee asks a node what the miners would take for a payment now. Nothing is signed.
func EstimateFee(ctx workflow.Context, req payment.Request) (step.Quote, error) {
	var quote step.Quote
	ctx = onNodeBriefly(ctx, req.Node, "estimate the miner fee")
	err := workflow.ExecuteActivity(ctx, step.EstimateOnchain, req).Get(ctx, &quote)
	return quote, err
}

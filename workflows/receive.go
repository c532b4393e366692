package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// CreateInvoice asks a node for an invoice and records whose wallet it credits, before anybody can learn of it.
func CreateInvoice(ctx workflow.Context, in step.InvoiceInput) (step.Invoice, error) {
	var invoice step.Invoice
	ctx = receiving(ctx, in.Node, "make an invoice and record its wallet")
	err := workflow.ExecuteActivity(ctx, step.AddInvoice, in).Get(ctx, &invoice)
	return invoice, err
}

// CreateAddress asks a node for an on-chain address and records whose wallet it credits, before anybody can learn of it.
func CreateAddress(ctx workflow.Context, in step.AddressInput) (string, error) {
	var address string
	ctx = receiving(ctx, in.Node, "make an address and record its wallet")
	err := workflow.ExecuteActivity(ctx, step.AddAddress, in).Get(ctx, &address)
	return address, err
}

// CancelInvoice makes an invoice of ours unpayable, in the node and then in the ledger.
func CancelInvoice(ctx workflow.Context, in step.CancelInput) (step.Closed, error) {
	var closed step.Closed
	ctx = receiving(ctx, in.Node, "cancel an invoice")
	err := workflow.ExecuteActivity(ctx, step.CancelInvoice, in).Get(ctx, &closed)
	return closed, err
}

// ProbeFee asks a node what a payment of an invoice would cost now. Nothing is sent.
func ProbeFee(ctx workflow.Context, in step.ProbeInput) (step.Probe, error) {
	var probe step.Probe
	ctx = receiving(ctx, in.Node, "look for a route")
	err := workflow.ExecuteActivity(ctx, step.ProbeFee, in).Get(ctx, &probe)
	return probe, err
}

// EstimateFee asks a node what the miners would take for a payment now. Nothing is signed.
func EstimateFee(ctx workflow.Context, req payment.Request) (step.Quote, error) {
	var quote step.Quote
	ctx = receiving(ctx, req.Node, "estimate the miner fee")
	err := workflow.ExecuteActivity(ctx, step.EstimateOnchain, req).Get(ctx, &quote)
	return quote, err
}

// receiving gives up after some seconds: somebody waits for the answer, and no money depends on it.
func receiving(ctx workflow.Context, node, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              NodeQueue(node),
		StartToCloseTimeout:    4 * time.Second,
		ScheduleToCloseTimeout: 6 * time.Second,
		Summary:                summary,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 2 * time.Second},
	})
}

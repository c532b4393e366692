package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
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

// receiving gives up after a while: somebody waits for the answer, and no money depends on it.
func receiving(ctx workflow.Context, node, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              NodeQueue(node),
		StartToCloseTimeout:    10 * time.Second,
		ScheduleToCloseTimeout: 30 * time.Second,
		Summary:                summary,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 2 * time.Second},
	})
}

package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
)

// CreateInvoice asks a node for an invoice and records whose wallet it credits, before anybody can learn of it.
func CreateInvoice(ctx workflow.Context, in step.InvoiceInput) (step.Invoice, error) {
	var invoice step.Invoice
	ctx = onNodeBriefly(ctx, in.Node, "make an invoice and record its wallet")
	err := workflow.ExecuteActivity(ctx, step.AddInvoice, in).Get(ctx, &invoice)
	return invoice, err
}

// CreateAddress asks a node for an on-chain address and records whose wallet it credits, before anybody can learn of it.
func CreateAddress(ctx workflow.Context, in step.AddressInput) (string, error) {
	var address string
	ctx = onNodeBriefly(ctx, in.Node, "make an address and record its wallet")
	err := workflow.ExecuteActivity(ctx, step.AddAddress, in).Get(ctx, &address)
	return address, err
}

// CancelInvoice makes an invoice of ours unpayable, in the node and then in the ledger.
func CancelInvoice(ctx workflow.Context, in step.CancelInput) (step.Closed, error) {
	var closed step.Closed
	ctx = onNodeBriefly(ctx, in.Node, "cancel an invoice")
	err := workflow.ExecuteActivity(ctx, step.CancelInvoice, in).Get(ctx, &closed)
	return closed, err
}

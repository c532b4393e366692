package activities

import (
	"context"
	"errors"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// AddInvoice makes an invoice and records whose wallet it credits. An attempt that dies in between leaves an invoice
// that nobody has ever seen.
func (n *NodeSteps) AddInvoice(ctx context.Context, in step.InvoiceInput) (step.Invoice, error) {
	made, err := n.Node.AddInvoice(ctx, lndclient.AddInvoice{Amount: in.Amount, Memo: in.Memo, Expiry: in.Expiry})
	if err != nil {
		return step.Invoice{}, err
	}
	err = n.Ledger.AddInvoice(ctx, ledger.Invoice{
		Hash: made.Hash, WalletID: in.WalletID, AccountID: in.AccountID, Node: n.Name, Request: made.Request,
		Amount: in.Amount, Memo: in.Memo, State: ledger.InvoiceOpen, ExpiresAt: made.ExpiresAt,
	})
	return step.Invoice{Hash: made.Hash, Request: made.Request, Amount: in.Amount, ExpiresAt: made.ExpiresAt}, err
}

// AddAddress makes an address and records whose wallet it credits.
func (n *NodeSteps) AddAddress(ctx context.Context, in step.AddressInput) (string, error) {
	address, err := n.Node.NewAddress(ctx)
	if err != nil {
		return "", err
	}
	return address, n.Ledger.AddAddress(ctx, ledger.Address{Address: address, WalletID: in.WalletID, AccountID: in.AccountID, Node: n.Name})
}

// CloseInvoice makes an invoice of ours unpayable from outside, before it is paid inside the ledger. LND decides the race
// with a payment from outside: it either cancels, or has settled.
func (n *NodeSteps) CloseInvoice(ctx context.Context, req payment.Request) (step.Closed, error) {
	defer heartbeating(ctx)()
	refuse := func(reason payment.Reason) (step.Closed, error) {
		failure := explain(reason)
		return step.Closed{Failure: &failure}, nil
	}
	invoice, err := n.Ledger.Invoice(ctx, req.PaymentHash)
	switch {
	case err != nil:
		return step.Closed{}, err
	case invoice.State == ledger.InvoicePaid:
		return refuse(payment.ReasonAlreadyPaid)
	case invoice.State == ledger.InvoiceCanceled:
		return refuse(payment.ReasonInvoiceCanceled)
	}
	err = n.Node.CancelInvoice(ctx, req.PaymentHash)
	switch {
	case err == nil, errors.Is(err, lndclient.ErrNotFound): // LND forgets expired invoices: nobody can pay those either
		return step.Closed{}, nil
	case errors.Is(err, lndclient.ErrAlreadyExists):
		return refuse(payment.ReasonAlreadyPaid)
	default:
		return step.Closed{}, err
	}
}

package activities

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// AddInvoice makes an invoice and records whose wallet it credits. An attempt that dies in between leaves an invoice
// that nobody has ever seen.
func (n *NodeSteps) AddInvoice(ctx context.Context, in step.InvoiceInput) (step.Invoice, error) {
	if made, err := n.madeBefore(ctx, in); err != nil || made.Request != "" {
		return made, err
	}
	made, err := n.Node.AddInvoice(ctx, lndclient.AddInvoice{Amount: in.Amount, Memo: in.Memo, Expiry: in.Expiry, DescriptionHash: in.DescriptionHash})
	if err != nil {
		return step.Invoice{}, err
	}
	decoded, err := lndclient.DecodeInvoice(made.Request, n.Network)
	if err != nil {
		return step.Invoice{}, err
	}
	err = n.Ledger.AddInvoice(ctx, ledger.Invoice{
		Hash: made.Hash, WalletID: in.WalletID, AccountID: in.AccountID, Node: n.Name, Request: made.Request,
		Amount: in.Amount, Memo: in.Memo, DescriptionHash: decoded.DescriptionHash, ExternalID: in.ExternalID, OnBehalf: in.OnBehalf, PaymentSecret: decoded.Secret,
		WebhookURL: in.WebhookURL, State: ledger.InvoiceOpen, ExpiresAt: made.ExpiresAt,
	})
	if payment.IsReason(err, payment.ReasonInvalidInput) { // the external id was taken meanwhile
		failure := failureOf(err)
		return step.Invoice{Failure: &failure}, nil
	}
	return step.Invoice{Hash: made.Hash, Request: made.Request, Amount: in.Amount, ExpiresAt: made.ExpiresAt}, err
}

// madeBefore finds the invoice of an attempt whose answer was lost, by its external id: a retry must not take it for
// another's. The door has seen the id free before the first attempt.
func (n *NodeSteps) madeBefore(ctx context.Context, in step.InvoiceInput) (step.Invoice, error) {
	if in.ExternalID == "" || in.OnBehalf || activity.GetInfo(ctx).Attempt == 1 {
		return step.Invoice{}, nil
	}
	kept, err := n.Ledger.InvoiceByExternalID(ctx, in.AccountID, in.ExternalID)
	switch {
	case payment.IsReason(err, payment.ReasonNotFound):
		return step.Invoice{}, nil
	case err != nil:
		return step.Invoice{}, err
	case kept.WalletID != in.WalletID || kept.Amount != in.Amount || kept.Memo != in.Memo:
		return step.Invoice{}, nil // another's: the ledger will say so
	}
	return step.Invoice{Hash: kept.Hash, Request: kept.Request, Amount: kept.Amount, ExpiresAt: kept.ExpiresAt}, nil
}

// CancelInvoice makes an invoice of ours unpayable: in LND, which decides the race with a payment from outside, then in the
// ledger, which decides the race with one inside. Cancelling again is no failure.
func (n *NodeSteps) CancelInvoice(ctx context.Context, in step.CancelInput) (step.Closed, error) {
	err := n.Node.CancelInvoice(ctx, in.Hash)
	switch {
	case errors.Is(err, lndclient.ErrAlreadyExists):
		failure := explain(payment.ReasonAlreadyPaid)
		return step.Closed{Failure: &failure}, nil
	case err != nil && !errors.Is(err, lndclient.ErrNotFound): // LND forgets expired invoices: nobody can pay those either
		return step.Closed{}, err
	}
	err = n.Ledger.CancelInvoice(ctx, in.Hash)
	if coded, ok := errors.AsType[*payment.Error](err); ok && (coded.Reason == payment.ReasonAlreadyPaid || coded.Reason == payment.ReasonConflict) {
		return step.Closed{Failure: &coded.Failure}, nil
	}
	return step.Closed{}, err
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
	case err == nil:
		return step.Closed{}, n.keepProof(ctx, req.PaymentHash)
	case errors.Is(err, lndclient.ErrNotFound): // LND forgets expired invoices: nobody can pay those either
		return step.Closed{}, nil
	case errors.Is(err, lndclient.ErrAlreadyExists):
		return refuse(payment.ReasonAlreadyPaid)
	default:
		return step.Closed{}, err
	}
}

// keepProof stores the preimage of an invoice that LND has canceled, so that who pays it inside the ledger gets a proof too.
func (n *NodeSteps) keepProof(ctx context.Context, hash payment.Hash) error {
	invoice, err := n.Node.LookupInvoice(ctx, hash)
	switch {
	case errors.Is(err, lndclient.ErrNotFound), err == nil && invoice.Preimage == ([32]byte{}):
		return nil
	case err != nil:
		return err
	}
	return n.Ledger.RecordInvoicePreimage(ctx, hash, invoice.Preimage)
}

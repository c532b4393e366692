package starter

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// DecodedInvoice is what a BOLT 11 invoice says, for a core API.
type DecodedInvoice struct {
	Request         string // canonical: lower case, no prefix, no white space
	Hash            payment.Hash
	Amount          payment.Msat // 0: the payer chooses
	Description     string
	DescriptionHash []byte // 32 bytes, or nil
	PaymentSecret   []byte // 32 bytes, or nil
	Destination     string // pubkey in hex
	CreatedAt       time.Time
	ExpiresAt       time.Time
}

// DecodeInvoice reads an invoice for this network; an expired one too. Errors: ReasonInvoiceInvalid.
func (s *Starter) DecodeInvoice(bolt11 string) (DecodedInvoice, error) {
	d, err := lndclient.DecodeInvoice(bolt11, s.cfg.Network)
	return DecodedInvoice{
		Request: d.Request, Hash: d.Hash, Amount: d.Amount, Description: d.Description, DescriptionHash: d.DescriptionHash,
		PaymentSecret: d.Secret, Destination: d.Destination, CreatedAt: d.CreatedAt, ExpiresAt: d.ExpiresAt,
	}, err
}

// CancelInvoice makes an invoice of the wallet unpayable; a canceled one is no error. LND decides the race with a payment that
// arrives now. Errors: ReasonAlreadyPaid, ReasonNotFound (also for another owner's), ReasonNodeOffline.
func (s *Starter) CancelInvoice(ctx context.Context, account payment.AccountID, wallet payment.WalletID, hash payment.Hash) error {
	invoice, err := s.ledger.Invoice(ctx, hash)
	switch {
	case err != nil:
		return err
	case invoice.AccountID != account || invoice.WalletID != wallet:
		return payment.Errorf(payment.ReasonNotFound, "There is no invoice with this payment hash in this wallet. Check both.")
	case invoice.State == ledger.InvoicePaid:
		return payment.Errorf(payment.ReasonAlreadyPaid, "Invoice is already paid.")
	case invoice.State == ledger.InvoiceCanceled:
		return nil
	}
	var closed step.Closed
	if err := s.askNode(ctx, "cancel-", workflows.CancelInvoice, step.CancelInput{Hash: hash, Node: invoice.Node}, &closed); err != nil {
		return err
	}
	if closed.Failure != nil {
		return &payment.Error{Failure: *closed.Failure}
	}
	return nil
}

// CurrentAddress gives the wallet's newest address if nothing was ever received there, else a new one.
func (s *Starter) CurrentAddress(ctx context.Context, account payment.AccountID, wallet payment.WalletID) (string, error) {
	if err := s.receiver(ctx, account, wallet); err != nil {
		return "", err
	}
	unused, err := s.ledger.UnusedAddress(ctx, wallet)
	if payment.IsReason(err, payment.ReasonNotFound) {
		return s.CreateAddress(ctx, account, wallet)
	}
	return unused.Address, err
}

package lndclient

import (
	"context"
	"errors"
	"time"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/invoicesrpc"

	"github.com/holdfast-pay/holdfast/payment"
)

// AddInvoice makes an invoice (lnrpc.AddInvoice), or a hold invoice where Hash is set (invoicesrpc.AddHoldInvoice).
// ErrAlreadyExists: the hash has one.
func (c *Client) AddInvoice(ctx context.Context, add AddInvoice) (Invoice, error) {
	if add.Amount < 0 {
		return Invoice{}, refusal(callAddInvoice, payment.ReasonInvalidAmount, errors.New("the amount must not be negative"))
	}
	expiry := int64(add.Expiry / time.Second) // 0 is LND's default
	hash := add.Hash
	if hash.IsZero() {
		added, err := c.lightning.AddInvoice(ctx, &lnrpc.Invoice{
			Memo: add.Memo, DescriptionHash: add.descriptionHash(), ValueMsat: int64(add.Amount), Expiry: expiry,
		})
		if err != nil {
			return Invoice{}, classify(ctx, callAddInvoice, err)
		}
		copy(hash[:], added.GetRHash())
	} else {
		_, err := c.invoices.AddHoldInvoice(ctx, &invoicesrpc.AddHoldInvoiceRequest{
			Memo: add.Memo, DescriptionHash: add.descriptionHash(), Hash: hash[:], ValueMsat: int64(add.Amount), Expiry: expiry,
		})
		if err != nil {
			return Invoice{}, classify(ctx, callAddHoldInvoice, err)
		}
	}
	return c.LookupInvoice(ctx, hash)
}

func (a AddInvoice) descriptionHash() []byte {
	if a.DescriptionHash == ([32]byte{}) {
		return nil
	}
	return a.DescriptionHash[:]
}

// LookupInvoice reads an invoice of the node (invoicesrpc.LookupInvoiceV2).
func (c *Client) LookupInvoice(ctx context.Context, hash payment.Hash) (Invoice, error) {
	found, err := c.invoices.LookupInvoiceV2(ctx, &invoicesrpc.LookupInvoiceMsg{
		InvoiceRef: &invoicesrpc.LookupInvoiceMsg_PaymentHash{PaymentHash: hash[:]},
	})
	if err != nil {
		return Invoice{}, classify(ctx, callLookupInvoice, err)
	}
	return readInvoice(found), nil
}

// CancelInvoice makes an open or accepted invoice unpayable (invoicesrpc.CancelInvoice). LND answers success for one
// that is canceled already.
func (c *Client) CancelInvoice(ctx context.Context, hash payment.Hash) error {
	_, err := c.invoices.CancelInvoice(ctx, &invoicesrpc.CancelInvoiceMsg{PaymentHash: hash[:]})
	if err != nil {
		return classify(ctx, callCancelInvoice, err)
	}
	return nil
}

// SettleInvoice reveals a hold invoice's preimage (invoicesrpc.SettleInvoice). LND answers success for one that is
// settled already; ErrRefused: no HTLC has arrived, or it was canceled.
func (c *Client) SettleInvoice(ctx context.Context, preimage [32]byte) error {
	_, err := c.invoices.SettleInvoice(ctx, &invoicesrpc.SettleInvoiceMsg{Preimage: preimage[:]})
	if err != nil {
		return classify(ctx, callSettleInvoice, err)
	}
	return nil
}

func readInvoice(found *lnrpc.Invoice) Invoice {
	created := time.Unix(found.GetCreationDate(), 0).UTC()
	read := Invoice{
		Request:     found.GetPaymentRequest(),
		Amount:      payment.Msat(found.GetValueMsat()),
		Received:    payment.Msat(found.GetAmtPaidMsat()),
		Memo:        found.GetMemo(),
		AddIndex:    found.GetAddIndex(),
		SettleIndex: found.GetSettleIndex(),
		CreatedAt:   created,
		ExpiresAt:   created.Add(time.Duration(found.GetExpiry()) * time.Second),
	}
	copy(read.Hash[:], found.GetRHash())
	copy(read.Preimage[:], found.GetRPreimage())
	if settled := found.GetSettleDate(); settled > 0 {
		read.SettledAt = time.Unix(settled, 0).UTC()
	}
	switch found.GetState() {
	case lnrpc.Invoice_SETTLED:
		read.State = InvoiceSettled
	case lnrpc.Invoice_CANCELED:
		read.State = InvoiceCanceled
	case lnrpc.Invoice_ACCEPTED:
		read.State = InvoiceAccepted
		read.Received = acceptedAmount(found.GetHtlcs())
	default:
		read.State = InvoiceOpen
	}
	return read
}

// acceptedAmount: LND fills amt_paid only when an invoice settles.
func acceptedAmount(htlcs []*lnrpc.InvoiceHTLC) payment.Msat {
	var sum payment.Msat
	for _, htlc := range htlcs {
		if htlc.GetState() == lnrpc.InvoiceHTLCState_ACCEPTED {
			sum += payment.Msat(htlc.GetAmtMsat()) //nolint:gosec // bounded by the channel's capacity
		}
	}
	return sum
}

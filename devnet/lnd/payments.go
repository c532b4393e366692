package lnd

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/invoicesrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"
)

// Payment is the end of an outgoing payment.
type Payment struct {
	Hash      string // payment hash, hex
	Succeeded bool
	Failure   string // lnd's failure reason if it did not succeed
	Msat      int64
	FeeMsat   int64
}

// Invoice makes a BOLT 11 invoice of sat (0: the payer chooses) that expires after expiry.
func (c *Client) Invoice(ctx context.Context, sat int64, memo string, expiry time.Duration) (string, error) {
	resp, err := c.Lightning.AddInvoice(ctx, &lnrpc.Invoice{Value: sat, Memo: memo, Expiry: int64(expiry / time.Second)})
	return resp.GetPaymentRequest(), err
}

// Hold makes an invoice whose preimage only the caller knows: a payment to it
// stays held until Settle or Cancel. Hash and preimage are hex.
func (c *Client) Hold(ctx context.Context, sat int64, expiry time.Duration) (invoice, hash, preimage string, err error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	sum := sha256.Sum256(secret)
	resp, err := c.Invoices.AddHoldInvoice(ctx, &invoicesrpc.AddHoldInvoiceRequest{
		Hash: sum[:], Value: sat, Memo: "hold", Expiry: int64(expiry / time.Second),
	})
	return resp.GetPaymentRequest(), hex.EncodeToString(sum[:]), hex.EncodeToString(secret), err
}

// Settle takes a held payment, by its preimage in hex.
func (c *Client) Settle(ctx context.Context, preimage string) error {
	raw, err := hex.DecodeString(preimage)
	if err != nil {
		return err
	}
	_, err = c.Invoices.SettleInvoice(ctx, &invoicesrpc.SettleInvoiceMsg{Preimage: raw})
	return err
}

// Cancel cancels an invoice; a payment held for it goes back.
func (c *Client) Cancel(ctx context.Context, hash string) error {
	raw, err := hex.DecodeString(hash)
	if err != nil {
		return err
	}
	_, err = c.Invoices.CancelInvoice(ctx, &invoicesrpc.CancelInvoiceMsg{PaymentHash: raw})
	return err
}

// AwaitState waits until the invoice has a state, and fails if it ends in another one.
func (c *Client) AwaitState(ctx context.Context, hash string, want lnrpc.Invoice_InvoiceState) error {
	raw, err := hex.DecodeString(hash)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the stream
	stream, err := c.Invoices.SubscribeSingleInvoice(ctx, &invoicesrpc.SubscribeSingleInvoiceRequest{RHash: raw})
	if err != nil {
		return err
	}
	for {
		invoice, err := stream.Recv()
		if err != nil {
			return fmt.Errorf("wait for invoice %s to be %s: %w", hash, want, err)
		}
		state := invoice.GetState()
		if state == want {
			return nil
		}
		if state == lnrpc.Invoice_SETTLED || state == lnrpc.Invoice_CANCELED {
			return fmt.Errorf("invoice %s is %s, and was to be %s", hash, state, want)
		}
	}
}

// PayAsync starts a payment (sat only for an invoice without an amount), returns
// when the node has it in flight, and answers its end from wait.
func (c *Client) PayAsync(ctx context.Context, invoice string, sat int64) (wait func() (Payment, error), err error) {
	stream, err := c.Router.SendPaymentV2(ctx, &routerrpc.SendPaymentRequest{
		PaymentRequest: invoice, Amt: sat, TimeoutSeconds: 60, FeeLimitSat: 100_000,
	})
	if err != nil {
		return nil, err
	}
	update, err := stream.Recv() // IN_FLIGHT, before the first HTLC or with it
	if err != nil {
		return nil, err
	}
	return func() (Payment, error) { return follow(stream, update) }, nil
}

func follow(stream routerrpc.Router_SendPaymentV2Client, update *lnrpc.Payment) (Payment, error) {
	for {
		switch update.GetStatus() {
		case lnrpc.Payment_SUCCEEDED, lnrpc.Payment_FAILED:
			return Payment{
				Hash: update.GetPaymentHash(), Succeeded: update.GetStatus() == lnrpc.Payment_SUCCEEDED,
				Failure: update.GetFailureReason().String(), Msat: update.GetValueMsat(), FeeMsat: update.GetFeeMsat(),
			}, nil
		}
		next, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return Payment{}, errors.New("lnd ended the stream of a payment that has not ended")
		}
		if err != nil {
			return Payment{}, err
		}
		update = next
	}
}

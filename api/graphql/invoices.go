package graphqlapi

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

func (m mutations) LnInvoiceCreate(ctx context.Context, in generated.LnInvoiceCreateInput) (*generated.LnInvoicePayload, error) {
	ask := starter.ReceiveInvoice{
		AccountID: account(ctx), WalletID: in.WalletID.ID, Amount: in.Amount.Sat.MustMsat(), Memo: memo(in.Memo),
		Expiry: lasting(in.ExpiresIn), ExternalID: externalID(in.ExternalID),
	}
	return m.pricedInvoice(ctx, in, ask, in.Amount.Sat > 0)
}

func (m mutations) LnNoAmountInvoiceCreate(ctx context.Context, in generated.LnNoAmountInvoiceCreateInput) (*generated.LnNoAmountInvoicePayload, error) {
	return m.openInvoice(ctx, in, starter.ReceiveInvoice{
		AccountID: account(ctx), WalletID: in.WalletID.ID, Memo: memo(in.Memo), Expiry: lasting(in.ExpiresIn), ExternalID: externalID(in.ExternalID),
	})
}

func (m mutations) LnUsdInvoiceCreate(ctx context.Context, in generated.LnUsdInvoiceCreateInput) (*generated.LnInvoicePayload, error) {
	bad := scalar.Problem(in)
	if bad != nil {
		return &generated.LnInvoicePayload{Errors: m.payloadErrors(ctx, bad)}, nil
	}
	_, err := m.ownWalletIn(ctx, in.WalletID.ID, payment.USD)
	if err == nil {
		err = noDollars()
	}
	return &generated.LnInvoicePayload{Errors: m.payloadErrors(ctx, err)}, nil
}

func (m mutations) LnInvoiceCreateOnBehalfOfRecipient(ctx context.Context, in generated.LnInvoiceCreateOnBehalfOfRecipientInput) (*generated.LnInvoicePayload, error) {
	ask := starter.ReceiveInvoice{
		OnBehalf: true, WalletID: in.RecipientWalletID.ID, Amount: in.Amount.Sat.MustMsat(), Memo: memo(in.Memo),
		Expiry: lasting(in.ExpiresIn), ExternalID: externalID(in.ExternalID), DescriptionHash: described(in.DescriptionHash),
	}
	var err error
	if ask.WebhookURL, err = m.webhook(in.WebhookURL); err != nil {
		return &generated.LnInvoicePayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return m.pricedInvoice(ctx, in, ask, in.Amount.Sat > 0)
}

func (m mutations) LnNoAmountInvoiceCreateOnBehalfOfRecipient(ctx context.Context, in generated.LnNoAmountInvoiceCreateOnBehalfOfRecipientInput) (*generated.LnNoAmountInvoicePayload, error) {
	webhook, err := m.webhook(in.WebhookURL)
	if err != nil {
		return &generated.LnNoAmountInvoicePayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return m.openInvoice(ctx, in, starter.ReceiveInvoice{
		OnBehalf: true, WalletID: in.RecipientWalletID.ID, Memo: memo(in.Memo), Expiry: lasting(in.ExpiresIn), WebhookURL: webhook,
		ExternalID: externalID(in.ExternalID), DescriptionHash: described(in.DescriptionHash),
	})
}

func (m mutations) LnUsdInvoiceCreateOnBehalfOfRecipient(ctx context.Context, in generated.LnUsdInvoiceCreateOnBehalfOfRecipientInput) (*generated.LnInvoicePayload, error) {
	if bad := scalar.Problem(in); bad != nil {
		return &generated.LnInvoicePayload{Errors: m.payloadErrors(ctx, bad)}, nil
	}
	return &generated.LnInvoicePayload{Errors: m.payloadErrors(ctx, noDollars())}, nil
}

func (m mutations) LnInvoiceCancel(ctx context.Context, in generated.LnInvoiceCancelInput) (*generated.SuccessPayload, error) {
	if err := m.managed(ctx, in); err != nil {
		return &generated.SuccessPayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	_, err := m.ownWallet(ctx, in.WalletID.ID)
	if err == nil {
		err = m.Starter.CancelInvoice(ctx, account(ctx), in.WalletID.ID, in.PaymentHash.Hash)
	}
	return m.succeeded(ctx, err), nil
}

// succeeded answers a mutation that has nothing else to tell.
func (r *resolver) succeeded(ctx context.Context, err error) *generated.SuccessPayload {
	if err != nil {
		return &generated.SuccessPayload{Errors: r.payloadErrors(ctx, err), Success: new(false)}
	}
	return &generated.SuccessPayload{Errors: none(), Success: new(true)}
}

func (r *resolver) pricedInvoice(ctx context.Context, input any, ask starter.ReceiveInvoice, priced bool) (*generated.LnInvoicePayload, error) {
	var made ledger.Invoice
	var err error = payment.Errorf(payment.ReasonInvalidAmount, "The amount must be above zero. For an invoice whose payer chooses, create one without amount.")
	if priced || scalar.Problem(input) != nil {
		made, err = r.makeInvoice(ctx, input, ask)
	}
	if err != nil {
		return &generated.LnInvoicePayload{Errors: r.payloadErrors(ctx, err)}, nil
	}
	return &generated.LnInvoicePayload{Errors: none(), Invoice: r.invoiceOf(made)}, nil
}

func (r *resolver) openInvoice(ctx context.Context, input any, ask starter.ReceiveInvoice) (*generated.LnNoAmountInvoicePayload, error) {
	made, err := r.makeInvoice(ctx, input, ask)
	if err != nil {
		return &generated.LnNoAmountInvoicePayload{Errors: r.payloadErrors(ctx, err)}, nil
	}
	return &generated.LnNoAmountInvoicePayload{Errors: none(), Invoice: r.openInvoiceOf(made)}, nil
}

// makeInvoice has the node make an invoice for a BTC wallet, and reads its row.
func (r *resolver) makeInvoice(ctx context.Context, input any, ask starter.ReceiveInvoice) (ledger.Invoice, error) {
	if bad := scalar.Problem(input); bad != nil {
		return ledger.Invoice{}, bad
	}
	if err := r.limited(ctx, limit.Invoices); err != nil {
		return ledger.Invoice{}, err
	}
	if err := r.receivesBitcoin(ctx, ask); err != nil {
		return ledger.Invoice{}, err
	}
	made, err := r.Starter.CreateInvoice(ctx, ask)
	if err != nil {
		return ledger.Invoice{}, err
	}
	return r.Ledger.Invoice(ctx, made.Hash)
}

// receivesBitcoin checks the wallet that an invoice or an address is asked for.
func (r *resolver) receivesBitcoin(ctx context.Context, ask starter.ReceiveInvoice) error {
	wallet, err := r.Ledger.Wallet(ctx, ask.WalletID)
	switch {
	case payment.IsReason(err, payment.ReasonWalletNotFound), err == nil && !ask.OnBehalf && wallet.AccountID != ask.AccountID:
		return noOwnWallet()
	case err != nil:
		return err
	case wallet.Currency != payment.BTC && ask.Amount > 0:
		return wrongCurrency(payment.BTC, wallet.Currency)
	case wallet.Currency != payment.BTC:
		return noDollars()
	}
	return nil
}

func (r *resolver) invoiceOf(i ledger.Invoice) *generated.LnInvoice {
	return &generated.LnInvoice{
		CreatedAt: i.CreatedAt, ExternalID: scalar.NewOrNil[scalar.TxExternalID](i.ExternalID), PaymentHash: scalar.PaymentHash{Hash: i.Hash},
		PaymentRequest: scalar.New[scalar.LnPaymentRequest](i.Request), PaymentSecret: hexOrNil(i.PaymentSecret),
		PaymentStatus: r.invoiceStatus(i), Satoshis: new(scalar.Sats(i.Amount.Ceil())),
	}
}

func (r *resolver) openInvoiceOf(i ledger.Invoice) *generated.LnNoAmountInvoice {
	return &generated.LnNoAmountInvoice{
		CreatedAt: i.CreatedAt, ExternalID: scalar.NewOrNil[scalar.TxExternalID](i.ExternalID), PaymentHash: scalar.PaymentHash{Hash: i.Hash},
		PaymentRequest: scalar.New[scalar.LnPaymentRequest](i.Request), PaymentSecret: hexOrNil(i.PaymentSecret), PaymentStatus: r.invoiceStatus(i),
	}
}

// anyInvoiceOf tells an invoice with an amount from one without.
func (r *resolver) anyInvoiceOf(i ledger.Invoice) generated.Invoice {
	if i.Amount == 0 {
		return *r.openInvoiceOf(i)
	}
	return *r.invoiceOf(i)
}

// invoiceStatus: what can no longer be paid is expired, canceled or not.
func (r *resolver) invoiceStatus(i ledger.Invoice) generated.InvoicePaymentStatus {
	switch {
	case i.State == ledger.InvoicePaid:
		return generated.InvoicePaymentStatusPaid
	case i.State == ledger.InvoiceCanceled, r.Clock().After(i.ExpiresAt):
		return generated.InvoicePaymentStatusExpired
	default:
		return generated.InvoicePaymentStatusPending
	}
}

// invoices reads a page of the account's invoices, or of some wallets'.
func (r *resolver) invoices(ctx context.Context, filter ledger.InvoiceFilter, p page) (*generated.InvoiceConnection, error) {
	var err error
	if filter.Before, err = invoiceCursorOf(p.after); err != nil {
		return nil, err
	}
	if filter.After, err = invoiceCursorOf(p.before); err != nil {
		return nil, err
	}
	filter.Oldest = p.oldest
	rows, more, err := read(p,
		func(limit int) ([]ledger.Invoice, error) {
			filter.Limit = limit
			return r.Ledger.InvoicesPage(ctx, filter)
		},
		func(end ledger.Invoice) ([]ledger.Invoice, error) {
			one, place := filter, end.Cursor()
			one.Limit = 1
			if p.oldest {
				one.After = &place
			} else {
				one.Before = &place
			}
			return r.Ledger.InvoicesPage(ctx, one)
		})
	if err != nil {
		return nil, err
	}
	answer := &generated.InvoiceConnection{Edges: []*generated.InvoiceEdge{}, Nodes: []generated.Invoice{}}
	cursors := make([]string, len(rows))
	for i, row := range rows {
		cursors[i] = invoiceCursorText(row.Cursor())
		node := r.anyInvoiceOf(row)
		answer.Nodes = append(answer.Nodes, node)
		answer.Edges = append(answer.Edges, &generated.InvoiceEdge{Cursor: cursors[i], Node: node})
	}
	answer.PageInfo = p.info(cursors, more)
	return answer, nil
}

// LnInvoicePaymentStatus is an older name, with an older payload, of LnInvoicePaymentStatusByPaymentRequest.
func (q queries) LnInvoicePaymentStatus(ctx context.Context, in generated.LnInvoicePaymentStatusInput) (*generated.LnInvoicePaymentStatusPayload, error) {
	if bad := scalar.Problem(in); bad != nil {
		return &generated.LnInvoicePaymentStatusPayload{Errors: q.payloadErrors(ctx, bad)}, nil
	}
	decoded, err := q.Starter.DecodeInvoice(in.PaymentRequest.Text)
	if err != nil {
		return &generated.LnInvoicePaymentStatusPayload{Errors: q.payloadErrors(ctx, err)}, nil
	}
	now, _ := q.invoiceNow(ctx, decoded.Hash)
	return now, nil
}

func (q queries) LnInvoicePaymentStatusByHash(ctx context.Context, in generated.LnInvoicePaymentStatusByHashInput) (*generated.LnInvoicePaymentStatus, error) {
	return q.statusOfInvoice(ctx, in.PaymentHash.Hash)
}

func (q queries) LnInvoicePaymentStatusByPaymentRequest(ctx context.Context, in generated.LnInvoicePaymentStatusByPaymentRequestInput) (*generated.LnInvoicePaymentStatus, error) {
	decoded, err := q.Starter.DecodeInvoice(in.PaymentRequest.Text)
	if err != nil {
		return nil, err
	}
	return q.statusOfInvoice(ctx, decoded.Hash)
}

func (r *resolver) statusOfInvoice(ctx context.Context, hash payment.Hash) (*generated.LnInvoicePaymentStatus, error) {
	invoice, err := r.Ledger.Invoice(ctx, hash)
	if err != nil {
		return nil, err
	}
	status := r.invoiceStatus(invoice)
	return &generated.LnInvoicePaymentStatus{
		PaymentHash: &scalar.PaymentHash{Hash: invoice.Hash}, PaymentRequest: scalar.NewOrNil[scalar.LnPaymentRequest](invoice.Request),
		Status: &status, PaymentPreimage: r.preimageOf(invoice),
	}, nil
}

func lasting(m *scalar.Minutes) time.Duration {
	if m == nil {
		return 0
	}
	return time.Duration(m.Minutes) * time.Minute
}

func externalID(id *scalar.TxExternalID) string {
	if id == nil {
		return ""
	}
	return id.Text
}

func described(hash *scalar.Hex32Bytes) *[32]byte {
	if hash == nil {
		return nil
	}
	return &hash.Bytes
}

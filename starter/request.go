package starter

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// maxMemo is the longest memo in bytes of UTF-8 (scalar Memo of the schema): what a BOLT 11 description can hold.
const maxMemo = 639

// maxKey is the longest idempotency key in bytes.
const maxKey = 255

func (s *Starter) invoiceRequest(ctx context.Context, ask PayInvoice) (payment.Request, error) {
	req, err := s.begin(ask.Caller, ask.WalletID, ask.Memo)
	if err != nil {
		return req, err
	}
	invoice, err := lndclient.DecodeInvoice(ask.Invoice, s.cfg.Network)
	if err != nil {
		return req, err
	}
	amount, err := invoiceAmount(invoice, ask.Amount)
	if err != nil {
		return req, err
	}
	req.Kind, req.Invoice, req.PaymentHash, req.Amount = payment.Lightning, invoice.Request, invoice.Hash, amount
	if ask.MaxFee != nil && *ask.MaxFee < 0 {
		return req, payment.Errorf(payment.ReasonInvalidAmount, "The fee limit is negative. Give zero or more.")
	}
	req.FeeReserve, req.MaxFee = s.cfg.Fees.Limit(amount), ask.MaxFee
	if ask.MaxFee != nil {
		req.FeeReserve = min(*ask.MaxFee, payment.MaxSat.MustMsat())
	}
	return s.placeInvoice(ctx, req, invoice)
}

// placeInvoice decides where an invoice is paid: inside the ledger if it is ours, else through our node.
func (s *Starter) placeInvoice(ctx context.Context, req payment.Request, invoice lndclient.DecodedInvoice) (payment.Request, error) {
	known, err := s.known(ctx, req)
	if err != nil || known {
		return req, err // a repeated call gets the first answer, also after the invoice has expired
	}
	if invoice.Expired(s.now()) {
		return req, payment.Errorf(payment.ReasonInvoiceExpired, "The invoice has expired. Ask the receiver for a new one.")
	}
	own, err := s.ledger.Invoice(ctx, req.PaymentHash)
	switch {
	case payment.IsReason(err, payment.ReasonNotFound):
		req.Node, err = s.node()
		return req, err
	case err != nil:
		return req, err
	case own.Request != req.Invoice:
		return req, payment.Errorf(payment.ReasonInvoiceInvalid, "The invoice copies the payment hash of another one. Ask the receiver for a new one.")
	case own.WalletID == req.WalletID:
		return req, payment.Errorf(payment.ReasonSelfPayment, "The invoice belongs to the same wallet. Pay from another one.")
	}
	req.Kind, req.RecipientID, req.Node, req.FeeReserve = payment.Intraledger, own.WalletID, own.Node, 0
	return req, nil
}

// invoiceAmount is what will be paid: the invoice's amount, or the caller's where the invoice has none.
func invoiceAmount(invoice lndclient.DecodedInvoice, asked payment.Msat) (payment.Msat, error) {
	switch {
	case invoice.Amount > 0 && asked != 0:
		return 0, payment.Errorf(payment.ReasonInvalidAmount, "The invoice names its amount, %v. Leave the amount out.", invoice.Amount)
	case invoice.Amount > 0:
		return invoice.Amount, checkAmount(invoice.Amount)
	case asked == 0:
		return 0, payment.Errorf(payment.ReasonInvalidAmount, "The invoice names no amount. Give one.")
	default:
		return asked, checkAmount(asked)
	}
}

func (s *Starter) addressRequest(ctx context.Context, ask PayAddress) (payment.Request, error) {
	req, err := s.begin(ask.Caller, ask.WalletID, ask.Memo)
	if err != nil {
		return req, err
	}
	if req.Address, err = lndclient.DecodeAddress(ask.Address, s.cfg.Network); err != nil {
		return req, err
	}
	req.Kind, req.SendAll, req.Speed = payment.Onchain, ask.SendAll, ask.Speed
	if req.Speed == "" {
		req.Speed = payment.Fast
	}
	if _, ok := req.Speed.TargetBlocks(); !ok {
		return req, payment.Errorf(payment.ReasonInvalidInput, "Unknown speed %q. Use FAST, MEDIUM or SLOW.", string(ask.Speed))
	}
	switch {
	case ask.SendAll && ask.Amount != 0:
		return req, payment.Errorf(payment.ReasonInvalidAmount, "Sending everything takes no amount. Leave it out.")
	case !ask.SendAll:
		if req.Amount, err = onchainAmount(ask.Amount); err != nil {
			return req, err
		}
	}
	return s.placeAddress(ctx, req)
}

func onchainAmount(amount payment.Sat) (payment.Msat, error) {
	amount = min(max(amount, -1), payment.MaxSat+1) // beyond, only the sign matters, and msat would overflow
	msat := amount.MustMsat()
	return msat, checkAmount(msat)
}

// placeAddress decides where an address is paid: inside the ledger if it is ours, else on the chain.
func (s *Starter) placeAddress(ctx context.Context, req payment.Request) (payment.Request, error) {
	known, err := s.known(ctx, req)
	if err != nil || known {
		return req, err // a repeated call gets the first answer, whatever the address has become since
	}
	own, err := s.ledger.AddressOwner(ctx, req.Address)
	switch {
	case err == nil && own.WalletID == req.WalletID:
		return req, payment.Errorf(payment.ReasonSelfPayment, "The address belongs to the same wallet. Pay from another one.")
	case err == nil:
		req.Kind, req.RecipientID = payment.Intraledger, own.WalletID
		return req, nil
	case !payment.IsReason(err, payment.ReasonNotFound):
		return req, err
	case !req.SendAll && req.Amount.Floor() < s.cfg.Dust:
		return req, payment.Errorf(payment.ReasonDust,
			"%v is too small for an on-chain payment; the smallest is %v. Use lightning for small amounts.", req.Amount, s.cfg.Dust)
	}
	req.Node, err = s.node()
	return req, err
}

func (s *Starter) walletRequest(_ context.Context, ask PayWallet) (payment.Request, error) {
	req, err := s.begin(ask.Caller, ask.WalletID, ask.Memo)
	if err != nil {
		return req, err
	}
	if ask.RecipientID == ask.WalletID {
		return req, payment.Errorf(payment.ReasonSelfPayment, "Sender and recipient are the same wallet. Choose another recipient.")
	}
	req.Kind, req.RecipientID, req.Amount = payment.Intraledger, ask.RecipientID, ask.Amount
	return req, checkAmount(ask.Amount)
}

// begin checks what all requests share.
func (s *Starter) begin(who Caller, wallet payment.WalletID, memo string) (payment.Request, error) {
	switch {
	case who.AccountID == (payment.AccountID{}):
		return payment.Request{}, payment.Errorf(payment.ReasonInvalidInput, "No account is named. Give the id of the account that pays.")
	case !storable(memo, maxMemo):
		return payment.Request{}, badMemo()
	case !storable(who.IdempotencyKey, maxKey):
		return payment.Request{}, payment.Errorf(payment.ReasonInvalidInput, "The idempotency key must be UTF-8 without zero bytes, at most %d bytes.", maxKey)
	}
	return payment.Request{
		ID: payment.IDFor(who.AccountID, who.IdempotencyKey), Door: who.Door, AccountID: who.AccountID,
		WalletID: wallet, KeyID: who.KeyID, IdempotencyKey: who.IdempotencyKey, Memo: memo,
	}, nil
}

// storable reports whether Postgres can keep the text.
func storable(text string, most int) bool {
	return len(text) <= most && utf8.ValidString(text) && !strings.ContainsRune(text, 0)
}

func badMemo() *payment.Error {
	return payment.Errorf(payment.ReasonInvalidInput, "The memo must be UTF-8 without zero bytes, at most %d bytes.", maxMemo)
}

func checkAmount(amount payment.Msat) error {
	switch {
	case amount <= 0:
		return payment.Errorf(payment.ReasonInvalidAmount, "The amount must be above zero.")
	case amount > payment.MaxSat.MustMsat():
		return payment.Errorf(payment.ReasonInvalidAmount, "The amount is above the largest possible one, %v. Pay less.", payment.MaxSat)
	default:
		return nil
	}
}

func (s *Starter) node() (string, error) {
	if len(s.cfg.Nodes) == 0 {
		return "", payment.Errorf(payment.ReasonNodeNotFound, "No LND node is configured. Name one in HOLDFAST_NODES.")
	}
	return s.cfg.Nodes[0], nil
}

// known reports whether an idempotency key has been used, with the same body or not: Start compares the bodies.
func (s *Starter) known(ctx context.Context, req payment.Request) (bool, error) {
	if req.IdempotencyKey == "" {
		return false, nil
	}
	_, err := s.ledger.Payment(ctx, req.ID)
	if payment.IsReason(err, payment.ReasonPaymentNotFound) {
		return false, nil
	}
	return err == nil, err
}

// sameBody answers a repeated call: the first call's row, or a conflict. By which API key it is repeated does not matter.
func sameBody(req payment.Request, row ledger.Payment) (ledger.Payment, error) {
	req.KeyID = row.KeyID
	if row.AccountID == req.AccountID && row.Request.IdempotencyKey == req.IdempotencyKey && row.Body == req.Fingerprint() {
		return row, nil
	}
	return ledger.Payment{}, otherBody()
}

func otherBody() *payment.Error {
	return payment.Errorf(payment.ReasonIdempotencyConflict, "This idempotency key was used for another payment. Use a new key for a new payment.")
}

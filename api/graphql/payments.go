package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// caller is invariant 2: who pays, by the credentials.
func caller(ctx context.Context, door payment.Door) starter.Caller {
	who := identity.PrincipalFrom(ctx)
	return starter.Caller{AccountID: who.AccountID, KeyID: who.KeyID, Door: door, IdempotencyKey: api.IdempotencyKey(ctx)}
}

// send is what all payment mutations share: refuse what is malformed or too often, check the wallet, pay, answer.
// currency is what the wallet must be in; empty: any.
func (r *resolver) send(
	ctx context.Context, input any, walletID scalar.WalletID, currency payment.Currency,
	pay func(wallet ledger.Wallet) (ledger.Payment, error),
) (*generated.PaymentSendPayload, error) {
	if bad := scalar.Problem(input); bad != nil {
		return &generated.PaymentSendPayload{Errors: r.payloadErrors(ctx, bad)}, nil
	}
	if err := r.limited(ctx, limit.Payments); err != nil && !r.begun(ctx) {
		return r.notNow(ctx, err), nil
	}
	wallet, err := r.ownWallet(ctx, walletID.ID)
	if err == nil && currency != "" {
		wallet, err = r.ownWalletIn(ctx, walletID.ID, currency)
	}
	if err != nil {
		return r.notPaid(ctx, err)
	}
	row, err := pay(wallet)
	if err != nil {
		return r.notPaid(ctx, err)
	}
	return r.sent(ctx, row), nil
}

// begun reports whether this call repeats one whose payment is in the ledger: then it is a question, and takes no allowance.
func (r *resolver) begun(ctx context.Context) bool {
	key := api.IdempotencyKey(ctx)
	if key == "" {
		return false
	}
	_, err := r.Ledger.Payment(ctx, payment.IDFor(account(ctx), key))
	return err == nil
}

// notNow answers a call that came too often. One with an idempotency key may repeat a call whose payment has no row yet: it is
// told why, and of the payment nothing.
func (r *resolver) notNow(ctx context.Context, err error) *generated.PaymentSendPayload {
	answer := r.notSent(ctx, err)
	if api.IdempotencyKey(ctx) != "" {
		answer.Status = nil
	}
	return answer
}

// notPaid answers a call that has no payment. Clients take FAILURE for a payment that will never happen, and refund it: where one
// may have been started, by this call or by the one that it repeats, the error is at the top and there is no status.
func (r *resolver) notPaid(ctx context.Context, err error) (*generated.PaymentSendPayload, error) {
	switch payment.ReasonOf(err) {
	case payment.ReasonOutcomeUnknown:
		return nil, err
	case payment.ReasonUnavailable, payment.ReasonInternal:
		if api.IdempotencyKey(ctx) != "" {
			return nil, err
		}
	}
	return r.notSent(ctx, err), nil
}

// notSent answers a payment that was refused or has failed.
func (r *resolver) notSent(ctx context.Context, err error) *generated.PaymentSendPayload {
	status := generated.PaymentSendResultFailure
	if payment.IsReason(err, payment.ReasonAlreadyPaid) {
		status = generated.PaymentSendResultAlreadyPaid
	}
	if coded, ok := err.(*payment.Error); ok && coded.Budget != nil { //nolint:errorlint // only what the ledger answers has one
		r.Log.InfoContext(ctx, "a budget refused a payment", "reason", coded.Reason, "api_key_id", identity.PrincipalFrom(ctx).KeyID.String(),
			"window", coded.Budget.Window, "limit_sat", int64(coded.Budget.Limit), "spent_sat", int64(coded.Budget.Spent),
			"needed_sat", int64(coded.Budget.Needed))
	}
	return &generated.PaymentSendPayload{Errors: r.payloadErrors(ctx, err), Status: &status}
}

// sent answers from the payment's row.
func (r *resolver) sent(ctx context.Context, row ledger.Payment) *generated.PaymentSendPayload {
	if row.State == payment.Refused || row.State == payment.Failed {
		if row.Failure.Reason == payment.ReasonAlreadyPaid && row.Kind == payment.Lightning {
			// Somebody outside has the money: clients take an error for a payment that failed, and refund it.
			status := generated.PaymentSendResultAlreadyPaid
			return &generated.PaymentSendPayload{Errors: none(), Status: &status}
		}
		return r.notSent(ctx, &payment.Error{Failure: *row.Failure})
	}
	status := statusOf(row)
	answer := &generated.PaymentSendPayload{Errors: none(), Status: &status}
	transaction, err := r.Ledger.TransactionOfPayment(ctx, row.AccountID, row.WalletID, row.ID)
	switch {
	case err == nil:
		answer.Transaction = r.transaction(ctx, transaction)
	case !payment.IsReason(err, payment.ReasonNotFound):
		r.failureOf(ctx, err) // the payment is what it is: the answer tells it without its line in the history
	}
	return answer
}

// statusOf: an on-chain payment has been sent once it is signed, stored and broadcast; its confirmation is the
// transaction's status.
func statusOf(row ledger.Payment) generated.PaymentSendResult {
	switch {
	case row.State == payment.Settled, row.Kind == payment.Onchain && row.State == payment.Pending && row.TxID != "":
		return generated.PaymentSendResultSuccess
	default:
		return generated.PaymentSendResultPending
	}
}

func (m mutations) IntraLedgerPaymentSend(ctx context.Context, in generated.IntraLedgerPaymentSendInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.BTC, func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayWallet(ctx, starter.PayWallet{
			Caller: caller(ctx, payment.DoorIntraLedger), WalletID: w.ID, RecipientID: in.RecipientWalletID.ID, Amount: in.Amount.Sat.MustMsat(), Memo: memo(in.Memo),
		})
	})
}

func (m mutations) IntraLedgerUsdPaymentSend(ctx context.Context, in generated.IntraLedgerUsdPaymentSendInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.USD, func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayDollars(ctx, payDollars{
			Caller: caller(ctx, payment.DoorIntraLedgerUsd), WalletID: w.ID, RecipientID: in.RecipientWalletID.ID, Cents: in.Amount.Cents, Memo: memo(in.Memo),
		})
	})
}

func (m mutations) LnInvoicePaymentSend(ctx context.Context, in generated.LnInvoicePaymentInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, "", func(w ledger.Wallet) (ledger.Payment, error) {
		who := caller(ctx, payment.DoorInvoice)
		if w.Currency == payment.USD {
			return m.payer.PayDollars(ctx, payDollars{Caller: who, WalletID: w.ID, Invoice: in.PaymentRequest.Text, Memo: memo(in.Memo)})
		}
		return m.payer.PayInvoice(ctx, starter.PayInvoice{Caller: who, WalletID: w.ID, Invoice: in.PaymentRequest.Text, Memo: memo(in.Memo)})
	})
}

func (m mutations) LnNoAmountInvoicePaymentSend(ctx context.Context, in generated.LnNoAmountInvoicePaymentInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.BTC, func(w ledger.Wallet) (ledger.Payment, error) {
		if in.Amount.Sat == 0 { // for the starter zero means that the invoice names the amount
			return ledger.Payment{}, payment.Errorf(payment.ReasonInvalidAmount, "The amount must be above zero.")
		}
		return m.payer.PayInvoice(ctx, starter.PayInvoice{
			Caller: caller(ctx, payment.DoorNoAmountInvoice), WalletID: w.ID, Invoice: in.PaymentRequest.Text, Amount: in.Amount.Sat.MustMsat(), Memo: memo(in.Memo),
		})
	})
}

func (m mutations) LnNoAmountUsdInvoicePaymentSend(ctx context.Context, in generated.LnNoAmountUsdInvoicePaymentInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.USD, func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayDollars(ctx, payDollars{
			Caller: caller(ctx, payment.DoorNoAmountUsdInvoice), WalletID: w.ID, Invoice: in.PaymentRequest.Text, Cents: in.Amount.Cents, Memo: memo(in.Memo),
		})
	})
}

func (m mutations) LnurlPaymentSend(ctx context.Context, in generated.LnurlPaymentSendInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, "", func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayLnurl(ctx, payLnurl{Caller: caller(ctx, payment.DoorLnurl), WalletID: w.ID, Amount: in.Amount.Sat, Lnurl: in.Lnurl})
	})
}

func (m mutations) LnAddressPaymentSend(ctx context.Context, in generated.LnAddressPaymentSendInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, "", func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayLnurl(ctx, payLnurl{Caller: caller(ctx, payment.DoorLnAddress), WalletID: w.ID, Amount: in.Amount.Sat, Address: in.LnAddress})
	})
}

func (m mutations) OnChainPaymentSend(ctx context.Context, in generated.OnChainPaymentSendInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.BTC, func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayAddress(ctx, starter.PayAddress{
			Caller: caller(ctx, payment.DoorOnchain), WalletID: w.ID, Address: in.Address.Text, Amount: in.Amount.Sat, Speed: payment.Speed(in.Speed), Memo: memo(in.Memo),
		})
	})
}

func (m mutations) OnChainUsdPaymentSend(ctx context.Context, in generated.OnChainUsdPaymentSendInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.USD, func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayDollars(ctx, payDollars{
			Caller: caller(ctx, payment.DoorOnchainUsd), WalletID: w.ID, Address: in.Address.Text, Cents: in.Amount.Cents, Speed: payment.Speed(in.Speed), Memo: memo(in.Memo),
		})
	})
}

func (m mutations) OnChainUsdPaymentSendAsBtcDenominated(ctx context.Context, in generated.OnChainUsdPaymentSendAsBtcDenominatedInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, payment.USD, func(w ledger.Wallet) (ledger.Payment, error) {
		return m.payer.PayDollars(ctx, payDollars{
			Caller: caller(ctx, payment.DoorOnchainUsdAsBtc), WalletID: w.ID, Address: in.Address.Text, Amount: in.Amount.Sat.MustMsat(), Speed: payment.Speed(in.Speed), Memo: memo(in.Memo),
		})
	})
}

func (m mutations) OnChainPaymentSendAll(ctx context.Context, in generated.OnChainPaymentSendAllInput) (*generated.PaymentSendPayload, error) {
	return m.send(ctx, in, in.WalletID, "", func(w ledger.Wallet) (ledger.Payment, error) {
		who := caller(ctx, payment.DoorOnchainAll)
		if w.Currency == payment.USD {
			return m.payer.PayDollars(ctx, payDollars{Caller: who, WalletID: w.ID, Address: in.Address.Text, Speed: payment.Speed(in.Speed), Memo: memo(in.Memo)})
		}
		return m.payer.PayAddress(ctx, starter.PayAddress{
			Caller: who, WalletID: w.ID, Address: in.Address.Text, SendAll: true, Speed: payment.Speed(in.Speed), Memo: memo(in.Memo),
		})
	})
}

func memo(m *scalar.Memo) string {
	if m == nil {
		return ""
	}
	return m.Text
}

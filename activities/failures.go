package activities

import (
	"errors"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// failureOf is the stored form of a coded error.
func failureOf(err error) payment.Failure {
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		return coded.Failure
	}
	return explain(payment.ReasonInternal)
}

// explain is the message for the user behind a reason that LND or the chain gave.
func explain(reason payment.Reason) payment.Failure {
	return payment.Failure{Reason: reason, Message: explanation(reason)}
}

// whyOr is the reason that LND gave for its refusal, or another one if it gave none.
func whyOr(err error, otherwise payment.Reason) payment.Reason {
	if why := lndclient.WhyRefused(err); why != "" {
		return why
	}
	return otherwise
}

// takenBack is a payment whose rescue has confirmed.
func takenBack() payment.Failure {
	return payment.Failure{Reason: payment.ReasonAbandoned,
		Message: "An operator took the payment back before it confirmed; it can no longer confirm, and nothing was taken from the wallet."}
}

// lostByNode is a payment that LND has lost (docs/decisions, lost-payments).
func lostByNode() payment.Failure {
	return payment.Failure{Reason: payment.ReasonAbandoned,
		Message: "Our node has lost the payment, a day past its expiry, and an operator gave it up; nothing was taken from the wallet. Ask the receiver for a new invoice before you pay again."}
}

func explanation(reason payment.Reason) string {
	switch reason {
	case payment.ReasonInvalidAddress:
		return "The address cannot be paid. Ask the receiver for another one."
	case payment.ReasonDust:
		return "The amount is too small for an on-chain payment. Use lightning for small amounts."
	case payment.ReasonAlreadyPaid:
		return "Invoice is already paid."
	case payment.ReasonPaymentInFlight:
		return "There is a pending payment for this invoice. Wait for it to end, or ask for a new invoice."
	case payment.ReasonInvoiceExpired:
		return "The invoice has expired. Ask the receiver for a new one."
	case payment.ReasonInvoiceCanceled:
		return "The invoice was canceled by the receiver. Ask for a new one."
	case payment.ReasonInvoiceInvalid:
		return "The invoice cannot be paid as it is. Ask the receiver for a new one."
	case payment.ReasonRejected:
		return "The receiver rejected the payment: the invoice is unknown, canceled or expired there. Ask for a new one."
	case payment.ReasonTimeout:
		return "No attempt succeeded in time. Nothing was paid; try again later."
	case payment.ReasonNoRoute:
		return "No route to the receiver has enough capacity. Try a smaller amount, or pay on-chain."
	case payment.ReasonFeeOverLimit:
		return "Every route costs more than the fee limit. Raise the limit, or try later."
	case payment.ReasonNodeOffline:
		return "Our node is not reachable at the moment, and nothing was sent. Try again later."
	case payment.ReasonNodeFunds:
		return "Our node cannot send this amount at the moment, and nothing was sent. Try a smaller amount or try later."
	case payment.ReasonPublishRejected:
		return "The network refused the transaction, and nothing was sent. Check the address and amount, or try later."
	case payment.ReasonConflict:
		return "The transaction can no longer confirm, because one of its inputs was spent elsewhere. Nothing was paid; try again."
	case payment.ReasonWalletNotFound:
		return "There is no such wallet in this account. Check its id."
	case payment.ReasonInsufficientBalance:
		return "The wallet does not have enough available for this payment and its fee. Receive funds or pay less."
	case payment.ReasonAbandoned:
		return "An operator gave the payment up before it was sent; nothing was paid."
	case payment.ReasonCanceled:
		return "The payment was cancelled before it was sent; nothing was paid."
	default:
		return "The payment failed, and nothing was paid. Try again; if it happens again, tell support the payment's id."
	}
}

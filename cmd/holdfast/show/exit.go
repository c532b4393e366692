package show

import (
	"errors"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Code is an exit code of the program.
type Code int

// The exit codes.
const (
	OK      Code = 0 // done; a payment is settled
	Failed  Code = 1 // a payment or a check failed, or a defect of ours
	Usage   Code = 2 // wrong usage, bad input, or not found
	Refused Code = 3 // refused by budget, balance or state: nothing moved
	Pending Code = 4 // the payment is not final, and the time was over
	Away    Code = 5 // a dependency does not answer
)

// Help documents the codes.
const Help = `Exit codes:
  0  done; a payment is settled
  1  a payment or a check failed, or an internal error
  2  wrong usage, bad input, or not found
  3  refused: budget, balance, already paid; nothing moved
  4  the payment is pending and the time to wait was over
  5  Postgres, Temporal or an LND node does not answer`

// Exit ends the program with a code. Without message and failure everything was printed before.
type Exit struct {
	Code    Code
	Message string           // for the user: says what to do
	Failure *payment.Failure // of the payment that the command was about
}

// Error is the message, for logs.
func (e Exit) Error() string {
	switch {
	case e.Failure != nil:
		return e.Failure.Message
	case e.Message == "":
		return "ended after its answer was printed"
	default:
		return e.Message
	}
}

// CodeOfReason is the exit code of a refusal or error.
func CodeOfReason(reason payment.Reason) Code {
	switch reason {
	case payment.ReasonBudgetExceeded, payment.ReasonAccountLimit, payment.ReasonInsufficientBalance, payment.ReasonKeyInactive, payment.ReasonPermissionDenied,
		payment.ReasonPaymentInFlight, payment.ReasonAlreadyPaid, payment.ReasonTooManyRequests:
		return Refused
	case payment.ReasonSelfPayment, payment.ReasonInvalidInput, payment.ReasonInvalidAmount, payment.ReasonInvalidAddress,
		payment.ReasonDust, payment.ReasonWalletNotFound, payment.ReasonKeyNotFound, payment.ReasonPaymentNotFound, payment.ReasonNotFound,
		payment.ReasonUnauthenticated, payment.ReasonAccountNotFound,
		payment.ReasonNodeNotFound, payment.ReasonInvoiceInvalid, payment.ReasonInvoiceExpired, payment.ReasonInvoiceCanceled,
		payment.ReasonIdempotencyConflict, payment.ReasonLockNotFound, payment.ReasonLockConflict:
		return Usage
	case payment.ReasonUnavailable, payment.ReasonOutcomeUnknown, payment.ReasonNodeOffline, payment.ReasonNoPrice:
		return Away
	default:
		return Failed
	}
}

// CodeOfError is the exit code of a failed command.
func CodeOfError(err error) Code {
	if err == nil {
		return OK
	}
	if exit, ok := errors.AsType[Exit](err); ok {
		return exit.Code
	}
	return CodeOfReason(payment.ReasonOf(err))
}

// CodeOfPayment is the exit code for what became of a payment.
func CodeOfPayment(row ledger.Payment) Code {
	switch row.State {
	case payment.Settled:
		return OK
	case payment.Failed:
		return Failed
	case payment.Refused:
		if row.Failure == nil {
			return Refused
		}
		return CodeOfReason(row.Failure.Reason)
	default:
		return Pending
	}
}

// Ended is nil for a settled payment, else an Exit with its code that prints nothing more.
func Ended(row ledger.Payment) error {
	if code := CodeOfPayment(row); code != OK {
		return Exit{Code: code}
	}
	return nil
}

// Explained is Ended that tells why, for a payment whose failure is not printed yet.
func Explained(row ledger.Payment) error {
	if code := CodeOfPayment(row); code != OK {
		return Exit{Code: code, Failure: row.Failure}
	}
	return nil
}

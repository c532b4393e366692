package payment

import (
	"errors"
	"fmt"
)

// Reason says machine-readably why something was refused or failed. Each transport maps it in one table.
type Reason string

// Reasons. The comment names the code that they become in GraphQL (docs/api.md); for gRPC see docs/grpc.md.
const (
	ReasonBudgetExceeded      Reason = "BUDGET_EXCEEDED"      // TRANSACTION_RESTRICTED
	ReasonAccountLimit        Reason = "ACCOUNT_LIMIT"        // TRANSACTION_RESTRICTED: the operator's limit, not the owner's
	ReasonInsufficientBalance Reason = "INSUFFICIENT_BALANCE" // INSUFFICIENT_BALANCE
	ReasonSelfPayment         Reason = "SELF_PAYMENT"         // CANT_PAY_SELF
	ReasonInvalidAmount       Reason = "INVALID_AMOUNT"       // INVALID_INPUT
	ReasonInvalidInput        Reason = "INVALID_INPUT"        // INVALID_INPUT
	ReasonInvalidAddress      Reason = "INVALID_ADDRESS"      // INVALID_INPUT
	ReasonDust                Reason = "DUST"                 // INVALID_INPUT
	ReasonWalletNotFound      Reason = "WALLET_NOT_FOUND"     // INVALID_INPUT; also for the wallet of another owner
	ReasonKeyNotFound         Reason = "KEY_NOT_FOUND"        // "API key not found"; also for the key of another owner
	ReasonKeyInactive         Reason = "KEY_INACTIVE"         // 401: revoked or expired
	ReasonUnauthenticated     Reason = "UNAUTHENTICATED"      // NOT_AUTHORIZED, 401: credentials that prove nothing
	ReasonAccountNotFound     Reason = "ACCOUNT_NOT_FOUND"    // no such user; in the API INVALID_INPUT
	ReasonPaymentNotFound     Reason = "PAYMENT_NOT_FOUND"    // INVALID_INPUT
	ReasonNotFound            Reason = "NOT_FOUND"            // INVALID_INPUT: an invoice, address, transaction or callback of ours
	ReasonPermissionDenied    Reason = "PERMISSION_DENIED"    // NOT_AUTHORIZED: who asks is known, and may not
	ReasonNodeNotFound        Reason = "NODE_NOT_FOUND"
	ReasonLockNotFound        Reason = "LOCK_NOT_FOUND"       // gRPC only: no budget lock or recorded transaction of that name
	ReasonLockConflict        Reason = "LOCK_CONFLICT"        // gRPC only: another amount or transaction, or already reversed
	ReasonPaymentInFlight     Reason = "PAYMENT_IN_FLIGHT"    // INVALID_INPUT: a payment with this hash is in flight
	ReasonAlreadyPaid         Reason = "ALREADY_PAID"         // LIGHTNING_PAYMENT_ERROR, status ALREADY_PAID
	ReasonInvoiceInvalid      Reason = "INVOICE_INVALID"      // INVOICE_DECODE_ERROR
	ReasonInvoiceExpired      Reason = "INVOICE_EXPIRED"      // LIGHTNING_PAYMENT_ERROR
	ReasonInvoiceCanceled     Reason = "INVOICE_CANCELED"     // LIGHTNING_PAYMENT_ERROR: an invoice of ours that is no longer open
	ReasonRejected            Reason = "REJECTED"             // LIGHTNING_PAYMENT_ERROR: by the destination (incorrect details)
	ReasonTimeout             Reason = "TIMEOUT"              // LIGHTNING_PAYMENT_ERROR: attempts timed out
	ReasonNoRoute             Reason = "NO_ROUTE"             // ROUTE_FINDING_ERROR
	ReasonFeeOverLimit        Reason = "FEE_OVER_LIMIT"       // ROUTE_FINDING_ERROR
	ReasonLnurl               Reason = "LNURL"                // LNURL_REQUEST_INVOICE_ERROR: the receiver's LNURL service gives no invoice
	ReasonNoPrice             Reason = "NO_PRICE"             // DEALER_OFFLINE: there is no price, or a stale one
	ReasonNodeOffline         Reason = "NODE_OFFLINE"         // LND_OFFLINE: and nothing was sent
	ReasonNodeFunds           Reason = "NODE_FUNDS"           // the node itself lacks liquidity
	ReasonPublishRejected     Reason = "PUBLISH_REJECTED"     // the mempool refused the first broadcast
	ReasonConflict            Reason = "CONFLICT"             // an input was spent by another confirmed transaction
	ReasonIdempotencyConflict Reason = "IDEMPOTENCY_CONFLICT" // same key, another body
	ReasonAbandoned           Reason = "ABANDONED"            // by an operator, where rule 2 allowed it
	ReasonCanceled            Reason = "CANCELED"             // the workflow was cancelled before anything left
	ReasonTooManyRequests     Reason = "TOO_MANY_REQUESTS"    // TOO_MANY_REQUEST: the message names the time to retry
	ReasonUnavailable         Reason = "UNAVAILABLE"          // UNKNOWN_CLIENT_ERROR: database or Temporal is away, and nothing was done
	ReasonOutcomeUnknown      Reason = "OUTCOME_UNKNOWN"      // UNKNOWN_CLIENT_ERROR, top-level: it may have been started
	ReasonInternal            Reason = "INTERNAL"             // a defect of ours
)

// Failure is a business refusal or a failed payment as it is stored and shown.
type Failure struct {
	Reason  Reason           `json:"reason"`
	Message string           `json:"message"` // for the user: says what to do
	Budget  *BudgetShortfall `json:"budget,omitempty"`
}

// Error is the one error type of Holdfast: a Failure and, for the log, its cause.
type Error struct {
	Failure
	Cause error // never shown to a client
}

// Errorf builds an Error whose message is for the user.
func Errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Failure: Failure{Reason: reason, Message: fmt.Sprintf(format, args...)}}
}

// Because adds the cause for the log.
func (e *Error) Because(cause error) *Error {
	e.Cause = cause
	return e
}

// Error prints reason, message and cause: for logs, not for clients.
func (e *Error) Error() string {
	text := string(e.Reason) + ": " + e.Message
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ReasonOf returns the reason of an Error in err's chain, ReasonInternal for any other error, "" for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	if coded, ok := errors.AsType[*Error](err); ok {
		return coded.Reason
	}
	return ReasonInternal
}

// IsReason reports whether err carries the reason.
func IsReason(err error, reason Reason) bool { return err != nil && ReasonOf(err) == reason }

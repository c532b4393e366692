package grpcapi

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-pay/holdfast/payment"
)

// domain is whose reasons an ErrorInfo carries.
const domain = "holdfast"

// codeOf is the one table from reasons to status codes. A retry of the same call helps only where it says UNAVAILABLE,
// DEADLINE_EXCEEDED or RESOURCE_EXHAUSTED.
func codeOf(reason payment.Reason) codes.Code {
	switch reason {
	case payment.ReasonSelfPayment, payment.ReasonInvalidAmount, payment.ReasonInvalidInput, payment.ReasonInvalidAddress,
		payment.ReasonDust, payment.ReasonInvoiceInvalid:
		return codes.InvalidArgument
	case payment.ReasonWalletNotFound, payment.ReasonKeyNotFound, payment.ReasonPaymentNotFound, payment.ReasonLockNotFound,
		payment.ReasonAccountNotFound, payment.ReasonNotFound:
		return codes.NotFound
	case payment.ReasonBudgetExceeded, payment.ReasonAccountLimit, payment.ReasonInsufficientBalance, payment.ReasonPaymentInFlight, payment.ReasonInvoiceExpired,
		payment.ReasonInvoiceCanceled, payment.ReasonNoRoute, payment.ReasonFeeOverLimit, payment.ReasonNodeFunds, payment.ReasonNodeNotFound,
		payment.ReasonLockConflict, payment.ReasonLnurl:
		return codes.FailedPrecondition
	case payment.ReasonAlreadyPaid, payment.ReasonIdempotencyConflict:
		return codes.AlreadyExists
	case payment.ReasonUnauthenticated:
		return codes.Unauthenticated
	case payment.ReasonKeyInactive, payment.ReasonPermissionDenied:
		return codes.PermissionDenied
	case payment.ReasonRejected, payment.ReasonTimeout, payment.ReasonPublishRejected, payment.ReasonConflict, payment.ReasonAbandoned,
		payment.ReasonCanceled:
		return codes.Aborted
	case payment.ReasonTooManyRequests:
		return codes.ResourceExhausted
	case payment.ReasonUnavailable, payment.ReasonOutcomeUnknown, payment.ReasonNodeOffline, payment.ReasonNoPrice:
		return codes.Unavailable
	default:
		return codes.Internal
	}
}

// statusOf is what a client is told about an error. The text of an error that is none of ours stays here.
func (g *gate) statusOf(ctx context.Context, err error) *status.Status {
	if err == nil {
		return nil
	}
	coded, ours := errors.AsType[*payment.Error](err)
	if ended := ctx.Err(); ended != nil && (!ours || codeOf(coded.Reason) == codes.Unavailable) {
		return g.endedStatus(ended)
	}
	if ours {
		return detailed(coded, err)
	}
	if already, ok := err.(interface{ GRPCStatus() *status.Status }); ok { //nolint:errorlint // only what we made: a wrapped one may be a driver's
		return already.GRPCStatus()
	}
	return detailed(payment.Errorf(payment.ReasonInternal, "Something went wrong here. Report it with the request id."), nil)
}

// endedStatus is for a call whose context has ended.
func (g *gate) endedStatus(ended error) *status.Status {
	switch {
	case g.cfg.Stopping.Err() != nil:
		return status.New(codes.Unavailable, "The server is stopping. Call again.")
	case errors.Is(ended, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded,
			"The deadline is over. What was started goes on: repeat the call with the same idempotency key, or read.")
	default:
		return status.New(codes.Canceled, "The call was cancelled.")
	}
}

// detailed adds what a program can read: the reason, the numbers of the budget, the time to wait.
func detailed(coded *payment.Error, err error) *status.Status {
	message := coded.Message
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: string(coded.Reason), Domain: domain}}
	if coded.Budget != nil {
		message = fmt.Sprintf("%s Refused: %s spending limit exceeded", message, coded.Budget.Window)
		details = append(details, protoadapt.MessageV1Of(shortfallOf(coded.Budget)))
	}
	if soon, ok := errors.AsType[*tooMany](err); ok {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(soon.retryAfter)})
	}
	plain := status.New(codeOf(coded.Reason), message)
	if full, err := plain.WithDetails(details...); err == nil {
		return full
	}
	return plain
}

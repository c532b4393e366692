package graphqlapi

import (
	"context"
	"errors"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/payment"
)

// Code is the code of an error that clients switch on; docs/api.md tells them what each means.
type Code string

// The codes.
const (
	codeRestricted   Code = "TRANSACTION_RESTRICTED"
	codeBalance      Code = "INSUFFICIENT_BALANCE"
	codeSelf         Code = "CANT_PAY_SELF"
	codeLightning    Code = "LIGHTNING_PAYMENT_ERROR"
	codeInput        Code = "INVALID_INPUT"
	codeRoute        Code = "ROUTE_FINDING_ERROR"
	codeNodeOffline  Code = "LND_OFFLINE"
	codeDecode       Code = "INVOICE_DECODE_ERROR"
	codeLnurl        Code = "LNURL_REQUEST_INVOICE_ERROR"
	codeNoPrice      Code = "DEALER_OFFLINE"
	codeTooMany      Code = "TOO_MANY_REQUEST"
	codeUnknown      Code = "UNKNOWN_CLIENT_ERROR"
	codeUnauthorized Code = "NOT_AUTHORIZED"
)

// codeOf is the one table from reasons to codes. A test fails if a reason is missing.
func codeOf(reason payment.Reason) Code {
	switch reason {
	case payment.ReasonBudgetExceeded, payment.ReasonAccountLimit:
		return codeRestricted
	case payment.ReasonInsufficientBalance:
		return codeBalance
	case payment.ReasonSelfPayment:
		return codeSelf
	case payment.ReasonAlreadyPaid, payment.ReasonInvoiceExpired, payment.ReasonInvoiceCanceled, payment.ReasonRejected, payment.ReasonTimeout:
		return codeLightning
	case payment.ReasonInvalidAmount, payment.ReasonInvalidInput, payment.ReasonInvalidAddress, payment.ReasonDust,
		payment.ReasonWalletNotFound, payment.ReasonAccountNotFound, payment.ReasonPaymentNotFound, payment.ReasonNotFound, payment.ReasonPaymentInFlight, payment.ReasonIdempotencyConflict:
		return codeInput
	case payment.ReasonNoRoute, payment.ReasonFeeOverLimit:
		return codeRoute
	case payment.ReasonNodeOffline:
		return codeNodeOffline
	case payment.ReasonInvoiceInvalid:
		return codeDecode
	case payment.ReasonLnurl:
		return codeLnurl
	case payment.ReasonNoPrice:
		return codeNoPrice
	case payment.ReasonTooManyRequests:
		return codeTooMany
	case payment.ReasonKeyNotFound, payment.ReasonKeyInactive, payment.ReasonPermissionDenied, payment.ReasonUnauthenticated:
		return codeUnauthorized
	case payment.ReasonUnavailable, payment.ReasonOutcomeUnknown, payment.ReasonInternal, payment.ReasonNodeNotFound, payment.ReasonNodeFunds, payment.ReasonPublishRejected,
		payment.ReasonConflict, payment.ReasonAbandoned, payment.ReasonCanceled, payment.ReasonLockNotFound, payment.ReasonLockConflict:
		return codeUnknown
	default:
		return ""
	}
}

// messageOf is the message of a failure, in the words that clients know where they compare them.
func messageOf(failure payment.Failure) string {
	switch failure.Reason {
	case payment.ReasonKeyNotFound:
		return "API key not found"
	case payment.ReasonWalletNotFound: // or the recipient's, which has words of its own
		if strings.HasPrefix(failure.Message, invalidWallet) {
			return invalidWallet
		}
		return failure.Message
	case payment.ReasonAlreadyPaid:
		return "Invoice is already paid"
	case payment.ReasonInternal:
		return internalMessage
	default:
		return failure.Message
	}
}

const internalMessage = "Something went wrong on our side. Report it with the time and the X-Request-Id of the answer."

// invalidWallet is compared by clients, to the letter.
const invalidWallet = "Invalid walletId for account."

func noOwnWallet() *payment.Error {
	return payment.Errorf(payment.ReasonWalletNotFound, invalidWallet)
}

// failureOf is what an error says to a client. What is not ours is internal, and its text goes to the log.
func (r *resolver) failureOf(ctx context.Context, err error) payment.Failure {
	coded, ours := errors.AsType[*payment.Error](err)
	if !ours {
		if ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "graphql: an error without a reason", "field", fieldName(ctx), "error", err)
		}
		return payment.Failure{Reason: payment.ReasonInternal}
	}
	if coded.Reason == payment.ReasonInternal || coded.Reason == payment.ReasonUnavailable {
		r.Log.WarnContext(ctx, "graphql: not answered as asked", "field", fieldName(ctx), "error", err)
	}
	return coded.Failure
}

// payloadErrors is class 1: what kept a mutation from doing what was asked, and class 2 for a *scalar.Malformed.
func (r *resolver) payloadErrors(ctx context.Context, err error) []generated.Error {
	if bad, ok := errors.AsType[*scalar.Malformed](err); ok {
		r.Counts.GraphQLError(fieldName(ctx), "")
		return []generated.Error{generated.GraphQLApplicationError{Message: bad.Message}}
	}
	failure := r.failureOf(ctx, err)
	r.Counts.GraphQLError(fieldName(ctx), string(codeOf(failure.Reason)))
	return []generated.Error{generated.GraphQLApplicationError{
		Message: messageOf(failure), Path: pathOf(ctx), Code: new(string(codeOf(failure.Reason))),
	}}
}

// none is an answer's list of errors where there are none: never null.
func none() []generated.Error { return []generated.Error{} }

// pathOf is the mutation that the error belongs to.
func pathOf(ctx context.Context) []*string {
	if name := fieldName(ctx); name != "" {
		return []*string{&name}
	}
	return nil
}

func fieldName(ctx context.Context) string {
	if field := graphql.GetFieldContext(ctx); field != nil && field.Field.Field != nil {
		return field.Field.Name
	}
	return ""
}

// present is class 3: every error that a resolver returns, and those of gqlgen about the request, pass here.
func (r *resolver) present(ctx context.Context, err error) *gqlerror.Error {
	told := r.presented(ctx, err)
	code, _ := told.Extensions["code"].(string)
	r.Counts.GraphQLError(fieldName(ctx), code)
	return told
}

func (r *resolver) presented(ctx context.Context, err error) *gqlerror.Error {
	if bad, ok := errors.AsType[*scalar.Malformed](err); ok {
		return topLevel(ctx, codeInput, bad.Message)
	}
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		failure := r.failureOf(ctx, coded)
		return topLevel(ctx, codeOf(failure.Reason), messageOf(failure))
	}
	if request, ok := errors.AsType[*gqlerror.Error](err); ok && request.Unwrap() == nil {
		return request // gqlgen's or guard.go's, about the request
	}
	failure := r.failureOf(ctx, err)
	return topLevel(ctx, codeOf(failure.Reason), messageOf(failure))
}

func topLevel(ctx context.Context, code Code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Path: graphql.GetPath(ctx), Extensions: map[string]any{"code": string(code)}}
}

// recovered answers a panic; the frame's own recovery never sees it.
func (r *resolver) recovered(ctx context.Context, panicked any) error {
	r.Log.ErrorContext(ctx, "graphql: panic", "field", fieldName(ctx), "panic", panicked, "stack", stack())
	return topLevel(ctx, codeUnknown, internalMessage)
}

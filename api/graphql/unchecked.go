package graphqlapi

import (
	"context"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/payment"
)

// Credentials that cannot be checked now are neither good nor bad: invariant 11. Clients expect what kept a mutation from
// running in its payload, so the operation is not refused as a whole there.

// allOpen reports whether anybody may ask for all of the fields: it does not matter then who does.
func allOpen(fields []graphql.CollectedField) bool {
	return !slices.ContainsFunc(fields, func(f graphql.CollectedField) bool { return !accessOf(f.Definition).open })
}

type uncheckedMutation struct{}

// unchecked answers for the whole operation, of which nothing runs: class 1 for a mutation whose every field has a place for
// errors, class 3 for all else, and where a payment is asked for that an earlier call may have started (notPaid).
func (r *resolver) unchecked(ctx context.Context, operation *graphql.OperationContext, cause error, next graphql.OperationHandler) graphql.ResponseHandler {
	err := payment.Errorf(payment.ReasonUnavailable,
		"Your credentials cannot be checked at the moment, so this call did nothing. Try again; a call that you repeat, with its X-Idempotency-Key.").Because(cause)
	answerable := !slices.ContainsFunc(roots(operation), func(f graphql.CollectedField) bool {
		payload := f.Definition.Type.Name()
		return f.Name != "__typename" && refusedPayload(payload, nil) == nil || payload == "PaymentSendPayload" && api.IdempotencyKey(ctx) != ""
	})
	if operation.Operation.Operation != ast.Mutation || !answerable {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{r.present(ctx, err)}})
	}
	return next(context.WithValue(ctx, uncheckedMutation{}, err))
}

// refuseUnchecked answers every mutation of such an operation in its resolver's place.
func (r *resolver) refuseUnchecked(ctx context.Context, next graphql.Resolver) (any, error) {
	err, _ := ctx.Value(uncheckedMutation{}).(*payment.Error)
	field := graphql.GetFieldContext(ctx)
	if err == nil || field.Object != r.schema.Mutation.Name {
		return next(ctx)
	}
	return refusedPayload(field.Field.Definition.Type.Name(), r.payloadErrors(ctx, err)), nil
}

// refusedPayload is a mutation's answer that has nothing but errors; nil for a type that has no place for them. A test fails if
// one is missing.
func refusedPayload(name string, errs []generated.Error) any {
	switch name {
	case "PaymentSendPayload":
		return &generated.PaymentSendPayload{Errors: errs, Status: new(generated.PaymentSendResultFailure)}
	case "LnInvoicePayload":
		return &generated.LnInvoicePayload{Errors: errs}
	case "LnNoAmountInvoicePayload":
		return &generated.LnNoAmountInvoicePayload{Errors: errs}
	case "OnChainAddressPayload":
		return &generated.OnChainAddressPayload{Errors: errs}
	case "SatAmountPayload":
		return &generated.SatAmountPayload{Errors: errs}
	case "CentAmountPayload":
		return &generated.CentAmountPayload{Errors: errs}
	case "SuccessPayload":
		return &generated.SuccessPayload{Errors: errs, Success: new(false)}
	case "AuthTokenPayload":
		return &generated.AuthTokenPayload{Errors: errs}
	case "UserUpdateUsernamePayload":
		return &generated.UserUpdateUsernamePayload{Errors: errs}
	case "AccountUpdateDisplayCurrencyPayload":
		return &generated.AccountUpdateDisplayCurrencyPayload{Errors: errs}
	case "AccountUpdateDefaultWalletIdPayload":
		return &generated.AccountUpdateDefaultWalletIDPayload{Errors: errs}
	case "CallbackEndpointAddPayload":
		return &generated.CallbackEndpointAddPayload{Errors: errs}
	default:
		return nil
	}
}

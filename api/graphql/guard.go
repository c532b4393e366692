package graphqlapi

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// guard is invariant 1: it looks at every root field of an operation before anything runs.
func (r *resolver) guard(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	operation := graphql.GetOperationContext(ctx)
	ctx = scalar.WithAddresses(ctx, r.Starter.CheckAddress)
	if cause := identity.UncheckedFrom(ctx); cause != nil && !allOpen(roots(operation)) {
		return r.unchecked(ctx, operation, cause, next)
	}
	if err := admit(identity.PrincipalFrom(ctx), operation); err != nil {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
	}
	if err := r.onePaymentPerKey(ctx, operation); err != nil {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{err}})
	}
	if err := r.charge(ctx, operation); err != nil {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{r.present(ctx, err)}})
	}
	if operation.Operation.Operation == ast.Query {
		return r.inTime(remembering(ctx), next)
	}
	return next(ctx)
}

// roots are the fields at the top of an operation.
func roots(operation *graphql.OperationContext) []graphql.CollectedField {
	root := map[ast.Operation]string{ast.Query: "Query", ast.Mutation: "Mutation", ast.Subscription: "Subscription"}[operation.Operation.Operation]
	return graphql.CollectFields(operation, operation.Operation.SelectionSet, []string{root})
}

// onePaymentPerKey: an idempotency key is one payment's. Of two in one operation the second would be told what became of the first.
func (r *resolver) onePaymentPerKey(ctx context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	if api.IdempotencyKey(ctx) == "" || operation.Operation.Operation != ast.Mutation {
		return nil
	}
	payments := 0
	for _, field := range roots(operation) {
		if field.Definition != nil && field.Definition.Type.Name() == "PaymentSendPayload" {
			payments++
		}
	}
	if payments < 2 {
		return nil
	}
	return topLevel(ctx, codeInput, "With an X-Idempotency-Key an operation has one payment. Send each payment by itself, with a key of its own.")
}

// inTime ends a query that takes too long, so that no statement of it goes on.
func (r *resolver) inTime(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	ctx, cancel := context.WithTimeout(ctx, r.Limits.QueryTime)
	answer := next(ctx)
	told := false
	return func(ctx context.Context) *graphql.Response {
		if told { // a query has one answer; a socket asks until there is none
			return nil
		}
		told = true
		defer cancel()
		response := answer(ctx)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return &graphql.Response{Errors: gqlerror.List{topLevel(ctx, codeUnknown, "The query took too long. Ask for less at once, or try again.")}}
		}
		return response
	}
}

// admit answers the one error of an operation that the caller may not ask for.
func admit(who identity.Principal, operation *graphql.OperationContext) *gqlerror.Error {
	for _, field := range roots(operation) {
		if why := refusal(who, field.Definition); why != "" {
			return &gqlerror.Error{
				Message: why, Path: ast.Path{ast.PathName(field.Alias)}, Extensions: map[string]any{"code": string(codeUnauthorized)},
			}
		}
	}
	if operation.Operation.Operation == ast.Mutation && !who.IsZero() && !who.Has(payment.ScopeRead) && reads(operation.Operation.SelectionSet) {
		return &gqlerror.Error{
			Message:    "Permission denied: the answer asks for what only the scope READ may see. Select less.",
			Extensions: map[string]any{"code": string(codeUnauthorized)},
		}
	}
	return nil
}

// reads reports whether a selection leads to what belongs to the scope READ: an account, its wallets, their histories. A
// payment's own transaction is not among it. Validation has refused fragments in circles.
func reads(set ast.SelectionSet) bool {
	return slices.ContainsFunc(set, func(selection ast.Selection) bool {
		switch s := selection.(type) {
		case *ast.Field:
			return s.Definition != nil && readable(s.Definition.Type.Name()) || reads(s.SelectionSet)
		case *ast.InlineFragment:
			return reads(s.SelectionSet)
		case *ast.FragmentSpread:
			return s.Definition != nil && reads(s.Definition.SelectionSet)
		default:
			return false
		}
	})
}

// readable are the types that only READ may see.
func readable(name string) bool {
	switch name {
	case "User", "Account", "ConsumerAccount", "Wallet", "BTCWallet", "UsdWallet", "TransactionConnection", "InvoiceConnection":
		return true
	default:
		return false
	}
}

// refusal is why the caller may not ask for a root field; empty if he may.
func refusal(who identity.Principal, field *ast.FieldDefinition) string {
	switch access := accessOf(field); {
	case access.open:
		return ""
	case who.IsZero():
		return "Not authorized"
	case access.owner && !who.IsSession():
		return "Permission denied: only the owner's session manages API keys, an API key never does."
	case access.owner && !who.Has(payment.ScopeWrite): // a token that may only read must not make a key that may more
		return "Permission denied"
	case access.owner:
		return ""
	case !slices.ContainsFunc(access.anyOf, who.Has):
		return "Permission denied"
	default:
		return ""
	}
}

// access is what a root field's directive says.
type access struct {
	open  bool
	owner bool
	anyOf []payment.Scope
}

// accessOf reads the directive. The introspection fields have no definition of ours and are gqlgen's to allow.
func accessOf(field *ast.FieldDefinition) access {
	if field == nil || field.Name == "__schema" || field.Name == "__type" || field.Name == "__typename" {
		return access{open: true}
	}
	a := access{open: field.Directives.ForName("open") != nil, owner: field.Directives.ForName("owner") != nil}
	if needs := field.Directives.ForName("needs"); needs != nil {
		for _, scope := range needs.Arguments.ForName("anyOf").Value.Children {
			a.anyOf = append(a.anyOf, payment.Scope(scope.Value.Raw))
		}
	}
	return a
}

// refuseMalformed keeps malformed arguments from resolvers whose answer has no place for errors: class 3. Those with errors in
// their payload look for themselves.
func (r *resolver) refuseMalformed(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	if len(field.Args) == 0 || r.schema.Types[field.Field.Definition.Type.Name()].Fields.ForName("errors") != nil {
		return next(ctx)
	}
	for _, arg := range field.Args {
		if bad := scalar.Problem(arg); bad != nil {
			return nil, bad
		}
	}
	return next(ctx)
}

// limited takes one from the caller's allowance for a class; without credentials from that of the address.
func (r *resolver) limited(ctx context.Context, class string) error {
	who := identity.PrincipalFrom(ctx)
	switch {
	case who.IsZero():
		return limit.Check(ctx, r.Limiter, class, limit.Address(api.ClientAddress(ctx)))
	case who.KeyID == (payment.KeyID{}):
		return limit.Check(ctx, r.Limiter, class, limit.Account(who.AccountID.String()))
	default:
		return limit.Check(ctx, r.Limiter, class, limit.Key(who.KeyID.String()), limit.Account(who.AccountID.String()))
	}
}

// managed takes one from the allowance for changes to an account, unless the input is malformed.
func (r *resolver) managed(ctx context.Context, input any) error {
	if bad := scalar.Problem(input); bad != nil {
		return bad
	}
	return r.limited(ctx, limit.Accounts)
}

func stack() string { return string(debug.Stack()) }

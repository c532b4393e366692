package graphqlapi

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
)

// charge is invariant 10: it takes one for every root field, before any of them runs. What has been taken for the operation as
// a whole is the first: over HTTP the frame takes it where nobody calls, on a WebSocket the toll does.
func (r *resolver) charge(ctx context.Context, operation *graphql.OperationContext) error {
	who, onSocket := identity.PrincipalFrom(ctx), connectionOf(ctx) != nil
	if !who.IsZero() && operation.Operation.Operation == ast.Mutation {
		return nil // its fields take from classes of their own
	}
	fields := len(roots(operation))
	if who.IsZero() && identity.UncheckedFrom(ctx) == nil || onSocket { // whoever showed credentials has paid the frame nothing
		fields--
	}
	for range fields {
		if err := r.limited(ctx, classOf(who)); err != nil {
			return err
		}
	}
	return nil
}

// classOf is what a caller's operations are taken from.
func classOf(who identity.Principal) string {
	if who.IsZero() {
		return limit.Anonymous
	}
	return limit.Reads
}

// toll takes one for every message on a WebSocket that asks for something, before it is parsed: what is refused has been
// paid for. It is an extension of gqlgen.
type toll struct{ *resolver }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = toll{}

// ExtensionName is for gqlgen.
func (toll) ExtensionName() string { return "Toll" }

// Validate is for gqlgen.
func (toll) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters refuses a message for which nothing is left.
func (t toll) MutateOperationParameters(ctx context.Context, _ *graphql.RawParams) *gqlerror.Error {
	if err := t.limited(ctx, classOf(identity.PrincipalFrom(ctx))); err != nil {
		return t.presented(ctx, err)
	}
	return nil
}

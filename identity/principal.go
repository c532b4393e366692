package identity

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

// Principal is who calls.
type Principal struct {
	AccountID payment.AccountID
	KeyID     payment.KeyID // zero: the owner's session
	Scopes    []payment.Scope
	Subject   string
}

// IsSession reports whether the owner's session calls, not an API key.
func (p Principal) IsSession() bool { return !p.IsZero() && p.KeyID == uuid.Nil }

// Has reports whether the scope was given.
func (p Principal) Has(scope payment.Scope) bool { return slices.Contains(p.Scopes, scope) }

// IsZero reports whether nobody is known to call.
func (p Principal) IsZero() bool { return p.AccountID == uuid.Nil }

type principalKey struct{}

// WithPrincipal puts the caller into a context.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom is the caller, zero if there is none.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

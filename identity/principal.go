package identity

import (
	"context"
	"slices"

	"github.com/holdfast-pay/holdfast/payment"
)

// Principal is who asks, and what the credentials allow. The zero value is nobody: a caller without credentials.
type Principal struct {
	AccountID payment.AccountID
	KeyID     payment.KeyID   // the API key; zero: the owner's session
	Scopes    []payment.Scope // in the order of payment.Scopes
	Subject   string          // of the token, for the log; empty where a secret was shown
}

// IsSession reports whether the owner asks, not one of his API keys. Only a session may make keys and change limits.
func (p Principal) IsSession() bool { return !p.IsZero() && p.KeyID == payment.KeyID{} }

// IsZero reports whether nobody is known: an unauthenticated caller.
func (p Principal) IsZero() bool { return p.AccountID == payment.AccountID{} }

// Has reports whether the caller may do what a scope stands for. RECEIVE is also granted by WRITE; WRITE does not imply
// READ. Nobody has any.
func (p Principal) Has(s payment.Scope) bool {
	if p.IsZero() {
		return false
	}
	return p.holds(s) || s == payment.ScopeReceive && p.holds(payment.ScopeWrite)
}

// holds reports whether the scope itself was given.
func (p Principal) holds(s payment.Scope) bool { return slices.Contains(p.Scopes, s) }

type principalKey struct{}

// WithPrincipal hands on who asks.
func WithPrincipal(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom tells who asks; nobody where WithPrincipal was not called.
func PrincipalFrom(ctx context.Context) Principal {
	p, _ := ctx.Value(principalKey{}).(Principal)
	return p
}

type uncheckedKey struct{}

// WithUnchecked hands on that the caller has shown credentials that cannot be checked now, and why not. Until they are, the
// caller is nobody; but a door must not answer as if none had been shown.
func WithUnchecked(ctx context.Context, cause error) context.Context {
	return context.WithValue(ctx, uncheckedKey{}, cause)
}

// UncheckedFrom tells why the caller's credentials cannot be checked; nil where WithUnchecked was not called.
func UncheckedFrom(ctx context.Context) error {
	cause, _ := ctx.Value(uncheckedKey{}).(error)
	return cause
}

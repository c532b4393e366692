package access

import (
	"context"
	"net/http"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Keys is the ledger as the authenticator's store of API keys.
type Keys struct{ Ledger *ledger.Ledger }

var _ identity.KeyStore = Keys{}

// KeyBySecretHash finds a key by the SHA-256 of its secret. Errors: ReasonKeyNotFound.
func (k Keys) KeyBySecretHash(ctx context.Context, hash [32]byte) (identity.KeyRecord, error) {
	return record(k.Ledger.KeyBySecret(ctx, hash))
}

// KeyByID finds a key. Errors: ReasonKeyNotFound.
func (k Keys) KeyByID(ctx context.Context, id payment.KeyID) (identity.KeyRecord, error) {
	return record(k.Ledger.Key(ctx, id))
}

func record(k ledger.Key, err error) (identity.KeyRecord, error) {
	if err != nil {
		return identity.KeyRecord{}, err
	}
	return identity.KeyRecord{
		ID: k.ID, AccountID: k.AccountID, Scopes: k.Scopes, RevokedAt: k.RevokedAt, ExpiresAt: k.ExpiresAt, SecretHash: k.SecretHash,
	}, nil
}

// ByHeader finds out who asks from a request's headers, and hands that on in the context: what package api calls
// Authenticate. Errors: ReasonUnauthenticated, ReasonUnavailable.
func ByHeader(who *identity.Authenticator, books *ledger.Ledger) func(context.Context, http.Header) (context.Context, error) {
	return func(ctx context.Context, header http.Header) (context.Context, error) {
		shown, err := identity.CredentialsOfHeader(header)
		if err != nil {
			return nil, err
		}
		return admit(ctx, who, books, shown)
	}
}

// ByParams is ByHeader for the connection parameters of a WebSocket.
func ByParams(who *identity.Authenticator, books *ledger.Ledger) func(context.Context, map[string]any) (context.Context, error) {
	return func(ctx context.Context, params map[string]any) (context.Context, error) {
		shown, err := identity.CredentialsOfParams(params)
		if err != nil {
			return nil, err
		}
		return admit(ctx, who, books, shown)
	}
}

func admit(ctx context.Context, who *identity.Authenticator, books *ledger.Ledger, shown identity.Credentials) (context.Context, error) {
	principal, err := who.Authenticate(ctx, shown)
	if err != nil {
		return nil, err
	}
	if principal.IsSession() {
		if _, err := books.EnsureAccount(ctx, principal.AccountID); err != nil {
			return nil, err
		}
	}
	return identity.WithPrincipal(ctx, principal), nil
}

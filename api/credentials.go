package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// AuthenticateBy puts the Principal of a request's credentials into its context: see identity.PrincipalFrom.
func AuthenticateBy(a *identity.Authenticator) Authenticate {
	return func(ctx context.Context, header http.Header) (context.Context, error) {
		shown, err := identity.CredentialsOfHeader(header)
		if err != nil {
			return nil, err
		}
		who, err := a.Authenticate(ctx, shown)
		if err != nil {
			return nil, err
		}
		return identity.WithPrincipal(ctx, who), nil
	}
}

// Keys are the ledger's API keys as an Authenticator looks them up.
func Keys(books *ledger.Ledger) identity.KeyStore { return keys{books} }

type keys struct{ ledger *ledger.Ledger }

// KeyBySecretHash finds the key of a secret.
func (k keys) KeyBySecretHash(ctx context.Context, hash [32]byte) (identity.KeyRecord, error) {
	key, err := k.ledger.KeyBySecret(ctx, hash)
	return recordOf(key), err
}

// KeyByID finds a key that a gateway has authenticated.
func (k keys) KeyByID(ctx context.Context, id payment.KeyID) (identity.KeyRecord, error) {
	key, err := k.ledger.Key(ctx, id)
	return recordOf(key), err
}

func recordOf(k ledger.Key) identity.KeyRecord {
	return identity.KeyRecord{
		ID: k.ID, AccountID: k.AccountID, SecretHash: k.SecretHash, Scopes: k.Scopes, RevokedAt: k.RevokedAt, ExpiresAt: k.ExpiresAt,
	}
}

// authenticated finds out who calls. Without credentials the door sees nobody, at the rate of the client's address.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Authenticate == nil || r.Header.Get("X-Api-Key") == "" && r.Header.Get("Authorization") == "" {
			if !s.tooMany(w, r) {
				next.ServeHTTP(w, r)
			}
			return
		}
		ctx, err := s.cfg.Authenticate(r.Context(), r.Header)
		switch {
		case err == nil:
			if recorded, ok := w.(*recorder); ok {
				recorded.who = identity.PrincipalFrom(ctx)
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		case payment.IsReason(err, payment.ReasonUnavailable):
			s.cfg.Log.WarnContext(r.Context(), "credentials could not be checked", "error", err)
			refuse(w, http.StatusServiceUnavailable, "The credentials could not be checked now. Try again.")
		case !s.tooMany(w, r):
			s.cfg.Log.InfoContext(r.Context(), "credentials refused", "why", payment.ReasonOf(err))
			refuse(w, http.StatusUnauthorized, whyUnauthorized(err))
		}
	})
}

// whyUnauthorized is what identity says, which is the same for every key that proves nothing.
func whyUnauthorized(err error) string {
	coded, ok := errors.AsType[*payment.Error](err)
	if ok && coded.Reason == payment.ReasonUnauthenticated {
		return coded.Message
	}
	return "The API key or token is not valid."
}

// tooMany answers 429 where the client's address has asked too often without credentials.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request) bool {
	if s.cfg.Limiter == nil {
		return false
	}
	retryAfter, ok := s.cfg.Limiter.Allow(r.Context(), limit.Anonymous, limit.Address(ClientAddress(r.Context())))
	if !ok {
		s.cfg.Log.InfoContext(r.Context(), "rate limit reached", "class", limit.Anonymous, "from", ClientAddress(r.Context()))
		refuseFor(w, retryAfter, "Too many requests without valid credentials.")
	}
	return !ok
}

package api

import (
	"context"
	"errors"
	"net/http"
	"time"

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

// admitted asks the limiter before a body is read: for requests without credentials, and whether the address has shown too
// many that prove nothing.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.anonymous(r) && s.tooMany(w, r, limit.Anonymous, s.take) || !s.anonymous(r) && s.suspect(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// anonymous requests are seen by the door as nobody's.
func (s *Server) anonymous(r *http.Request) bool {
	return s.cfg.Authenticate == nil || r.Header.Get("X-Api-Key") == "" && r.Header.Get("Authorization") == ""
}

// authenticated finds out who calls, after the body was read: what is revoked meanwhile is not let in.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.anonymous(r) {
			next.ServeHTTP(w, r)
			return
		}
		if s.suspect(w, r) { // the address may have gone on while the body came
			return
		}
		ctx, err := s.cfg.Authenticate(r.Context(), r.Header)
		switch {
		case err == nil:
			s.proven.note(r.Header)
			if recorded, ok := w.(*recorder); ok {
				recorded.who = identity.PrincipalFrom(ctx)
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		case payment.IsReason(err, payment.ReasonUnavailable): // the door answers, in the words of its clients
			s.cfg.Log.WarnContext(r.Context(), "credentials could not be checked", "error", err)
			next.ServeHTTP(w, r.WithContext(identity.WithUnchecked(r.Context(), err)))
		default:
			s.proven.forget(r.Header)
			if s.tooMany(w, r, limit.Credentials, s.take) {
				return
			}
			s.cfg.Log.InfoContext(r.Context(), "credentials refused", "why", payment.ReasonOf(err))
			refuse(w, http.StatusUnauthorized, whyUnauthorized(err))
		}
	})
}

// suspect answers 429 where the client's address has shown too many bad credentials, and these are not known to be good:
// looking them up would cost a query.
func (s *Server) suspect(w http.ResponseWriter, r *http.Request) bool {
	return !s.proven.known(r.Header) && s.tooMany(w, r, limit.Credentials, s.peek)
}

// whyUnauthorized is what identity says, which is the same for every key that proves nothing.
func whyUnauthorized(err error) string {
	coded, ok := errors.AsType[*payment.Error](err)
	if ok && coded.Reason == payment.ReasonUnauthenticated {
		return coded.Message
	}
	return "The API key or token is not valid."
}

// tooMany answers 429 where the limiter, asked by take or peek, has nothing left for the client's address.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request, class string, ask asking) bool {
	if s.cfg.Limiter == nil {
		return false
	}
	retryAfter, ok := ask(r.Context(), class, limit.Address(ClientAddress(r.Context())))
	if !ok {
		s.cfg.Log.InfoContext(r.Context(), "rate limit reached", "class", class, "from", ClientAddress(r.Context()))
		refuseFor(w, retryAfter, "Too many requests without valid credentials.")
	}
	return !ok
}

// asking is a method of limit.Limiter.
type asking func(ctx context.Context, class, subject string) (retryAfter time.Duration, ok bool)

func (s *Server) take(ctx context.Context, class, subject string) (time.Duration, bool) {
	return s.cfg.Limiter.Allow(ctx, class, subject)
}

func (s *Server) peek(ctx context.Context, class, subject string) (time.Duration, bool) {
	return s.cfg.Limiter.Peek(ctx, class, subject)
}

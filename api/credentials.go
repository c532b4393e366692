package api

import (
	"net/http"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

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
			next.ServeHTTP(w, r.WithContext(ctx))
		case payment.IsReason(err, payment.ReasonUnavailable):
			s.cfg.Log.WarnContext(r.Context(), "credentials could not be checked", "error", err)
			refuse(w, http.StatusServiceUnavailable, "The credentials could not be checked now. Try again.")
		case !s.tooMany(w, r):
			s.cfg.Log.InfoContext(r.Context(), "credentials refused", "why", payment.ReasonOf(err))
			refuse(w, http.StatusUnauthorized, "The API key or token is not valid.")
		}
	})
}

// tooMany answers 429 where the client's address has asked too often without credentials.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request) bool {
	if s.cfg.Limiter == nil {
		return false
	}
	retryAfter, ok := s.cfg.Limiter.Allow(r.Context(), limit.Anonymous, limit.Address(ClientAddress(r.Context())))
	if !ok {
		refuseFor(w, retryAfter, "Too many requests without valid credentials.")
	}
	return !ok
}

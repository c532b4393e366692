package api

import (
	"context"
	"net/http"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

// subscribed ends a WebSocket's context when the process stops, and counts it, because http.Server forgets it.
func (s *Server) subscribed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.stopping, cancel)()
		s.sockets.Add(1)
		defer s.sockets.Done()
		next.ServeHTTP(w, r.WithContext(context.WithValue(ctx, frameKey{}, s)))
	})
}

type frameKey struct{}

// Vouch is authenticate for credentials that come when the frame has let a request pass, as those of a WebSocket do, and are given as
// headers: bad ones take from the allowance of the client's address, and where nothing is left only those that were good before
// are looked up. Errors: those of authenticate, and ReasonTooManyRequests.
func Vouch(ctx context.Context, header http.Header, authenticate Authenticate) (context.Context, error) {
	s, framed := ctx.Value(frameKey{}).(*Server)
	if !framed || s.cfg.Limiter == nil {
		return authenticate(ctx, header)
	}
	address := limit.Address(ClientAddress(ctx))
	if retryAfter, ok := s.peek(ctx, limit.Credentials, address); !ok && !s.proven.known(header) {
		return nil, limit.TooMany(limit.Credentials, retryAfter)
	}
	who, err := authenticate(ctx, header)
	switch {
	case err == nil:
		s.proven.note(header)
	case !payment.IsReason(err, payment.ReasonUnavailable):
		s.proven.forget(header)
		if retryAfter, ok := s.take(ctx, limit.Credentials, address); !ok {
			return nil, limit.TooMany(limit.Credentials, retryAfter)
		}
	}
	return who, err
}

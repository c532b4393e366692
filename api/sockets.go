package api

import (
	"context"
	"net/http"
)

// subscribed ends a WebSocket's context when the process stops, and counts it, because http.Server forgets it.
func (s *Server) subscribed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.stopping, cancel)()
		s.sockets.Add(1)
		defer s.sockets.Done()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

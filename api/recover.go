package api

import (
	"net/http"
	"runtime/debug"
)

// recovered answers 500 for a panic, and lets the process go on.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			panicked := recover()
			if panicked == nil {
				return
			}
			if panicked == http.ErrAbortHandler { //nolint:errorlint // net/http compares it in the same way
				panic(panicked)
			}
			s.cfg.Log.ErrorContext(r.Context(), "a request panicked", "panic", panicked, "stack", string(debug.Stack()))
			if recorded, ok := w.(*recorder); !ok || recorded.status == 0 {
				refuse(w, http.StatusInternalServerError, "Something went wrong here. Repeat the call with the same idempotency key to learn what became of it.")
			}
		}()
		next.ServeHTTP(w, r)
	})
}

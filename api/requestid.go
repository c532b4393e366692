package api

import (
	"net/http"

	"github.com/holdfast-pay/holdfast/telemetry"
)

const headerRequestID = "X-Request-Id"

// identified gives each request its id: the caller's if it is sane, else a new one.
func (s *Server) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(headerRequestID)
		if !telemetry.SaneRequestID(id) {
			id = telemetry.NewRequestID()
		}
		w.Header().Set(headerRequestID, id)
		next.ServeHTTP(w, r.WithContext(telemetry.WithRequestID(r.Context(), id)))
	})
}

package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// shared tells browsers which foreign pages may call: none but the configured origins.
func (s *Server) shared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Add("Vary", "Origin")
		allowed := slices.Contains(s.cfg.Origins, origin)
		if allowed {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", headerRequestID+", Retry-After")
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if allowed {
			w.Header().Set("Access-Control-Allow-Methods", "POST")
			w.Header().Set("Access-Control-Allow-Headers",
				strings.Join([]string{"Content-Type", "Authorization", "X-API-KEY", headerIdempotencyKey, headerRequestID}, ", "))
			w.Header().Set("Access-Control-Max-Age", "600")
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// sameOrigin refuses a WebSocket that a foreign page opens: browsers do not ask before they connect.
func (s *Server) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		at, err := url.Parse(origin)
		if origin != "" && !slices.Contains(s.cfg.Origins, origin) && (err != nil || at.Host != r.Host) {
			refuse(w, http.StatusForbidden, "This origin may not connect.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

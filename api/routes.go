package api

import (
	"net/http"
	"strings"
)

// routes joins each path to what a request passes before it.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	sockets := through(s.cfg.GraphQLWS, s.sameOrigin, s.subscribed)
	mux.Handle("/graphql", upgrades(sockets, through(s.cfg.GraphQL, onlyPost, onlyJSON, s.admitted, s.bounded, idempotent, s.authenticated)))
	mux.Handle("/graphqlws", sockets)
	s.healthRoutes(mux)
	if s.cfg.JWKS != nil {
		mux.Handle("GET /.well-known/jwks.json", s.cfg.JWKS)
	}
	if s.cfg.Playground != nil {
		mux.Handle("GET /{$}", s.cfg.Playground)
	}
	return through(mux, s.identified, s.located, s.traced, s.logged, s.recovered, s.shared)
}

// upgrades lets clients subscribe at the path of their queries, as some derive the one address from the other.
func upgrades(sockets, otherwise http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			sockets.ServeHTTP(w, r)
			return
		}
		otherwise.ServeHTTP(w, r)
	})
}

// metricsRoutes are for the operator's own network: health is there too, for when clients have taken every connection.
func (s *Server) metricsRoutes() http.Handler {
	mux := http.NewServeMux()
	s.healthRoutes(mux)
	mux.Handle("GET /metrics", s.cfg.MetricsHandler)
	return mux
}

// through wraps a handler in middlewares; the first one sees a request first.
func through(handler http.Handler, middlewares ...func(http.Handler) http.Handler) http.Handler {
	for i := len(middlewares) - 1; i >= 0; i-- {
		handler = middlewares[i](handler)
	}
	return handler
}

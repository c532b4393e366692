package api

import (
	"net/http"
)

// routes joins each path to what a request passes before it.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/graphql", through(s.cfg.GraphQL, onlyPost, onlyJSON, s.admitted, s.bounded, idempotent, s.authenticated))
	mux.Handle("/graphqlws", through(s.cfg.GraphQLWS, s.sameOrigin, s.subscribed))
	s.healthRoutes(mux)
	if s.cfg.JWKS != nil {
		mux.Handle("GET /.well-known/jwks.json", s.cfg.JWKS)
	}
	if s.cfg.Playground != nil {
		mux.Handle("GET /{$}", s.cfg.Playground)
	}
	return through(mux, s.identified, s.located, s.traced, s.logged, s.recovered, s.shared)
}

// metricsRoutes have health as well: probes are answered here also while clients take all connections of the other listener.
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

package graphqlapi

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/99designs/gqlgen/graphql/playground"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
)

// Handler serves the door.
type Handler struct {
	// HTTP answers POST /graphql. The request's context has the Principal; method and type of content are checked.
	HTTP http.Handler
	// WS upgrades /graphqlws. It ends its subscriptions when the request's context ends.
	WS http.Handler
	// Playground is a page to try queries; nil outside development.
	Playground http.Handler
}

const (
	cachedDocuments = 100
	cachedPersisted = 200 // texts of at most Limits.QueryBytes
)

// New builds the handlers. It does no I/O.
func New(cfg Config) (*Handler, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	h, _ := newHandler(cfg)
	return h, nil
}

// newHandler also gives the resolver, for tests.
func newHandler(cfg Config) (*Handler, *resolver) {
	r := &resolver{Config: cfg, payer: engine{cfg.Starter}}
	overHTTP, overWS := r.server(noSubscription), r.server(r.onSocket, toll{r})
	overHTTP.AddTransport(transport.POST{})
	overWS.AddTransport(r.sockets())
	h := &Handler{HTTP: oneObject(overHTTP), WS: r.upgraded(overWS)}
	if cfg.Development {
		h.Playground = playground.Handler("Holdfast", "/graphql")
	}
	return h, r
}

// server is gqlgen's, without transports. first sees an operation before the guard does; before all come the extensions.
func (r *resolver) server(first graphql.OperationMiddleware, before ...graphql.HandlerExtension) *handler.Server {
	schema := generated.NewExecutableSchema(generated.Config{Resolvers: r, Complexity: complexity()})
	r.schema = schema.Schema()
	s := handler.New(schema)
	documents := lru.New[*ast.QueryDocument](cachedDocuments)
	s.SetQueryCache(documents)
	s.SetParserTokenLimit(r.Limits.Tokens)
	s.SetValidationRulesFn(validation)
	s.SetDisableSuggestion(!r.Development)
	s.SetErrorPresenter(r.present)
	s.SetRecoverFunc(r.recovered)
	for _, extension := range before {
		s.Use(extension)
	}
	s.Use(bounds{r.Limits, documents}) // before a text is kept
	s.Use(extension.AutomaticPersistedQuery{Cache: lru.New[string](cachedPersisted)})
	s.Use(extension.FixedComplexityLimit(r.Limits.Complexity))
	if r.Development {
		s.Use(extension.Introspection{})
	}
	s.AroundOperations(first)
	s.AroundOperations(r.guard)
	s.AroundRootFields(r.countField)
	s.AroundRootFields(remember)
	s.AroundFields(r.refuseUnchecked)
	s.AroundFields(r.refuseMalformed)
	return s
}

// countField counts what is asked for. Names are the schema's.
func (r *resolver) countField(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	if field := graphql.GetRootFieldContext(ctx); field != nil && field.Field.Field != nil {
		r.Counts.GraphQL(field.Field.Name)
	}
	return next(ctx)
}

// noSubscription: over HTTP nobody would hear more than the first answer, and wait for it.
func noSubscription(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Subscription {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{
			topLevel(ctx, codeInput, "Subscriptions are served over WebSockets, at /graphqlws."),
		}})
	}
	return next(ctx)
}

// oneObject refuses what gqlgen would answer in other words, or by repeating the body: batches, and what is no JSON. The frame has
// bounded the body, and lets only a POST of application/json pass.
func oneObject(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			refuse(w, http.StatusRequestEntityTooLarge, "The body could not be read: it is too large, or was cut off.")
			return
		}
		if !isObject(body) {
			refuse(w, http.StatusBadRequest, "The body must be one JSON object with a query. Batches are not served.")
			return
		}
		var shape struct {
			Query, OperationName  *string
			Variables, Extensions map[string]json.RawMessage
		}
		if json.Unmarshal(body, &shape) != nil {
			refuse(w, http.StatusBadRequest, "query and operationName must be text, variables and extensions objects.")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r)
	})
}

func isObject(body []byte) bool {
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c == '{' && json.Valid(body)
	}
	return false
}

// refuse answers in GraphQL's shape, for clients that read nothing else.
func refuse(w http.ResponseWriter, status int, message string) {
	body, err := json.Marshal(map[string]any{"errors": []any{map[string]any{"message": message}}, "data": nil})
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}

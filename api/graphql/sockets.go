package graphqlapi

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// closeForbidden is the code by which graphql-transport-ws ends a connection with bad credentials: clients do not retry it.
const closeForbidden = 4403

// closeTooMany is the code for a client that asks too often.
const closeTooMany = 4429

// sockets is gqlgen's transport for graphql-transport-ws, and what it leaves to us: who connects, how many subscriptions
// a connection may have, and that a client which does not read is dropped.
func (r *resolver) sockets() transport.Websocket {
	origins := r.Origins
	if len(origins) == 0 {
		origins = []string{"*"} // no cookie speaks for the user: a strange page has no credentials
	}
	accept := websocket.AcceptOptions{OriginPatterns: origins}
	return transport.Websocket{
		Implementation:        patient{transport.CoderWebsocketImplementation{AcceptOptions: accept}, r.Limits.WriteTime},
		InitFunc:              r.connected,
		InitTimeout:           r.Limits.InitTime,
		KeepAlivePingInterval: r.Limits.PingEvery,
		PingPongInterval:      r.Limits.PingEvery,
		MissingPongOk:         true, // clients that read only their subscription's messages never answer one
		PayloadReadLimit:      &r.Limits.MessageBytes,
	}
}

// connection is what belongs to one WebSocket.
type connection struct {
	open  atomic.Int32                                       // subscriptions
	again func(ctx context.Context) (context.Context, error) // finds out anew who this is
}

type connectionKey struct{}

// connected reads the credentials from the connection's parameters. Without any, who the upgrade's own headers name stays.
func (r *resolver) connected(ctx context.Context, params transport.InitPayload) (context.Context, *transport.InitPayload, error) {
	c := &connection{again: func(ctx context.Context) (context.Context, error) { return ctx, nil }}
	if err := limit.Check(ctx, r.Limiter, limit.Anonymous, limit.Address(api.ClientAddress(ctx))); err != nil { // before a key is looked up
		return transport.WithWebsocketCloseCode(transport.AppendCloseReason(ctx, "Too many connections"), closeTooMany), nil,
			errors.New("too many connections from this address")
	}
	shown, err := identity.CredentialsOfParams(params)
	if err == nil && shown != (identity.Credentials{}) {
		c.again = func(ctx context.Context) (context.Context, error) { return r.Authenticate(ctx, headerOf(shown)) }
	}
	who := ctx
	if err == nil {
		who, err = c.again(ctx)
	}
	if err != nil {
		r.Log.InfoContext(ctx, "a subscriber's credentials were refused", "why", payment.ReasonOf(err))
		return transport.WithWebsocketCloseCode(transport.AppendCloseReason(ctx, "Forbidden"), closeForbidden), nil,
			errors.New("the API key or token is not valid")
	}
	return context.WithValue(who, connectionKey{}, c), nil, nil
}

func headerOf(c identity.Credentials) http.Header {
	header := http.Header{}
	if c.APIKey != "" {
		header.Set("X-Api-Key", c.APIKey)
	}
	if c.Bearer != "" {
		header.Set("Authorization", "Bearer "+c.Bearer)
	}
	return header
}

// anew finds out again, for each operation, who asks: an API key may have been revoked, a token have expired, since the
// connection began. Mutations are left to HTTP, where an idempotency key comes with them.
func (r *resolver) anew(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	refuse := func(code Code, message string) graphql.ResponseHandler {
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{topLevel(ctx, code, message)}})
	}
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		return refuse(codeInput, "Mutations are served over HTTP, at /graphql.")
	}
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return refuse(codeUnauthorized, "Not authorized")
	}
	now, err := c.again(ctx)
	switch {
	case payment.IsReason(err, payment.ReasonUnavailable):
		return refuse(codeUnknown, "The credentials could not be checked now. Try again.")
	case err != nil:
		return refuse(codeUnauthorized, "Not authorized")
	}
	who := identity.PrincipalFrom(now)
	if who.IsZero() {
		if err := limit.Check(ctx, r.Limiter, limit.Anonymous, limit.Address(api.ClientAddress(ctx))); err != nil {
			return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{r.present(ctx, err)}})
		}
	}
	return next(identity.WithPrincipal(ctx, who))
}

// still reports whether the credentials of a connection are valid: an API key may have been revoked, a token have expired.
// What cannot be found out now is not a no.
func still(ctx context.Context) bool {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return true
	}
	_, err := c.again(ctx)
	return err == nil || payment.IsReason(err, payment.ReasonUnavailable)
}

// counted refuses a subscription beyond the connection's number.
func (r *resolver) counted(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return next(ctx)
	}
	if int(c.open.Add(1)) > r.Limits.Subscriptions {
		c.open.Add(-1)
		return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{
			topLevel(ctx, codeTooMany, "Too many operations at once on this connection. Complete one, or open another connection."),
		}})
	}
	context.AfterFunc(ctx, func() { c.open.Add(-1) })
	return next(ctx)
}

// patient drops a client that does not take a message in time: what waits for it would wait for ever.
type patient struct {
	transport.WebsocketImplementation
	within time.Duration
}

// Accept upgrades a request.
func (p patient) Accept(w http.ResponseWriter, r *http.Request, options transport.WebsocketAcceptOptions) (transport.WebsocketConn, error) {
	conn, err := p.WebsocketImplementation.Accept(w, r, options)
	if err != nil {
		return nil, err
	}
	whole, ok := conn.(socket)
	if !ok {
		return nil, errors.Join(errors.New("the WebSocket cannot bound what it reads"), conn.Close())
	}
	return patientConn{whole, p.within}, nil
}

// socket is all that gqlgen asks of a connection.
type socket interface {
	transport.WebsocketConn
	transport.WebsocketReadLimiter
	transport.WebsocketReadDeadliner
}

type patientConn struct {
	socket
	within time.Duration
}

// WriteJSON ends the connection when the client does not read.
func (c patientConn) WriteJSON(v any) error {
	late := time.AfterFunc(c.within, func() { _ = c.Close() }) // it is given up
	defer late.Stop()
	return c.socket.WriteJSON(v)
}

package graphqlapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/coder/websocket"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// Codes by which a connection ends. Clients of graphql-transport-ws come again after 1013; 4403 they take for final, and most
// other codes from 1000 to 1999 too (1011 among them, which would be the other word for it).
const (
	closeTryAgain  = 1013 // it cannot be told now who this is
	closeForbidden = 4403 // the credentials are bad, or no longer good
	closeTooMany   = 4429 // the account has too many connections
)

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

// upgraded counts the connections of an address. Every upgrade takes from what an address may do without credentials, whoever
// it turns out to be: bad credentials are paid for before they are looked up.
func (r *resolver) upgraded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		ctx, cancel := context.WithCancel(request.Context())
		defer cancel()
		address := limit.Address(api.ClientAddress(ctx))
		if err := limit.Check(ctx, r.Limiter, limit.Anonymous, address); err != nil {
			refuseUpgrade(w, err)
			return
		}
		if !r.open.enter(address, r.Limits.SocketsPerAddress) {
			refuseUpgrade(w, payment.Errorf(payment.ReasonTooManyRequests, "Too many WebSockets are open from your address. Close one, or use it for several subscriptions."))
			return
		}
		defer r.open.leave(address)
		c := &connection{cancel: cancel}
		defer c.closed()
		next.ServeHTTP(w, request.WithContext(context.WithValue(ctx, connectionKey{}, c)))
	})
}

func refuseUpgrade(w http.ResponseWriter, err error) {
	retryAfter := 30 * time.Second // connections do not end by themselves
	if exceeded, ok := errors.AsType[limit.Exceeded](err); ok {
		retryAfter = exceeded.RetryAfter
	}
	w.Header().Set("Retry-After", strconv.FormatInt(max(1, int64((retryAfter+time.Second-1)/time.Second)), 10))
	message := ""
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		message = coded.Message
	}
	refuse(w, http.StatusTooManyRequests, message)
}

// connected reads the credentials from the connection's parameters. Without any it is nobody.
func (r *resolver) connected(ctx context.Context, params transport.InitPayload) (context.Context, *transport.InitPayload, error) {
	c := connectionOf(ctx)
	shown, malformed := identity.CredentialsOfParams(params)
	c.again = func(ctx context.Context) (context.Context, error) {
		if shown == (identity.Credentials{}) {
			return identity.WithPrincipal(ctx, identity.Principal{}), nil
		}
		return r.Authenticate(ctx, headerOf(shown))
	}
	who, err := ctx, error(nil)
	if malformed != nil || shown != (identity.Credentials{}) {
		who, err = api.Vouch(ctx, headerOf(shown), func(ctx context.Context, _ http.Header) (context.Context, error) {
			if malformed != nil {
				return nil, malformed
			}
			return c.again(ctx)
		})
	}
	if err != nil {
		return r.notConnected(ctx, err)
	}
	principal := identity.PrincipalFrom(who)
	if principal.IsZero() {
		c.wait(true, r.Limits.AnonymousIdle)
		return who, nil, nil
	}
	account := limit.Account(principal.AccountID.String())
	if !r.open.enter(account, r.Limits.SocketsPerAccount) {
		return transport.WithWebsocketCloseCode(transport.AppendCloseReason(ctx, "Too many connections"), closeTooMany), nil,
			errors.New("the account has too many connections: close one, or use it for several subscriptions")
	}
	c.leave = func() { r.open.leave(account) }
	c.wait(false, r.Limits.Idle)
	return who, nil, nil
}

// notConnected ends a connection whose credentials did not let anybody in.
func (r *resolver) notConnected(ctx context.Context, err error) (context.Context, *transport.InitPayload, error) {
	closed := func(code int, reason, message string) (context.Context, *transport.InitPayload, error) {
		return transport.WithWebsocketCloseCode(transport.AppendCloseReason(ctx, reason), code), nil, errors.New(message)
	}
	switch payment.ReasonOf(err) {
	case payment.ReasonUnavailable:
		r.Log.WarnContext(ctx, "a subscriber's credentials could not be checked", "error", err)
		return closed(closeTryAgain, "Try again later", "the credentials cannot be checked at the moment: connect again later")
	case payment.ReasonTooManyRequests:
		r.Log.InfoContext(ctx, "too many bad credentials from a subscriber's address")
		return closed(closeTryAgain, "Try again later", "too many bad credentials came from your address: connect again later")
	default:
		r.Log.InfoContext(ctx, "a subscriber's credentials were refused", "why", payment.ReasonOf(err))
		return closed(closeForbidden, "Forbidden", "the API key or token is not valid")
	}
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
	conn = numberedConn{patientConn{whole, p.within}, &operationIDs{}}
	connectionOf(r.Context()).conn = conn
	return conn, nil
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

package lndclient

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"

	"github.com/holdfast-pay/holdfast/payment"
)

// admitTime bounds the question who a node is, for calls that have no deadline. LND answers late while it works on a block.
const admitTime = 15 * time.Second

// methodGetInfo is the one call that goes to a node before it is known to fit.
const methodGetInfo = "/lnrpc.Lightning/GetInfo"

// connection is one connection to a node. gRPC shows it to each call that is about to be written to it, and tells which one has
// answered a call, so that what is known of a node is never known of its successor at the same address.
type connection struct {
	credentials.TLSInfo
	fits   atomic.Bool
	asking chan struct{} // holds the turn of the one that asks
}

// connecting marks each connection that the handshake makes.
type connecting struct {
	credentials.TransportCredentials
}

// ClientHandshake implements credentials.TransportCredentials.
func (c connecting) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, auth, err := c.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, err
	}
	info, ok := auth.(credentials.TLSInfo)
	if !ok {
		_ = conn.Close() // the error says more
		return nil, nil, errors.New("the connection is not TLS")
	}
	return conn, &connection{TLSInfo: info, asking: make(chan struct{}, 1)}, nil
}

// Clone implements credentials.TransportCredentials.
func (c connecting) Clone() credentials.TransportCredentials {
	return connecting{c.TransportCredentials.Clone()}
}

// admission gives calls their macaroon, once the node at the other end of the connection is known to fit. gRPC asks for it after
// it has chosen the connection and before it writes anything: what is refused here has not left (Unauthenticated, errmap.go).
type admission struct {
	macaroon
	client *Client
}

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (a *admission) GetRequestMetadata(ctx context.Context, uris ...string) (map[string]string, error) {
	called, _ := credentials.RequestInfoFromContext(ctx)
	if called.Method != methodGetInfo {
		conn, ok := called.AuthInfo.(*connection)
		if !ok {
			return nil, errors.New("the connection is not ours")
		}
		if err := a.client.admit(ctx, conn); err != nil {
			return nil, err
		}
	}
	return a.macaroon.GetRequestMetadata(ctx, uris...)
}

// admit asks the node at the other end who it is, once per connection; an answer that does not fit is asked for again by the
// next call.
func (c *Client) admit(ctx context.Context, conn *connection) error {
	if conn.fits.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, admitTime)
	defer cancel()
	select {
	case conn.asking <- struct{}{}:
		defer func() { <-conn.asking }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if conn.fits.Load() {
		return nil
	}
	info, answered, err := c.askInfo(ctx)
	switch {
	case err != nil:
		return err
	case answered != conn: // this call is lost with its connection; the next one need not ask again
		_ = c.judge(info, answered)
		return payment.Errorf(payment.ReasonNodeOffline, "Node %q was connected anew while it was asked who it is.", c.name)
	}
	return c.judge(info, answered)
}

// judge notes that the node behind a connection fits, or refuses it.
func (c *Client) judge(info Info, answered *connection) error {
	if err := c.fits(info); err != nil {
		return err
	}
	if answered != nil {
		answered.fits.Store(true)
	}
	return nil
}

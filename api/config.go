package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// Config is what the process serves, and how. The zero value of a field is what its comment says.
type Config struct {
	HTTP    string // host:port of GraphQL, health and the playground; port 0 picks one
	GRPC    string // host:port of GRPCServer; empty: gRPC is not served
	Metrics string // host:port of /metrics, and of health for probes; empty: not served

	// GraphQL answers POST /graphql; GraphQLWS upgrades /graphqlws. nil: 503. GraphQL must ask identity.UncheckedFrom: who shows
	// credentials that cannot be checked now comes to it as nobody.
	GraphQL   http.Handler
	GraphQLWS http.Handler
	// Playground is served at / where it is set: in development.
	Playground http.Handler
	// JWKS is served at /.well-known/jwks.json where it is set: the development issuer's keys.
	JWKS http.Handler
	// GRPCServer has its services registered, and its own credentials and limits.
	GRPCServer *grpc.Server
	// MetricsHandler is served at /metrics.
	MetricsHandler http.Handler

	// Authenticate is asked for every request of GraphQL that has credentials.
	Authenticate Authenticate
	// Limiter is asked by address: for requests without credentials (limit.Anonymous), and for those whose credentials prove
	// nothing (limit.Credentials). nil: no limit.
	Limiter limit.Limiter
	// Ready are the dependencies that /readyz asks.
	Ready []Dependency

	// Origins are the web origins that browsers may call from, like https://wallet.example. None: no other than ours.
	Origins []string
	// TrustedProxies are the networks whose X-Forwarded-For is believed. None: the peer is the client.
	TrustedProxies []netip.Prefix

	Limits Limits
	// Counts is what requests are counted with. nil: they are not.
	Counts *telemetry.Metrics
	// Traces is where their spans go. nil: nowhere.
	Traces *telemetry.Traces
	Log    *slog.Logger
}

// Authenticate finds out who calls from a request's headers, and gives the context that the door sees. Errors are
// *payment.Error: with ReasonUnavailable the door sees identity.UncheckedFrom, any other answers 401.
type Authenticate func(ctx context.Context, header http.Header) (context.Context, error)

// Dependency is something that the process cannot serve without.
type Dependency struct {
	Name  string
	Check func(ctx context.Context) error
}

// Limits on what one client may take. Zero values are replaced by the defaults named.
type Limits struct {
	BodyBytes       int64 // a request's body (default 256 KiB)
	HeaderBytes     int   // its headers (default 16 KiB)
	Connections     int   // open HTTP connections; more wait (default 4096)
	GRPCConnections int   // open gRPC connections; more wait (default 1024)
	// PeerConnections are those of one address, or of one /64 of IPv6, per listener; more are closed at once. TrustedProxies
	// may have any number. It is at most half of all, whatever is set (default 256).
	PeerConnections int
	HeaderTime      time.Duration // to send the headers (default 5 s)
	ReadTime        time.Duration // to send headers and body (default 10 s)
	WriteTime       time.Duration // from the headers' end until the answer is sent (default 60 s)
	IdleTime        time.Duration // between two requests of a connection (default 30 s)
	DrainTime       time.Duration // for requests that run when the process stops (default 15 s)
	HealthTime      time.Duration // for which an answer of /readyz is given again (default 1 s)
}

func (l Limits) complete() Limits {
	l.BodyBytes = or(l.BodyBytes, 256<<10)
	l.HeaderBytes = or(l.HeaderBytes, 16<<10)
	l.Connections = or(l.Connections, 4096)
	l.GRPCConnections = or(l.GRPCConnections, 1024)
	l.PeerConnections = or(l.PeerConnections, 256)
	l.HeaderTime = or(l.HeaderTime, 5*time.Second)
	l.ReadTime = or(l.ReadTime, 10*time.Second)
	l.WriteTime = or(l.WriteTime, time.Minute)
	l.IdleTime = or(l.IdleTime, 30*time.Second)
	l.DrainTime = or(l.DrainTime, 15*time.Second)
	l.HealthTime = or(l.HealthTime, time.Second)
	return l
}

func or[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// complete fills in what is not set, and refuses what cannot be served. All mistakes are named.
func (c Config) complete() (Config, error) {
	var mistakes []error
	if c.HTTP == "" {
		mistakes = append(mistakes, errors.New("api.Config: HTTP has no address"))
	}
	if c.GRPC != "" && c.GRPCServer == nil {
		mistakes = append(mistakes, errors.New("api.Config: GRPC has an address and no server"))
	}
	if c.Metrics != "" && c.MetricsHandler == nil {
		mistakes = append(mistakes, errors.New("api.Config: Metrics has an address and no handler"))
	}
	c.Limits = c.Limits.complete()
	if c.GraphQL == nil {
		c.GraphQL = http.HandlerFunc(notServed)
	}
	if c.GraphQLWS == nil {
		c.GraphQLWS = http.HandlerFunc(notServed)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Log = slog.New(telemetry.LogHandler(c.Log.Handler()))
	return c, errors.Join(mistakes...)
}

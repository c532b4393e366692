package grpcapi

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/starter"
)

// Config is what the server serves, and to whom. The zero value of a field is what its comment says.
type Config struct {
	Starter *starter.Starter
	Ledger  *ledger.Ledger // read, but for the limits of keys
	Log     *slog.Logger   // nil: none

	// Token is what every caller must present (authorization: Bearer …). Empty: only in development, and nobody must.
	Token string
	// TLSCert and TLSKey are PEM files. Empty: only in development, in the clear.
	TLSCert, TLSKey string
	// Development allows to do without token and TLS, and switches reflection on.
	Development bool

	// Limiter bounds how often accounts and keys may call. nil: no limit.
	Limiter limit.Limiter
	// Stopping ends when the process begins to stop: streams end then, because they would never end by themselves. nil: never.
	Stopping context.Context
	// Deadlines of calls; zero values are replaced by the defaults named there.
	Deadlines Deadlines
	// Clock tells the time. nil: the system's.
	Clock func() time.Time
	// Options are more of the server's, for telemetry.
	Options []grpc.ServerOption
}

// Deadlines bound calls from the server's side.
type Deadlines struct {
	Default time.Duration // for a client that gives none: 15 s
	Most    time.Duration // whatever the client gives: 60 s
	Stream  time.Duration // for streams: 1 h
}

// Bounds that are no matter of configuration.
const (
	maxMessage     = 64 << 10 // an invoice has some kilobytes
	maxHeaders     = 16 << 10
	maxStreams     = 256 // calls at once on one connection
	handshakeTime  = 10 * time.Second
	idleTime       = 15 * time.Minute
	askClientAfter = 30 * time.Second // of silence, whether it is still there
	answerTime     = 10 * time.Second
	fewestPings    = 10 * time.Second // a client that pings more often is disconnected
)

func (c Config) complete() (Config, error) {
	var mistakes []error
	wrong := func(text string) { mistakes = append(mistakes, errors.New("grpc: "+text)) }
	if c.Starter == nil || c.Ledger == nil {
		wrong("a starter and a ledger are needed")
	}
	if c.Token == "" && !c.Development {
		wrong("no token: set one, or switch development mode on")
	}
	if c.Token != "" && len(c.Token) < MinToken {
		wrong(fmt.Sprintf("the token is shorter than %d characters: make one with `openssl rand -hex 32`", MinToken))
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		wrong("certificate and key are both needed for TLS")
	}
	if c.TLSCert == "" && c.TLSKey == "" && !c.Development {
		wrong("no TLS certificate and key: name their files, or switch development mode on")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Stopping == nil {
		c.Stopping = context.Background()
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	d := &c.Deadlines
	d.Default, d.Most, d.Stream = or(d.Default, 15*time.Second), or(d.Most, time.Minute), or(d.Stream, time.Hour)
	return c, errors.Join(mistakes...)
}

func or(value, otherwise time.Duration) time.Duration {
	if value == 0 {
		return otherwise
	}
	return value
}

// New makes the server; the caller serves and stops it. Errors name every mistake of the configuration at once.
func New(cfg Config) (*grpc.Server, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	g := &gate{cfg: cfg, token: sha256.Sum256([]byte(cfg.Token))}
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(g.unary), grpc.ChainStreamInterceptor(g.stream),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxHeaderListSize(maxHeaders), grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(handshakeTime), grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTime, Time: askClientAfter, Timeout: answerTime}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: fewestPings, PermitWithoutStream: true}),
	}
	if cfg.TLSCert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.TLSCert, cfg.TLSKey)
		if err != nil {
			return nil, fmt.Errorf("grpc: the TLS certificate %s cannot be used: %w", cfg.TLSCert, err)
		}
		options = append(options, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})))
	}
	server := grpc.NewServer(append(options, cfg.Options...)...)
	apikeysv1.RegisterApiKeysServiceServer(server, &budgetServer{starter: cfg.Starter, ledger: cfg.Ledger})
	paymentsv1.RegisterPaymentsServiceServer(server, &paymentServer{starter: cfg.Starter, ledger: cfg.Ledger})
	registerHealth(server, cfg.Stopping)
	if cfg.Development {
		reflection.Register(server)
	}
	return server, nil
}

// registerHealth says that all services serve, until the process begins to stop.
func registerHealth(server *grpc.Server, stopping context.Context) {
	checks := health.NewServer()
	for name := range server.GetServiceInfo() {
		checks.SetServingStatus(name, healthv1.HealthCheckResponse_SERVING)
	}
	context.AfterFunc(stopping, checks.Shutdown)
	healthv1.RegisterHealthServer(server, checks)
}

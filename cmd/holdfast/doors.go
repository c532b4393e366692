package main

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/api"
	graphqlapi "github.com/holdfast-pay/holdfast/api/graphql"
	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// lookEvery is how often subscriptions look for news where the database does not tell them.
const lookEvery = 2 * time.Second

// doors are what GraphQL and gRPC are made of.
type doors struct {
	told    settings.Server
	watched observed
	books   *ledger.Ledger
	door    *starter.Starter
	who     authenticator
	changes *ledger.Changes
	limiter limit.Limiter
}

// open puts the doors into the frame. stopping ends when the process begins to stop.
func (o doors) open(stopping context.Context, cfg api.Config) (api.Config, error) {
	cfg.Authenticate = api.AuthenticateBy(o.who.Authenticator)
	graph, err := graphqlapi.New(o.graphql(cfg))
	if err != nil {
		return cfg, payment.Errorf(payment.ReasonInvalidInput, "GraphQL cannot be served: %v.", err)
	}
	cfg.GraphQL, cfg.GraphQLWS, cfg.Playground = graph.HTTP, graph.WS, graph.Playground
	if o.who.issuer != nil {
		cfg.JWKS = o.who.issuer
	}
	if o.told.API.GRPC == "" {
		return cfg, nil
	}
	cfg.GRPC = o.told.API.GRPC
	cfg.GRPCServer, err = grpcapi.New(grpcapi.Config{
		Starter: o.door, Ledger: o.books, Log: cfg.Log, Token: o.told.API.GRPCToken,
		TLSCert: o.told.API.GRPCTLSCert, TLSKey: o.told.API.GRPCTLSKey, Development: o.told.API.Development,
		Limiter: o.limiter, Stopping: stopping, Options: telemetry.GRPCServer(o.watched.counts, o.watched.traces),
	})
	if err != nil {
		return cfg, payment.Errorf(payment.ReasonInvalidInput, "gRPC cannot be served: %v.", err)
	}
	return cfg, nil
}

func (o doors) graphql(cfg api.Config) graphqlapi.Config {
	graph := graphqlapi.Config{
		Starter: o.door, Ledger: o.books, Changes: o.changes, Authenticate: cfg.Authenticate, Limiter: o.limiter,
		Development: o.told.API.Development, Network: o.told.House.Network, LightningDomain: o.told.API.LightningDomain,
		Callbacks: callback.NewSecrets(o.told.Shared.CallbackSecret), NodeIDs: o.told.API.NodeIDs, SecretPrefix: o.told.Shared.SecretPrefix, Counts: o.watched.counts, Log: cfg.Log,
	}
	graph.Limits = socketLimits(o.told.API.Sockets)
	if o.who.issuer != nil {
		graph.Issuer = o.who.issuer
	}
	return graph
}

// socketLimits are what was told of WebSockets; what bounds operations has no settings.
func socketLimits(told settings.Sockets) graphqlapi.Limits {
	return graphqlapi.Limits{
		SocketsPerAddress: int(told.MaxSocketsPerClient), SocketsPerAccount: int(told.MaxSocketsPerAccount),
		Subscriptions: int(told.MaxOperationsPerSocket), MessageBytes: told.MaxMessageBytes,
		InitTime: told.SocketInitTimeout, Idle: told.SocketIdleTimeout, AnonymousIdle: told.SocketAnonymousIdleTimeout,
		PingEvery: told.SocketPingEvery, WriteTime: told.SocketWriteTimeout,
	}
}

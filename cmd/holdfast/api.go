package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
)

type apiCommand struct {
	settings.Shared
	settings.API
}

// Run serves until ctx ends, then drains and stops. Why it could not serve is in its log, with the cause.
func (*apiCommand) Run(ctx context.Context, d *deps) error {
	d.log = newLog(d.print.Err, d.logLevel, slog.LevelInfo)
	err := d.serveAPI(ctx)
	if errors.Unwrap(err) != nil {
		d.log.Error("api ends", "error", err)
	}
	return err
}

func (d *deps) serveAPI(ctx context.Context) error {
	told, err := d.settings.ForAPI()
	if err != nil {
		return err
	}
	watched, err := d.observe(ctx, "api", told.Shared.OTLPEndpoint)
	if err != nil {
		return err
	}
	defer func() { d.logEnd("the last spans were not sent", watched.flush(ctx)) }()
	if d.temporal, err = d.dialTemporal(ctx, lazily); err != nil {
		return err
	}
	door, err := d.starter(ctx)
	if err != nil {
		return err
	}
	if err := watched.live(d.books); err != nil {
		return err
	}
	who, err := d.authenticator(told)
	if err != nil {
		return err
	}
	defer func() { d.logEnd("when keys were last used was not stored", who.close(ctx)) }()
	limiter := limit.New(told.API.Rates.Limiter(), limit.OnRefusal(watched.counts.RateLimited))
	cfg := frame(told, watched, d.books, door)
	cfg.Limiter, cfg.Log = limiter, d.log
	changes := ledger.NewChanges(d.books, lookEvery, d.log)
	cfg, err = doors{told: told, watched: watched, books: d.books, door: door, who: who, changes: changes, limiter: limiter}.open(ctx, cfg)
	if err != nil {
		return err
	}
	defer listening(ctx, changes)()
	return api.Run(ctx, cfg)
}

// listening hears of changes in the database until it is stopped, which is after the last request.
func listening(ctx context.Context, changes *ledger.Changes) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { _ = changes.Run(ctx) }) // it logs what goes wrong, and goes on
	return func() { cancel(); running.Wait() }
}

// logEnd reports what went wrong at the end of a process, where there is nothing else to do about it.
func (d *deps) logEnd(what string, err error) {
	if err != nil {
		d.log.Warn(what, "error", err)
	}
}

// frame is the api's configuration without its doors.
func frame(told settings.Server, watched observed, books *ledger.Ledger, door *starter.Starter) api.Config {
	limits := told.API.Limits
	return api.Config{
		HTTP: told.API.HTTP, Metrics: told.API.Metrics, MetricsHandler: telemetry.Handler(watched.registry),
		Ready: []api.Dependency{
			{Name: "postgres", Check: books.Ping},
			{Name: "temporal", Check: door.Reachable},
			{Name: "workers", Check: door.Served},
		},
		Origins: told.API.Origins, TrustedProxies: told.API.TrustedProxies,
		Limits: api.Limits{
			BodyBytes: limits.MaxBodyBytes, Connections: int(limits.MaxConnections), GRPCConnections: int(limits.MaxGRPCConnections),
			PeerConnections: int(limits.MaxConnectionsPerClient), HeaderTime: limits.HeaderTimeout, ReadTime: limits.ReadTimeout,
			WriteTime: limits.WriteTimeout, IdleTime: limits.IdleTimeout, DrainTime: limits.DrainTimeout,
		},
		Counts: watched.counts, Traces: watched.traces,
	}
}

package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/telemetry"
	"github.com/holdfast-pay/holdfast/worker"
)

type workerCommand struct {
	Migrate bool `help:"Bring the database schema to the newest version first."`
	settings.Shared
	settings.Worker
}

// Run serves until ctx ends, then finishes what runs. Why it could not serve is in its log, with the cause.
func (c *workerCommand) Run(ctx context.Context, d *deps) error {
	d.log = newLog(d.print.Err, d.logLevel, slog.LevelInfo)
	err := c.serve(ctx, d)
	if errors.Unwrap(err) != nil {
		d.log.Error("worker ends", "error", err)
	}
	return err
}

func (c *workerCommand) serve(ctx context.Context, d *deps) error {
	told, err := d.settings.ForWorker()
	if err != nil {
		return err
	}
	if c.Migrate {
		if err := d.migrate(ctx, ledger.MigrateUp); err != nil {
			return err
		}
	}
	watched, err := d.observe(ctx, "worker", told.Shared.OTLPEndpoint)
	if err != nil {
		return err
	}
	defer func() { d.logEnd("the last spans were not sent", watched.flush(ctx)) }()
	temporal, err := d.dialTemporal(ctx, lazily)
	if err != nil {
		return err
	}
	d.temporal = temporal // waits for Temporal, where the other commands give up
	door, err := d.starter(ctx)
	if err != nil {
		return err
	}
	nodes, err := d.nodesToServe(ctx)
	if err != nil {
		return err
	}
	if err := watched.live(d.books); err != nil {
		return err
	}
	defer d.serveMetrics(ctx, told.Worker.Metrics, watched)()
	err = worker.Run(ctx, worker.Config{
		Temporal: temporal, Ledger: d.books, Starter: door, Nodes: nodes, Network: told.House.Network,
		Depth: int32(told.Worker.Depth), MaxFeeRate: uint64(told.Worker.MaxFeeRateSatVB), //nolint:gosec // both are bounded
		Callbacks: worker.Callbacks{Secrets: callback.NewSecrets(told.Shared.CallbackSecret), Inside: told.Worker.Development},
		Build:     told.Worker.BuildID, Metrics: watched.counts, Log: d.log,
	})
	if ctx.Err() != nil {
		d.log.Info("worker stopped", "why", err)
		return nil //nolint:nilerr // it was told to stop
	}
	return err
}

// serveMetrics answers scrapes. Payments are worth more than metrics: a worker whose address is taken works all the same.
func (d *deps) serveMetrics(ctx context.Context, address string, watched observed) (stop func()) {
	if address == "" {
		return func() {}
	}
	at, stop, err := telemetry.Serve(ctx, address, watched.registry, d.log)
	if err != nil {
		d.log.Error("metrics are not served: another process has the address, or it is not ours", "address", address, "error", err)
		return func() {}
	}
	d.log.Info("metrics are served", "address", at)
	return stop
}

func lazily(_ context.Context, options client.Options) (client.Client, error) {
	return client.NewLazyClient(options)
}

// nodesToServe opens every node. One that is away is served when it comes back; one that does not fit is refused now.
func (d *deps) nodesToServe(ctx context.Context) (map[string]lndclient.Node, error) {
	clients, err := d.lnd()
	if err != nil {
		return nil, err
	}
	nodes := map[string]lndclient.Node{}
	for name, node := range clients {
		checkCtx, cancel := context.WithTimeout(ctx, 5*time.Second)
		err := node.Check(checkCtx)
		cancel()
		if payment.IsReason(err, payment.ReasonInvalidInput) {
			return nil, err
		}
		if err != nil {
			d.log.Warn("the node is away; its payments wait", "node", name, "error", err)
		}
		nodes[name] = node
	}
	return nodes, nil
}

// migrate runs one of the ledger's migrations on the database of the settings.
func (d *deps) migrate(ctx context.Context, how func(context.Context, string) error) error {
	url, err := d.settings.Need(settings.DatabaseURL)
	if err != nil {
		return err
	}
	return migrationError(how(ctx, url))
}

// migrationError keeps driver text out of sight.
func migrationError(err error) error {
	if err == nil || payment.ReasonOf(err) != payment.ReasonInternal {
		return err
	}
	return payment.Errorf(payment.ReasonUnavailable,
		"The database could not be migrated. Check that %s is right, that Postgres runs, and that its user may create roles and tables; --log-level debug tells more.",
		settings.DatabaseURL).Because(err)
}

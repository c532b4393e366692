package main

import (
	"context"
	"fmt"
	"log/slog"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// deps is what commands work with. Connections open when they are first needed: a command that only reads the ledger
// needs no Temporal.
type deps struct {
	settings    settings.Settings // flags, environment, env file
	flags       settings.Settings // flags alone
	environment settings.Settings // environment alone
	print       show.Printer
	log         *slog.Logger
	logLevel    string   // as asked for, empty if not
	observed    observed // of a server process; else nothing is

	books    *ledger.Ledger
	temporal client.Client
	// namespace is that of temporal, once it is connected.
	namespace string
	nodes     map[string]*lndclient.Client
}

// on gives deps for another house: the network that a command has found or started.
func (d *deps) on(env map[string]string) *deps {
	return &deps{settings: settings.New(settings.From(env)), print: d.print, log: d.log, logLevel: d.logLevel}
}

// close disconnects from everything.
func (d *deps) close() {
	for _, node := range d.nodes {
		_ = node.Close() // nothing can be lost with it
	}
	if d.temporal != nil {
		d.temporal.Close()
	}
	if d.books != nil {
		d.books.Close()
	}
}

// ledger opens Postgres.
func (d *deps) ledger(ctx context.Context) (*ledger.Ledger, error) {
	if d.books != nil {
		return d.books, nil
	}
	url, err := d.settings.Need(settings.DatabaseURL)
	if err != nil {
		return nil, err
	}
	d.books, err = ledger.Open(ctx, url)
	return d.books, err
}

// starter opens Temporal and Postgres.
func (d *deps) starter(ctx context.Context) (*starter.Starter, error) {
	books, err := d.ledger(ctx)
	if err != nil {
		return nil, err
	}
	network, err := d.settings.Network()
	if err != nil {
		return nil, err
	}
	nodes, err := d.settings.Nodes()
	if err != nil {
		return nil, err
	}
	shared, err := d.settings.SharedOnly()
	if err != nil {
		return nil, err
	}
	temporal, err := d.connectTemporal(ctx)
	if err != nil {
		return nil, err
	}
	keys, err := d.payloadKeys()
	if err != nil {
		return nil, err
	}
	cfg := starterConfig(network, nodes, shared)
	cfg.Namespace = d.namespace
	cfg.Payloads, _ = keys.Converters()
	return starter.New(temporal, books, cfg, d.log), nil
}

// starterConfig is what payments may cost, and how long a call waits for them.
func starterConfig(network string, nodes []string, shared settings.Shared) starter.Config {
	return starter.Config{
		Network: network, Nodes: nodes, Wait: shared.PaymentWait,
		Fees: starter.FeePolicy{PartsPerMillion: shared.FeePPM, Floor: shared.FeeFloorSat.MustMsat()},
		Dust: shared.DustSat, HoldLocks: shared.LockTime,
	}
}

// connectTemporal opens Temporal alone.
func (d *deps) connectTemporal(ctx context.Context) (_ client.Client, err error) {
	if d.temporal == nil {
		d.temporal, err = d.dialTemporal(ctx, client.DialContext)
	}
	return d.temporal, err
}

// dialTemporal connects by one of the SDK's ways: at once, or when it is first used.
func (d *deps) dialTemporal(ctx context.Context, dial func(context.Context, client.Options) (client.Client, error)) (client.Client, error) {
	options, err := d.settings.Temporal()
	if err != nil {
		return nil, err
	}
	tracing, err := d.observed.traces.Temporal()
	if err != nil {
		return nil, err
	}
	keys, err := d.payloadKeys()
	if err != nil {
		return nil, err
	}
	options.DataConverter, options.FailureConverter = keys.Converters()
	options.Logger = sdklog.NewStructuredLogger(d.log)
	options.ContextPropagators = []workflow.ContextPropagator{telemetry.Propagator()}
	options.Interceptors = tracing
	temporal, err := dial(ctx, options)
	if err != nil {
		return nil, settings.TemporalAway(options, err)
	}
	d.namespace = options.Namespace
	return temporal, nil
}

// payloadKeys seal what Temporal stores; none: nothing is sealed.
func (d *deps) payloadKeys() (codec.Keys, error) {
	text, _ := d.settings.Get(settings.PayloadKeys)
	return codec.ParseKeys(text)
}

// lnd gives a client for each of our nodes, by name. It connects when it is first used.
func (d *deps) lnd() (map[string]*lndclient.Client, error) {
	if d.nodes != nil {
		return d.nodes, nil
	}
	names, err := d.settings.Nodes()
	if err != nil {
		return nil, err
	}
	nodes := map[string]*lndclient.Client{}
	for _, name := range names {
		cfg, err := d.settings.Node(name)
		if err != nil {
			return nil, err
		}
		cfg.Observe = telemetry.LND(name, d.observed.counts, d.observed.traces, d.log)
		if nodes[name], err = lndclient.New(cfg); err != nil {
			return nil, err
		}
	}
	d.nodes = nodes
	return nodes, nil
}

// onNetwork is an error of the private network, for its developer.
func onNetwork(err error) error {
	if err == nil {
		return nil
	}
	return show.Exit{Code: show.Failed, Message: err.Error()}
}

// networkAway says that there is no private network.
func networkAway(err error) error {
	return show.Exit{Code: show.Away, Message: fmt.Sprint(err)}
}

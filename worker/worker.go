package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
	"github.com/holdfast-pay/holdfast/workflows"
)

// Config is what a worker process serves.
type Config struct {
	Temporal client.Client
	Ledger   *ledger.Ledger
	Starter  *starter.Starter
	// Nodes whose credentials this process holds, by name. A process may hold none and serve only the sagas.
	Nodes   map[string]lndclient.Node
	Network string
	// Depth is how many confirmations make a transaction final. Zero: 1 on regtest, 3 elsewhere.
	Depth int32
	// MaxFeeRate bounds fee bumps and rescues, in sat/vB. Zero: activities.DefaultMaxFeeRate.
	MaxFeeRate uint64
	// Timing of calls to LND. Zero: activities.DefaultTiming.
	Timing activities.Timing
	// Build is the build of this process: it gets what belongs to it, and new work once it is promoted. Empty: there is one.
	Build string
	// Reconcile is how often the ledger is compared with the nodes. Zero: a minute.
	Reconcile time.Duration
	// Callbacks is how callback endpoints are called.
	Callbacks Callbacks
	// Metrics counts what this process does. nil: nothing is counted.
	Metrics *telemetry.Metrics
	Log     *slog.Logger
}

func (c Config) complete() Config {
	if c.Depth == 0 {
		c.Depth = 3
		if c.Network == "regtest" {
			c.Depth = 1
		}
	}
	if c.Timing == (activities.Timing{}) {
		c.Timing = activities.DefaultTiming()
	}
	if c.Reconcile == 0 {
		c.Reconcile = time.Minute
	}
	return c
}

// Run serves until ctx ends, then stops gracefully. It waits for Temporal if it is away at the start; fatal errors of a
// running worker, such as a namespace that is gone, end it with an error.
func Run(ctx context.Context, cfg Config) error {
	cfg = cfg.complete()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := cfg.serve(ctx, stop)
	if errors.Is(context.Cause(ctx), context.Canceled) { // it was told to stop, perhaps while it was starting
		return nil
	}
	return err
}

// serve answers why it ended.
func (c Config) serve(ctx context.Context, fatal context.CancelCauseFunc) error {
	var started []worker.Worker
	defer func() { stopAll(started) }()
	for _, w := range c.workers(fatal) {
		if err := untilStarted(ctx, c.Log, w.Start); err != nil {
			return err
		}
		started = append(started, w)
	}
	if err := c.ensureUpkeep(ctx); err != nil {
		return err
	}
	c.Log.Info("worker serves", "nodes", len(c.Nodes), "network", c.Network, "confirmations", c.Depth, "build", c.Build)
	<-ctx.Done()
	return context.Cause(ctx)
}

// workers builds one Temporal worker per queue that this process serves.
func (c Config) workers(fatal context.CancelCauseFunc) []worker.Worker {
	options := worker.Options{
		DisableRegistrationAliasing: true,
		WorkerStopTimeout:           30 * time.Second,
		DeploymentOptions:           versioned(c.Build),
		WorkflowPanicPolicy:         worker.BlockWorkflow,
		Interceptors:                []interceptor.WorkerInterceptor{telemetry.Observer(c.Metrics, sagas()...)},
		OnFatalError:                func(err error) { fatal(fmt.Errorf("worker: %w", err)) },
	}
	payments := worker.New(c.Temporal, workflows.PaymentsQueue, options)
	registerPayments(payments, &activities.LedgerSteps{Ledger: c.Ledger})

	watchers := worker.New(c.Temporal, workflows.WatchersQueue, options)
	registerWatchers(watchers, &activities.UpkeepSteps{
		Ledger: c.Ledger, Resume: c.Starter.Resume, Ensure: c.Starter.EnsureWatchers, OrphanAfter: time.Minute, Log: c.Log,
	}, c.dispatchSteps())

	all := []worker.Worker{payments, watchers, c.callbacks(options)}
	for name, node := range c.Nodes {
		nodeOptions := options
		nodeOptions.MaxConcurrentActivityExecutionSize = 200
		nodeOptions.DisableWorkflowWorker = true
		w := worker.New(c.Temporal, workflows.NodeQueue(name), nodeOptions)
		registerNode(w, c.nodeSteps(name, node), &activities.WatchSteps{
			Ledger: c.Ledger, Node: node, Name: name, Depth: c.Depth, Hint: c.Starter.Hint, Log: c.Log, Shift: 24 * time.Hour,
		})
		all = append(all, w)
	}
	return all
}

func (c Config) nodeSteps(name string, node lndclient.Node) *activities.NodeSteps {
	return &activities.NodeSteps{
		Ledger: c.Ledger, Node: node, Name: name, Network: c.Network, Timing: c.Timing, Depth: c.Depth, MaxFeeRate: c.MaxFeeRate,
		Now: time.Now, Log: c.Log,
		Compared: func(check step.Check) {
			about, _, _ := strings.Cut(check.Name, " ") // payments, invoices, deposits or funds; the rest names the node
			c.Metrics.Compared(name, about, check.OK, check.Difference, time.Now())
		},
	}
}

// ensureUpkeep starts what must run once in the fleet: a watcher per node, the dispatcher of callbacks, the reconcile schedule.
func (c Config) ensureUpkeep(ctx context.Context) error {
	if err := untilStarted(ctx, c.Log, func() error { return c.Starter.EnsureWatchers(ctx) }); err != nil {
		return err
	}
	return untilStarted(ctx, c.Log, func() error { return c.Starter.EnsureReconcile(ctx, c.Reconcile) })
}

// untilStarted retries while Temporal is away.
func untilStarted(ctx context.Context, log *slog.Logger, start func() error) error {
	const pause = 2 * time.Second
	for {
		err := start()
		if err == nil {
			return nil
		}
		log.Warn("waiting for Temporal", "error", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// stopAll stops the workers side by side: each may wait for its activities.
func stopAll(workers []worker.Worker) {
	var stopping sync.WaitGroup
	for _, w := range workers {
		stopping.Go(w.Stop)
	}
	stopping.Wait()
}

package main

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// observed is how a server process is watched.
type observed struct {
	registry *prometheus.Registry
	counts   *telemetry.Metrics
	traces   *telemetry.Traces
}

// observe sets a server process up to be watched. Connections that are opened after this are.
func (d *deps) observe(ctx context.Context, service, otlpEndpoint string) (observed, error) {
	o := observed{registry: prometheus.NewRegistry()}
	var err error
	if o.counts, err = telemetry.NewMetrics(o.registry); err != nil {
		return observed{}, err
	}
	if o.traces, err = telemetry.ExportTraces(ctx, otlpEndpoint, service); err != nil {
		return observed{}, err
	}
	d.observed = o
	return o, nil
}

// live asks the ledger at each scrape for what is in flight.
func (o observed) live(books *ledger.Ledger) error {
	return o.registry.Register(telemetry.LivePayments(func(ctx context.Context) ([]telemetry.Live, error) {
		rows, err := books.Live(ctx)
		live := make([]telemetry.Live, len(rows))
		for i, row := range rows {
			live[i] = telemetry.Live(row)
		}
		return live, err
	}))
}

// flush sends the spans that are left, for a moment.
func (o observed) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := o.traces.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-pay/holdfast/payment"
)

// Live counts the payments of one kind and state that have not ended.
type Live struct {
	Kind   payment.Kind
	State  payment.State
	Count  int64
	Oldest time.Duration // age of the oldest
}

// askWithin bounds the question that a scrape asks.
const askWithin = 2 * time.Second

// LivePayments asks for the payments in flight at every scrape. Every process of a fleet that has it tells the same:
// take the maximum, not the sum.
func LivePayments(ask func(ctx context.Context) ([]Live, error)) prometheus.Collector {
	describe := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
	}
	return &livePayments{
		ask:    ask,
		count:  describe("payments_live", "Payments that have not ended, by kind and state.", "kind", "state"),
		oldest: describe("payments_live_oldest_seconds", "Age of the oldest payment that has not ended.", "kind", "state"),
		up:     describe("ledger_up", "1 if the ledger answered this scrape."),
	}
}

type livePayments struct {
	ask               func(ctx context.Context) ([]Live, error)
	count, oldest, up *prometheus.Desc
}

// Describe names what Collect gives.
func (l *livePayments) Describe(to chan<- *prometheus.Desc) {
	to <- l.count
	to <- l.oldest
	to <- l.up
}

// Collect asks. Where there is no answer in time there is no number, rather than an old one.
func (l *livePayments) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askWithin)
	defer cancel()
	rows, err := l.ask(ctx)
	if err != nil {
		to <- prometheus.MustNewConstMetric(l.up, prometheus.GaugeValue, 0)
		return
	}
	to <- prometheus.MustNewConstMetric(l.up, prometheus.GaugeValue, 1)
	for _, row := range rows {
		labels := []string{string(row.Kind), string(row.State)}
		to <- prometheus.MustNewConstMetric(l.count, prometheus.GaugeValue, float64(row.Count), labels...)
		to <- prometheus.MustNewConstMetric(l.oldest, prometheus.GaugeValue, row.Oldest.Seconds(), labels...)
	}
}

package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/telemetry"
)

func TestMetrics(t *testing.T) {
	t.Parallel()
	m, registry := newMetrics(t)
	m.Started(payment.Lightning)
	m.Ended(payment.Lightning, payment.Outcome{State: payment.Settled})
	m.Ended(payment.Onchain, payment.Outcome{State: payment.Refused, Failure: &payment.Failure{
		Reason: payment.ReasonBudgetExceeded, Budget: &payment.BudgetShortfall{Window: payment.Weekly},
	}})
	m.Ended(payment.Lightning, payment.Outcome{State: payment.Refused, Failure: &payment.Failure{
		Reason: payment.ReasonAccountLimit, Budget: &payment.BudgetShortfall{Window: payment.Daily},
	}})
	m.RateLimited("payments", "key")
	m.HTTP("/graphql", "POST", 200, 30*time.Millisecond)
	m.HTTP("/graphqlws", "GET", 101, time.Hour)
	m.GraphQL("lnInvoicePaymentSend")
	m.GraphQLError("lnInvoicePaymentSend", "TRANSACTION_RESTRICTED")
	m.Compared("bank", "payments", false, 5_000, time.Unix(1_700_000_000, 0))
	m.Compared("bank", "funds", true, 0, time.Unix(1_700_000_000, 0))
	scraped := scrape(t, registry)
	wantLines(t, scraped,
		`holdfast_payments_started_total{kind="lightning"} 1`,
		`holdfast_payments_ended_total{kind="lightning",reason="",state="settled"} 1`,
		`holdfast_payments_ended_total{kind="onchain",reason="BUDGET_EXCEEDED",state="refused"} 1`,
		`holdfast_budget_refusals_total{of="key",window="weekly"} 1`,
		`holdfast_budget_refusals_total{of="account",window="daily"} 1`,
		`holdfast_rate_limited_total{class="payments",subject="key"} 1`,
		`holdfast_http_requests_total{method="POST",route="/graphql",status="200"} 1`,
		`holdfast_http_request_seconds_bucket{route="/graphql",le="0.05"} 1`,
		`holdfast_graphql_fields_total{field="lnInvoicePaymentSend"} 1`,
		`holdfast_graphql_errors_total{code="TRANSACTION_RESTRICTED",field="lnInvoicePaymentSend"} 1`,
		`holdfast_books_differ{check="payments",node="bank"} 1`,
		`holdfast_books_difference_msat{check="payments",node="bank"} 5000`,
		`holdfast_books_differ{check="funds",node="bank"} 0`,
		`holdfast_books_compared_timestamp_seconds{node="bank"} 1.7e+09`,
	)
	if strings.Contains(scraped, `holdfast_http_request_seconds_count{route="/graphqlws"}`) {
		t.Error("the life of a WebSocket was timed as a request")
	}
	for _, name := range []string{"holdfast_build_info{", "go_goroutines ", "process_open_fds "} {
		if !strings.Contains(scraped, "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	if _, err := telemetry.NewMetrics(registry); err == nil {
		t.Error("two sets of metrics share a registry")
	}
}

// Invariant 3: what is not measured breaks nothing.
func TestNoMetrics(t *testing.T) {
	t.Parallel()
	var m *telemetry.Metrics
	m.Started(payment.Lightning)
	m.Ended(payment.Lightning, payment.Outcome{Failure: &payment.Failure{Budget: &payment.BudgetShortfall{}}})
	m.RateLimited("a", "b")
	m.HTTP("a", "b", 1, 1)
	m.GraphQL("a")
	m.GraphQLError("a", "b")
	m.Compared("a", "b", true, 0, time.Now())
	var traces *telemetry.Traces
	if got, err := traces.Temporal(); got != nil || err != nil || traces.Shutdown(t.Context()) != nil {
		t.Errorf("traces that are off: %v, %v", got, err)
	}
	if got, err := telemetry.ExportTraces(t.Context(), "", "api"); got != nil || err != nil {
		t.Errorf("without an endpoint: %v, %v", got, err)
	}
}

func TestLivePayments(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	var fail error
	registry := prometheus.NewRegistry()
	registry.MustRegister(telemetry.LivePayments(func(ctx context.Context) ([]telemetry.Live, error) {
		if until, bounded := ctx.Deadline(); !bounded || time.Until(until) > 3*time.Second {
			t.Error("the question is not bounded")
		}
		return []telemetry.Live{
			{Kind: payment.Lightning, State: payment.Pending, Count: 3, Oldest: 90 * time.Second},
			{Kind: payment.Lightning, State: payment.Reserved, Count: 1, Oldest: time.Second},
		}, fail
	}))
	wantLines(t, scrape(t, registry), `holdfast_payments_live{kind="lightning",state="pending"} 3`,
		`holdfast_payments_live_oldest_seconds{kind="lightning",state="pending"} 90`, `holdfast_payments_live{kind="lightning",state="reserved"} 1`, `holdfast_ledger_up 1`)
	fail = away
	scraped := scrape(t, registry)
	wantLines(t, scraped, `holdfast_ledger_up 0`)
	if strings.Contains(scraped, "payments_live{") {
		t.Error("old numbers are told while the ledger is away")
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	_, registry := newMetrics(t)
	var log lines
	at, stop, err := telemetry.Serve(t.Context(), "127.0.0.1:0", registry, newLog(&log))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := telemetry.Serve(t.Context(), at, registry, newLog(&log)); err == nil {
		t.Error("one address was served twice")
	}
	stop()
	if log.String() != "" {
		t.Errorf("stopping is no error: %s", &log)
	}
}

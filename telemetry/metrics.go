package telemetry

import (
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/holdfast-pay/holdfast/payment"
)

// Metrics is all that a process counts. docs/operations.md says what each is good for. A nil *Metrics counts nothing.
type Metrics struct {
	started  *prometheus.CounterVec   // kind
	ended    *prometheus.CounterVec   // kind, state, reason
	broken   *prometheus.CounterVec   // workflow
	steps    *prometheus.HistogramVec // step, result
	refusals *prometheus.CounterVec   // of, window

	lndCalls   *prometheus.CounterVec   // node, method, code
	lndSeconds *prometheus.HistogramVec // node, method

	httpRequests *prometheus.CounterVec   // route, method, status
	httpSeconds  *prometheus.HistogramVec // route
	graphql      *prometheus.CounterVec   // field
	graphqlError *prometheus.CounterVec   // field, code
	grpcRequests *prometheus.CounterVec   // method, code
	grpcSeconds  *prometheus.HistogramVec // method
	rateLimited  *prometheus.CounterVec   // class, subject

	differs     *prometheus.GaugeVec // node, check
	differsMsat *prometheus.GaugeVec // node, check
	comparedAt  *prometheus.GaugeVec // node
}

// Latencies from a transaction in Postgres to a payment that waits for its route.
func buckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// NewMetrics registers everything at a registry, with what Go and the process tell about themselves.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	r := registration{registry: registry}
	m := &Metrics{
		started:  r.counter("payments_started_total", "Payments whose saga began, by kind.", "kind"),
		ended:    r.counter("payments_ended_total", "Payments that ended, by kind, final state and reason.", "kind", "state", "reason"),
		broken:   r.counter("workflows_failed_total", "Workflows that ended with an error: each is a defect.", "workflow"),
		steps:    r.histogram("step_seconds", "Duration of one attempt of a saga's step; Reserve is admission.", "step", "result"),
		refusals: r.counter("budget_refusals_total", "Payments refused by the limit of an API key or an account, by window. Normal business.", "of", "window"),

		lndCalls:   r.counter("lnd_calls_total", "Calls and streams to LND, by the gRPC code that ended them; Closed: by us.", "node", "method", "code"),
		lndSeconds: r.histogram("lnd_call_seconds", "Duration of calls to LND; streams are not timed.", "node", "method"),

		httpRequests: r.counter("http_requests_total", "HTTP requests, by route and status.", "route", "method", "status"),
		httpSeconds:  r.histogram("http_request_seconds", "Duration of HTTP requests.", "route"),
		graphql:      r.counter("graphql_fields_total", "Top-level fields of GraphQL that were asked for.", "field"),
		graphqlError: r.counter("graphql_errors_total", "Errors told by GraphQL, of payloads and at the top, by their code.", "field", "code"),
		grpcRequests: r.counter("grpc_requests_total", "gRPC calls and streams, by code.", "method", "code"),
		grpcSeconds:  r.histogram("grpc_request_seconds", "Duration of gRPC calls; streams are not timed.", "method"),
		rateLimited:  r.counter("rate_limited_total", "Requests refused by a rate limit. Normal business.", "class", "subject"),

		differs:     r.gauge("books_differ", "1 where the last comparison of the ledger with a node found a difference.", "node", "check"),
		differsMsat: r.gauge("books_difference_msat", "What that difference comes to, in msat.", "node", "check"),
		comparedAt:  r.gauge("books_compared_timestamp_seconds", "When the ledger was last compared with a node.", "node"),
	}
	r.add(collectors.NewGoCollector())
	r.add(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.add(buildInfo())
	return m, r.err
}

// registration builds and registers, and keeps the first error.
type registration struct {
	registry prometheus.Registerer
	err      error
}

const namespace = "holdfast"

func (r *registration) add(c prometheus.Collector) {
	if err := r.registry.Register(c); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *registration) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.add(c)
	return c
}

func (r *registration) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	r.add(g)
	return g
}

func (r *registration) histogram(name, help string, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets()}, labels)
	r.add(h)
	return h
}

func buildInfo() prometheus.Collector {
	version, revision, goVersion := Build()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "go": goVersion},
	}, func() float64 { return 1 })
}

// Build says what runs: the module's version, the commit, and Go's version.
func Build() (version, revision, goVersion string) {
	version, revision = "unknown", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision, "unknown"
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return version, revision, info.GoVersion
}

// Started counts a payment whose saga begins.
func (m *Metrics) Started(kind payment.Kind) {
	if m != nil {
		m.started.WithLabelValues(string(kind)).Inc()
	}
}

// Ended counts a payment that has ended, and the window of the limit that refused it.
func (m *Metrics) Ended(kind payment.Kind, outcome payment.Outcome) {
	if m == nil {
		return
	}
	reason := ""
	if outcome.Failure != nil {
		reason = string(outcome.Failure.Reason)
		if outcome.Failure.Budget != nil {
			of := "key"
			if outcome.Failure.Reason == payment.ReasonAccountLimit {
				of = "account"
			}
			m.refusals.WithLabelValues(of, string(outcome.Failure.Budget.Window)).Inc()
		}
	}
	m.ended.WithLabelValues(string(kind), string(outcome.State), reason).Inc()
}

// RateLimited counts a request refused by a rate limit.
func (m *Metrics) RateLimited(class, subject string) {
	if m != nil {
		m.rateLimited.WithLabelValues(class, subject).Inc()
	}
}

// switchingProtocols is the status of a request that became a WebSocket: how long that stays open is no latency.
const switchingProtocols = 101

// HTTP counts and times a request. The route is the pattern, never the path.
func (m *Metrics) HTTP(route, method string, status int, took time.Duration) {
	if m == nil {
		return
	}
	m.httpRequests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	if status != switchingProtocols {
		m.httpSeconds.WithLabelValues(route).Observe(took.Seconds())
	}
}

// GraphQL counts a top-level field that was asked for.
func (m *Metrics) GraphQL(field string) {
	if m != nil {
		m.graphql.WithLabelValues(field).Inc()
	}
}

// GraphQLError counts an error that was told, by the code that clients switch on.
func (m *Metrics) GraphQLError(field, code string) {
	if m != nil {
		m.graphqlError.WithLabelValues(field, code).Inc()
	}
}

// Compared notes one comparison of the ledger with a node: whether they differ, and by how much.
func (m *Metrics) Compared(node, check string, ok bool, difference payment.Msat, at time.Time) {
	if m == nil {
		return
	}
	differs := 0.0
	if !ok {
		differs = 1
	}
	m.differs.WithLabelValues(node, check).Set(differs)
	m.differsMsat.WithLabelValues(node, check).Set(float64(difference))
	m.comparedAt.WithLabelValues(node).Set(float64(at.UnixMilli()) / 1000)
}

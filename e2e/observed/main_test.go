package observed_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
	"github.com/holdfast-pay/holdfast/worker"
	"github.com/holdfast-pay/holdfast/workflows"
)

func TestMain(m *testing.M) {
	devnettest.Main(m, devnet.Config{SearchAttributes: workflows.SearchAttributeTypes()})
}

// within bounds every wait.
const within = 90 * time.Second

// process is what one process shows: its log, its metrics, and the spans of all.
type process struct {
	log      lines
	registry *prometheus.Registry
	counts   *telemetry.Metrics
	traces   *telemetry.Traces
	temporal client.Client
	books    *ledger.Ledger
	door     *starter.Starter
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// with gives the lines that contain all parts.
func (l *lines) with(parts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for line := range strings.SplitSeq(l.text.String(), "\n") {
		found := line != ""
		for _, part := range parts {
			found = found && strings.Contains(line, part)
		}
		if found {
			out = append(out, line)
		}
	}
	return out
}

func (p *process) logger() *slog.Logger {
	return slog.New(telemetry.LogHandler(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
}

// startProcess connects as cmd/holdfast does.
func startProcess(t *testing.T, spans *tracetest.InMemoryExporter) *process {
	t.Helper()
	env := devnettest.Net(t).Env()
	p := &process{registry: prometheus.NewRegistry(), traces: telemetry.NewTraces(sdktrace.WithSyncer(spans))}
	var err error
	p.counts, err = telemetry.NewMetrics(p.registry)
	must(t, err)
	tracing, err := p.traces.Temporal()
	must(t, err)
	p.temporal, err = client.NewLazyClient(client.Options{
		HostPort: env["TEMPORAL_ADDRESS"], Logger: sdklog.NewStructuredLogger(p.logger()),
		ContextPropagators: []workflow.ContextPropagator{telemetry.Propagator()}, Interceptors: tracing,
	})
	must(t, err)
	t.Cleanup(p.temporal.Close)
	p.books, err = ledger.Open(t.Context(), env["DATABASE_URL"])
	must(t, err)
	t.Cleanup(p.books.Close)
	must(t, p.registry.Register(telemetry.LivePayments(func(ctx context.Context) ([]telemetry.Live, error) {
		rows, err := p.books.Live(ctx)
		live := make([]telemetry.Live, len(rows))
		for i, row := range rows {
			live[i] = telemetry.Live(row)
		}
		return live, err
	})))
	p.door = starter.New(p.temporal, p.books, starter.DefaultConfig(lndclient.Regtest, []string{"bank"}), p.logger())
	return p
}

// serveAPI starts the frame with a door that pays the invoice in its body, for a wallet.
func serveAPI(t *testing.T, p *process, caller starter.Caller, wallet payment.WalletID) *api.Server {
	t.Helper()
	server, err := api.Start(context.Background(), api.Config{
		HTTP: "127.0.0.1:0", Log: p.logger(), Counts: p.counts, Traces: p.traces,
		Ready: []api.Dependency{{Name: "postgres", Check: p.books.Ping}, {Name: "temporal", Check: p.door.Reachable}, {Name: "workers", Check: p.door.Served}},
		GraphQL: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			invoice, err := io.ReadAll(r.Body)
			if err == nil {
				var row ledger.Payment
				row, err = p.door.PayInvoice(r.Context(), starter.PayInvoice{Caller: caller, WalletID: wallet, Invoice: string(invoice)})
				_, _ = w.Write([]byte(row.State))
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}),
	})
	must(t, err)
	t.Cleanup(func() { must(t, server.Stop(context.Background())) })
	return server
}

// serveWorker runs a worker until the returned function is called.
func serveWorker(t *testing.T, p *process) (stop func()) {
	t.Helper()
	env := devnettest.Net(t).Env()
	bank, err := lndclient.New(lndclient.Config{
		Name: "bank", Address: env["LND_BANK_RPC"], TLSCertPath: env["LND_BANK_TLS"], MacaroonPath: env["LND_BANK_MACAROON"], Network: lndclient.Regtest,
		Observe: telemetry.LND("bank", p.counts, p.traces, p.logger()),
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, worker.Config{
			Temporal: p.temporal, Ledger: p.books, Starter: p.door, Nodes: map[string]lndclient.Node{"bank": bank}, Network: lndclient.Regtest,
			Metrics: p.counts, Reconcile: 2 * time.Second, Log: p.logger(),
		})
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		must(t, bank.Close())
	})
	t.Cleanup(stop)
	return stop
}

// fund gives a wallet of an account some money from outside.
func fund(t *testing.T, p *process, wallet ledger.Wallet, sat int64) {
	t.Helper()
	net := devnettest.Net(t)
	address, err := p.door.CreateAddress(t.Context(), wallet.AccountID, wallet.ID)
	must(t, err)
	_, err = net.Send(t.Context(), "alice", address, sat)
	must(t, err)
	must(t, net.Mine(t.Context(), 1))
	eventually(t, "the deposit", func() bool {
		w, err := p.books.Wallet(t.Context(), wallet.ID)
		return err == nil && w.Balance == payment.Sat(sat).MustMsat()
	})
}

func newWallet(t *testing.T, p *process) ledger.Wallet {
	t.Helper()
	wallet, err := p.books.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: uuid.New(), Name: "w", Currency: payment.BTC})
	must(t, err)
	return wallet
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

package telemetry_test

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/holdfast-pay/holdfast/telemetry"
)

// A call from our client to our server: both sides count it, log it with one request id, and are one trace.
func TestCallsAreObserved(t *testing.T) {
	t.Parallel()
	var clientLog, serverLog lines
	counts, registry := newMetrics(t)
	spans := tracetest.NewInMemoryExporter()
	traces := telemetry.NewTraces(sdktrace.WithSyncer(spans))
	var seen atomic.Value
	options := append(telemetry.GRPCServer(counts, traces, newLog(&serverLog)), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			seen.Store(telemetry.RequestID(ctx))
			return next(ctx, req)
		}))
	conn := serveHealth(t, options, telemetry.LND("bank", counts, traces, newLog(&clientLog)))
	client := grpc_health_v1.NewHealthClient(conn)

	ctx, span := traces.Tracer("test").Start(telemetry.WithRequestID(t.Context(), "req-1"), "root")
	if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	_, _ = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "unknown"})
	watchCtx, stop := context.WithCancel(ctx)
	watch, err := client.Watch(watchCtx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	stop()
	for !strings.Contains(clientLog.String(), "code=Closed") { // nobody reads on
		if t.Context().Err() != nil {
			t.Fatal("the end of the stream was not noticed")
		}
		runtime.Gosched()
	}
	span.End()

	wantLines(t, scrape(t, registry),
		`holdfast_lnd_calls_total{code="OK",method="Check",node="bank"} 1`,
		`holdfast_lnd_calls_total{code="NotFound",method="Check",node="bank"} 1`,
		`holdfast_lnd_calls_total{code="Closed",method="Watch",node="bank"} 1`,
		`holdfast_lnd_call_seconds_count{method="Check",node="bank"} 2`,
		`holdfast_grpc_requests_total{code="OK",method="/grpc.health.v1.Health/Check"} 1`,
		`holdfast_grpc_request_seconds_count{method="/grpc.health.v1.Health/Check"} 2`,
	)
	if seen.Load() != "req-1" {
		t.Errorf("the server saw the request id %q", seen.Load())
	}
	for name, log := range map[string]string{"client": clientLog.String(), "server": serverLog.String()} {
		if !strings.Contains(log, "request_id=req-1") || !strings.Contains(log, "code=NotFound") {
			t.Errorf("the %s's log: %s", name, log)
		}
	}
	root := span.SpanContext().TraceID()
	kinds := map[string]int{}
	for _, s := range spans.GetSpans() {
		if s.SpanContext.TraceID() != root {
			t.Errorf("%s is of another trace", s.Name)
		}
		kinds[s.SpanKind.String()]++
	}
	if kinds["client"] < 3 || kinds["server"] < 2 {
		t.Errorf("spans: %v", kinds)
	}
}

// A caller's id that is not sane is replaced.
func TestGRPCRequestID(t *testing.T) {
	t.Parallel()
	var log lines
	var seen atomic.Value
	options := append(telemetry.GRPCServer(nil, nil, newLog(&log)), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			seen.Store(telemetry.RequestID(ctx))
			return next(ctx, req)
		}))
	client := grpc_health_v1.NewHealthClient(serveHealth(t, options, nil))
	for given, kept := range map[string]bool{"mine-1": true, "": false, "two words": false} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", given)
		if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		if id, _ := seen.Load().(string); id == "" || (id == given) != kept || !strings.Contains(log.String(), "request_id="+id) {
			t.Errorf("%q: the server saw %q", given, id)
		}
	}
}

func serveHealth(t *testing.T, server []grpc.ServerOption, client []grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	s := grpc.NewServer(server...)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///test", append(client, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); s.Stop() })
	return conn
}

func TestLogHandler(t *testing.T) {
	t.Parallel()
	var to lines
	log := newLog(&to)
	traces := telemetry.NewTraces()
	ctx, span := traces.Tracer("test").Start(telemetry.WithRequestID(context.Background(), "req-2"), "root")
	defer span.End()
	log.With("a", 1).InfoContext(ctx, "one")
	slog.New(telemetry.LogHandler(log.Handler())).InfoContext(ctx, "two") // wrapped once, however often
	log.Info("three")
	got := strings.Split(strings.TrimSpace(to.String()), "\n")
	trace := "request_id=req-2 trace_id=" + span.SpanContext().TraceID().String()
	for i, want := range []string{"msg=one a=1 " + trace, "msg=two " + trace, "msg=three"} {
		if len(got) != 3 || !strings.HasSuffix(got[i], want) {
			t.Errorf("got %q, want %q at the end", got[i], want)
		}
	}
}

package telemetry_test

import (
	"context"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/holdfast-pay/holdfast/telemetry"
)

// A call from our client to our server: both sides count it, and are one trace; LND's side is logged with the request id,
// and sent it.
func TestCallsAreObserved(t *testing.T) {
	t.Parallel()
	var log lines
	counts, registry := newMetrics(t)
	spans := tracetest.NewInMemoryExporter()
	traces := telemetry.NewTraces(sdktrace.WithSyncer(spans))
	var seen atomic.Value
	options := append(telemetry.GRPCServer(counts, traces), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if strings.HasSuffix(info.FullMethod, "/List") {
				return nil, status.Error(codes.PermissionDenied, "refused by an interceptor")
			}
			seen.Store(metadata.ValueFromIncomingContext(ctx, "x-request-id"))
			return next(ctx, req)
		}))
	conn := serveHealth(t, options, telemetry.LND("bank", counts, traces, newLog(&log)))
	ctx, span := traces.Tracer("test").Start(telemetry.WithRequestID(t.Context(), "req-1"), "root")
	callAll(ctx, t, conn, &log)
	span.End()

	for deadline := time.Now().Add(5 * time.Second); strings.Count(scrape(t, registry), "\nholdfast_grpc_requests_total{") < 4 && time.Now().Before(deadline); {
		runtime.Gosched() // the server counts after it has answered
	}
	if scraped := scrape(t, registry); strings.Contains(scraped, `method="/no.such`) {
		t.Error("a method that does not exist has become a label")
	}
	wantLines(t, scrape(t, registry),
		`holdfast_lnd_calls_total{code="OK",method="Check",node="bank"} 1`,
		`holdfast_lnd_calls_total{code="NotFound",method="Check",node="bank"} 1`,
		`holdfast_lnd_calls_total{code="Closed",method="Watch",node="bank"} 1`,
		`holdfast_lnd_call_seconds_count{method="Check",node="bank"} 2`,
		`holdfast_grpc_requests_total{code="OK",method="/grpc.health.v1.Health/Check"} 1`,
		`holdfast_grpc_requests_total{code="PermissionDenied",method="/grpc.health.v1.Health/List"} 1`,
		`holdfast_grpc_requests_total{code="Canceled",method="/grpc.health.v1.Health/Watch"} 1`,
		`holdfast_grpc_request_seconds_count{method="/grpc.health.v1.Health/Check"} 2`,
	)
	if ids, _ := seen.Load().([]string); len(ids) != 1 || ids[0] != "req-1" {
		t.Errorf("the server was sent the request ids %q", ids)
	}
	if text := log.String(); !strings.Contains(text, "request_id=req-1") || !strings.Contains(text, "code=NotFound") {
		t.Errorf("the log: %s", text)
	}
	kinds := map[string]int{}
	for _, s := range spans.GetSpans() {
		if s.SpanContext.TraceID() != span.SpanContext().TraceID() {
			t.Errorf("%s is of another trace", s.Name)
		}
		kinds[s.SpanKind.String()]++
	}
	if kinds["client"] < 3 || kinds["server"] < 2 {
		t.Errorf("spans: %v", kinds)
	}
}

// callAll makes a call that succeeds, one that fails, and a stream that is given up.
func callAll(ctx context.Context, t *testing.T, conn *grpc.ClientConn, log *lines) {
	t.Helper()
	client := grpc_health_v1.NewHealthClient(conn)
	if _, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Fatal(err)
	}
	_, _ = client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "unknown"})
	_, _ = client.List(ctx, &grpc_health_v1.HealthListRequest{})
	if err := conn.Invoke(ctx, "/no.such.Service/Method", &grpc_health_v1.HealthCheckRequest{}, &grpc_health_v1.HealthCheckResponse{}); err == nil {
		t.Fatal("a method that does not exist was served")
	}
	watchCtx, stop := context.WithCancel(ctx)
	watch, err := client.Watch(watchCtx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	stop()
	for !strings.Contains(log.String(), "code=Closed") { // nobody reads on
		if t.Context().Err() != nil {
			t.Fatal("the end of the stream was not noticed")
		}
		runtime.Gosched()
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

package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	temporalotel "go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"
	"google.golang.org/grpc"
)

// Traces is where spans go. A nil *Traces drops them: traces are off.
type Traces struct {
	provider *sdktrace.TracerProvider
}

// ExportTraces sends spans to an OTLP/gRPC endpoint, a URL; https means TLS. An empty one turns traces off: the answer is
// nil. The service is the name of the process: api or worker. It does not connect: an endpoint that is away costs spans.
func ExportTraces(ctx context.Context, endpoint, service string) (*Traces, error) {
	if endpoint == "" {
		return nil, nil
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(endpoint))
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	version, _, _ := Build()
	about := resource.NewSchemaless(attribute.String("service.name", "holdfast-"+service), attribute.String("service.version", version))
	return NewTraces(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), nil
}

// NewTraces sends spans where the options say.
func NewTraces(options ...sdktrace.TracerProviderOption) *Traces {
	return &Traces{provider: sdktrace.NewTracerProvider(options...)}
}

// Shutdown sends what is left.
func (t *Traces) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Tracer makes the spans of a part of ours.
func (t *Traces) Tracer(part string) trace.Tracer {
	if t == nil {
		return noop.NewTracerProvider().Tracer(part)
	}
	return t.provider.Tracer("github.com/holdfast-pay/holdfast/" + part)
}

// Propagator reads and writes the W3C headers.
func (t *Traces) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }

// Temporal makes spans of workflows and activities, for client.Options of every process; nil where traces are off.
func (t *Traces) Temporal() ([]interceptor.ClientInterceptor, error) {
	if t == nil {
		return nil, nil
	}
	tracing, err := temporalotel.NewTracingInterceptor(temporalotel.TracerOptions{
		Tracer: t.Tracer("temporal"), TextMapPropagator: t.Propagator(), AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return []interceptor.ClientInterceptor{tracing}, nil
}

func (t *Traces) grpcClient() []grpc.DialOption {
	if t == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithStatsHandler(otelgrpc.NewClientHandler(t.grpcOptions()...))}
}

func (t *Traces) grpcServer() []grpc.ServerOption {
	if t == nil {
		return nil
	}
	return []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(t.grpcOptions()...))}
}

func (t *Traces) grpcOptions() []otelgrpc.Option {
	return []otelgrpc.Option{otelgrpc.WithTracerProvider(t.provider), otelgrpc.WithPropagators(t.Propagator())}
}

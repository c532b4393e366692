package telemetry

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// GRPCServer observes the calls of our own gRPC listener: each has a request id, the caller's if it is sane, and is
// counted, timed, logged at info and traced. It goes first into the chain of interceptors.
func GRPCServer(m *Metrics, traces *Traces, log *slog.Logger) []grpc.ServerOption {
	o := grpcCalls{metrics: m, log: log}
	return append(traces.grpcServer(), grpc.ChainUnaryInterceptor(o.call), grpc.ChainStreamInterceptor(o.stream))
}

type grpcCalls struct {
	metrics *Metrics
	log     *slog.Logger
}

func (o grpcCalls) call(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx = identified(ctx)
	began := time.Now()
	answer, err := next(ctx, req)
	took := time.Since(began)
	if o.metrics != nil {
		o.metrics.grpcSeconds.WithLabelValues(info.FullMethod).Observe(took.Seconds())
	}
	o.ended(ctx, info.FullMethod, err, took)
	return answer, err
}

func (o grpcCalls) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	ctx := identified(stream.Context())
	began := time.Now()
	err := next(srv, identifiedStream{stream, ctx})
	o.ended(ctx, info.FullMethod, err, time.Since(began))
	return err
}

func (o grpcCalls) ended(ctx context.Context, method string, err error, took time.Duration) {
	code := status.Code(err).String()
	if o.metrics != nil {
		o.metrics.grpcRequests.WithLabelValues(method, code).Inc()
	}
	o.log.InfoContext(ctx, "gRPC call", "method", method, "code", code, "took", took.Round(time.Microsecond))
}

// identified takes the request id of the caller's metadata, or makes one.
func identified(ctx context.Context) context.Context {
	if given := metadata.ValueFromIncomingContext(ctx, requestIDMetadata); len(given) == 1 && SaneRequestID(given[0]) {
		return WithRequestID(ctx, given[0])
	}
	return WithRequestID(ctx, NewRequestID())
}

type identifiedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context has the request id.
func (s identifiedStream) Context() context.Context { return s.ctx }

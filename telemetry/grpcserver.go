package telemetry

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// GRPCServer observes the calls of our own gRPC listener: it counts, times and traces them. It goes first into the chain of
// interceptors, so that calls which others refuse are counted too.
func GRPCServer(m *Metrics, traces *Traces) []grpc.ServerOption {
	o := grpcCalls{metrics: m}
	return append(traces.grpcServer(), grpc.ChainUnaryInterceptor(o.call), grpc.ChainStreamInterceptor(o.stream))
}

type grpcCalls struct{ metrics *Metrics }

func (o grpcCalls) call(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	began := time.Now()
	answer, err := next(ctx, req)
	if o.metrics != nil {
		o.metrics.grpcSeconds.WithLabelValues(info.FullMethod).Observe(time.Since(began).Seconds())
	}
	o.ended(info.FullMethod, err)
	return answer, err
}

func (o grpcCalls) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	err := next(srv, stream)
	o.ended(info.FullMethod, err)
	return err
}

func (o grpcCalls) ended(method string, err error) {
	if o.metrics != nil {
		o.metrics.grpcRequests.WithLabelValues(method, status.Code(err).String()).Inc()
	}
}

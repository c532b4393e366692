package telemetry

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// GRPCServer observes the calls of our own gRPC listener: it counts, times and traces them, also those that an interceptor
// refuses.
func GRPCServer(m *Metrics, traces *Traces) []grpc.ServerOption {
	return append(traces.grpcServer(), grpc.StatsHandler(grpcCalls{metrics: m}))
}

type grpcCalls struct{ metrics *Metrics }

type grpcCallKey struct{}

// grpcCall is one call, as far as it is known before it ends.
type grpcCall struct {
	method string
	stream bool
}

// TagRPC notes what is called.
func (grpcCalls) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, grpcCallKey{}, &grpcCall{method: info.FullMethodName})
}

// HandleRPC counts a call at its end. What is not registered has no end here, so that a method's label is never a text of
// the client's.
func (o grpcCalls) HandleRPC(ctx context.Context, event stats.RPCStats) {
	call, ok := ctx.Value(grpcCallKey{}).(*grpcCall)
	if !ok || o.metrics == nil {
		return
	}
	switch event := event.(type) {
	case *stats.Begin:
		call.stream = event.IsClientStream || event.IsServerStream
	case *stats.End:
		o.metrics.grpcRequests.WithLabelValues(call.method, status.Code(event.Error).String()).Inc()
		if !call.stream {
			o.metrics.grpcSeconds.WithLabelValues(call.method).Observe(event.EndTime.Sub(event.BeginTime).Seconds())
		}
	}
}

// TagConn leaves connections alone.
func (grpcCalls) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn leaves them alone.
func (grpcCalls) HandleConn(context.Context, stats.ConnStats) {}

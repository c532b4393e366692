package telemetry

import (
	"context"
	"io"
	"log/slog"
	"path"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// requestIDMetadata tells what stands before LND which request a call belongs to.
const requestIDMetadata = "x-request-id"

// LND observes the calls to a node: it counts and times them, logs them at debug with the request's id, and traces them.
// It sees no message of them.
func LND(node string, m *Metrics, traces *Traces, log *slog.Logger) []grpc.DialOption {
	o := lndCalls{node: node, metrics: m, log: log}
	return append(traces.grpcClient(), grpc.WithChainUnaryInterceptor(o.call), grpc.WithChainStreamInterceptor(o.stream))
}

type lndCalls struct {
	node    string
	metrics *Metrics
	log     *slog.Logger
}

func (o lndCalls) call(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	began := time.Now()
	err := invoke(withRequestID(ctx), method, req, reply, conn, opts...)
	took := time.Since(began)
	if o.metrics != nil {
		o.metrics.lndSeconds.WithLabelValues(o.node, path.Base(method)).Observe(took.Seconds())
	}
	o.ended(ctx, method, err, took)
	return err
}

func (o lndCalls) stream(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	began := time.Now()
	stream, err := open(withRequestID(ctx), desc, conn, method, opts...)
	if err != nil {
		o.ended(ctx, method, err, time.Since(began))
		return nil, err
	}
	return &observedStream{ClientStream: stream, ended: func(err error) { o.ended(ctx, method, err, time.Since(began)) }}, nil
}

func (o lndCalls) ended(ctx context.Context, method string, err error, took time.Duration) {
	code := status.Code(err).String()
	if o.metrics != nil {
		o.metrics.lndCalls.WithLabelValues(o.node, path.Base(method), code).Inc()
	}
	o.log.DebugContext(ctx, "called LND", "node", o.node, "method", path.Base(method), "code", code, "took", took.Round(time.Microsecond))
}

// observedStream notes how a stream ends. One that its caller gives up ends by its context, which RecvMsg reports if it
// is asked; otherwise it is not counted.
type observedStream struct {
	grpc.ClientStream
	once  sync.Once
	ended func(error)
}

// RecvMsg notes the end.
func (s *observedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		s.once.Do(func() {
			if err == io.EOF { //nolint:errorlint // grpc gives it bare
				s.ended(nil)
				return
			}
			s.ended(err)
		})
	}
	return err
}

func withRequestID(ctx context.Context) context.Context {
	if id := RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, requestIDMetadata, id)
	}
	return ctx
}

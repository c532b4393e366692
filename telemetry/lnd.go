package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
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
	observed := &observedStream{ClientStream: stream}
	observed.ended = func(code string) { o.note(ctx, method, code, time.Since(began)) }
	context.AfterFunc(ctx, func() { observed.once.Do(func() { observed.ended(closedByUs) }) })
	return observed, nil
}

// closedByUs is the code of a stream whose caller had heard enough, like that of a payment after LND's final word.
const closedByUs = "Closed"

func (o lndCalls) ended(ctx context.Context, method string, err error, took time.Duration) {
	o.note(ctx, method, status.Code(err).String(), took)
}

func (o lndCalls) note(ctx context.Context, method, code string, took time.Duration) {
	if o.metrics != nil {
		o.metrics.lndCalls.WithLabelValues(o.node, path.Base(method), code).Inc()
	}
	o.log.DebugContext(ctx, "called LND", "node", o.node, "method", path.Base(method), "code", code, "took", took.Round(time.Microsecond))
}

// observedStream notes how a stream ends: by LND's answer, or by its caller.
type observedStream struct {
	grpc.ClientStream
	once  sync.Once
	ended func(code string)
}

// RecvMsg notes the end.
func (s *observedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil {
		return nil
	}
	s.once.Do(func() {
		if errors.Is(err, io.EOF) {
			s.ended(codes.OK.String())
			return
		}
		s.ended(status.Code(err).String())
	})
	return err
}

func withRequestID(ctx context.Context) context.Context {
	if id := RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, requestIDMetadata, id)
	}
	return ctx
}

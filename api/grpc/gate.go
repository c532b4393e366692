package grpcapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// Metadata of a call. The request id is taken from the caller if it is sane, and always answered.
const (
	metaRequestID     = "x-request-id"
	metaAuthorization = "authorization"
)

// MinToken is the shortest secret that is taken, in bytes: what a caller cannot guess.
const MinToken = 20

// gate is what every call passes on its way in and out.
type gate struct {
	cfg   Config
	token [32]byte // SHA-256, so that comparing takes the same time for every length

	watches watches
}

func (g *gate) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	ctx, cancel := g.bounded(ctx, g.cfg.Deadlines.Default, g.cfg.Deadlines.Most)
	defer cancel()
	err = g.pass(ctx, info.FullMethod, func(ctx context.Context) (err error) {
		if err := g.limited(ctx, req); err != nil {
			return err
		}
		answer, err = handler(ctx, req)
		return err
	})
	return answer, err
}

func (g *gate) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, cancel := g.bounded(stream.Context(), g.cfg.Deadlines.Stream, g.cfg.Deadlines.Stream)
	defer cancel()
	defer context.AfterFunc(g.cfg.Stopping, cancel)()
	return g.pass(ctx, info.FullMethod, func(ctx context.Context) error {
		end, err := g.watching(ctx, info.FullMethod)
		if err != nil {
			return err
		}
		defer end()
		return handler(srv, &gatedStream{ServerStream: stream, ctx: ctx, gate: g})
	})
}

// gatedStream is a stream with our context, whose requests are limited like those of other calls.
type gatedStream struct {
	grpc.ServerStream
	ctx  context.Context
	gate *gate
}

func (s *gatedStream) Context() context.Context { return s.ctx }

func (s *gatedStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	return s.gate.limited(s.ctx, m)
}

// bounded gives a call its deadline: the client's, but at most ours; without one, the default.
func (g *gate) bounded(ctx context.Context, otherwise, most time.Duration) (context.Context, context.CancelFunc) {
	if _, given := ctx.Deadline(); !given {
		most = min(most, otherwise)
	}
	return context.WithTimeout(ctx, most)
}

// pass names the request, admits it, makes the call, and says in status and log what came of it.
func (g *gate) pass(ctx context.Context, method string, call func(context.Context) error) error {
	began := g.cfg.Clock()
	id := requestID(ctx)
	ctx = telemetry.WithRequestID(ctx, id)
	_ = grpc.SetHeader(ctx, metadata.Pairs(metaRequestID, id)) // fails only where there is no transport, in which case nobody reads it
	err := g.admit(ctx, method)
	if err == nil {
		err = g.recovered(ctx, method, call)
	}
	answer := g.statusOf(ctx, err)
	g.log(ctx, method, answer, err, g.cfg.Clock().Sub(began))
	return answer.Err()
}

func requestID(ctx context.Context) string {
	if given := metadata.ValueFromIncomingContext(ctx, metaRequestID); len(given) == 1 && telemetry.SaneRequestID(given[0]) {
		return given[0]
	}
	return telemetry.NewRequestID()
}

// recovered turns a panic into INTERNAL: one call ends, not the process.
func (g *gate) recovered(ctx context.Context, method string, call func(context.Context) error) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			g.cfg.Log.ErrorContext(ctx, "a call panicked", "method", method, "panic", panicked, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", panicked)
		}
	}()
	return call(ctx)
}

// admit asks for the token. Health is for probes that have none.
func (g *gate) admit(ctx context.Context, method string) error {
	if g.cfg.Token == "" || strings.HasPrefix(method, "/"+healthv1.Health_ServiceDesc.ServiceName+"/") {
		return nil
	}
	if g.showsToken(ctx) {
		return nil
	}
	class := limit.Anonymous
	if len(metadata.ValueFromIncomingContext(ctx, metaAuthorization)) > 0 {
		class = limit.Credentials
	}
	if err := g.allow(ctx, class, limit.Address(clientAddress(ctx))); err != nil {
		return err
	}
	return status.Error(codes.Unauthenticated, "Present the server's token: authorization: Bearer <token>.")
}

// showsToken compares what the caller shows.
func (g *gate) showsToken(ctx context.Context) bool {
	given := metadata.ValueFromIncomingContext(ctx, metaAuthorization)
	if len(given) != 1 {
		return false
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	hash := sha256.Sum256([]byte(token))
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare(hash[:], g.token[:]) == 1
}

// clientAddress is where a call comes from, for limits.
func clientAddress(ctx context.Context) string {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return "unknown"
	}
	parsed, err := netip.ParseAddrPort(from.Addr.String())
	if err != nil {
		return "unknown"
	}
	return limit.ClientOf(parsed.Addr())
}

// log writes one line per call. A refusal is normal business; only what is wrong here is an error. Neither requests nor
// answers are logged.
func (g *gate) log(ctx context.Context, method string, answer *status.Status, err error, took time.Duration) {
	level := slog.LevelInfo
	attrs := []slog.Attr{
		slog.String("method", method), slog.String("code", answer.Code().String()), slog.Duration("took", took),
		slog.String("request_id", telemetry.RequestID(ctx)),
	}
	switch answer.Code() {
	case codes.OK, codes.Canceled:
	case codes.Internal, codes.Unknown:
		level = slog.LevelError
		attrs = append(attrs, slog.Any("error", err))
	case codes.Unavailable, codes.DeadlineExceeded:
		level = slog.LevelWarn
		attrs = append(attrs, slog.Any("error", err))
	default:
		attrs = append(attrs, slog.String("reason", string(payment.ReasonOf(err))))
	}
	g.cfg.Log.LogAttrs(ctx, level, "grpc", attrs...)
}

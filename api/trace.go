package api

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-pay/holdfast/telemetry"
)

// traced makes the span of a request, within the caller's trace if it has one.
func (s *Server) traced(next http.Handler) http.Handler {
	tracer, propagator := s.cfg.Traces.Tracer("api"), s.cfg.Traces.Propagator()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(attribute.String("holdfast.request_id", telemetry.RequestID(ctx))))
		defer span.End()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// describe tells the span how its request ended.
func describe(span trace.Span, route, method string, status int) {
	span.SetName(method + " " + route)
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
		attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, "")
	}
}

package api

import (
	"bufio"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-pay/holdfast/identity"
)

// logged writes a line for each request, counts it, and describes its span.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		recorded := &recorder{ResponseWriter: w}
		defer func() {
			took, route, method, status := time.Since(began), routeOf(r), methodOf(r), recorded.code()
			s.cfg.Counts.HTTP(route, method, status, took)
			describe(trace.SpanFromContext(r.Context()), route, method, status)
			attrs := []slog.Attr{
				slog.String("method", method), slog.String("route", route), slog.Int("status", status), slog.Int64("bytes", recorded.bytes),
				slog.Duration("took", took.Round(time.Microsecond)), slog.String("from", ClientAddress(r.Context())),
			}
			s.cfg.Log.LogAttrs(r.Context(), levelOf(route, status), "request", append(attrs, whoAsked(recorded.who)...)...)
		}()
		next.ServeHTTP(recorded, r)
	})
}

// routeOf is the pattern that matched: paths are the client's, and not bounded.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "other"
	}
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	return strings.TrimSuffix(path, "{$}")
}

func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodPatch:
		return r.Method
	default:
		return "other"
	}
}

// levelOf keeps the questions of an orchestrator out of the log while the answer is yes.
func levelOf(route string, status int) slog.Level {
	if (route == "/healthz" || route == "/readyz") && status == http.StatusOK {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// whoAsked names account and key, of requests with valid credentials.
func whoAsked(who identity.Principal) []slog.Attr {
	if who.IsZero() {
		return nil
	}
	attrs := []slog.Attr{slog.String("account_id", who.AccountID.String())}
	if !who.IsSession() {
		attrs = append(attrs, slog.String("key_id", who.KeyID.String()))
	}
	return attrs
}

// recorder notes what is answered, and to whom.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	who    identity.Principal
}

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes.
func (r *recorder) Write(text []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(text)
	r.bytes += int64(n)
	return n, err
}

// Hijack hands the connection over to a WebSocket.
func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	r.status = http.StatusSwitchingProtocols
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) code() int { return or(r.status, http.StatusOK) }

package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

func loopback() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// dialFrom opens a connection from another address of this machine.
func dialFrom(t *testing.T, source, address string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}).Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// alive asks for health over a connection.
func alive(conn net.Conn) error {
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.Contains(line, "200") {
		err = errors.New(line)
	}
	return err
}

// Invariant 7: one client that opens all the connections that it can keeps nobody else out; also where all are few.
func TestOneClientCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.Limits = api.Limits{Connections: 16, HeaderTime: time.Minute, IdleTime: time.Minute}
	})
	greedy := make([]net.Conn, 24)
	for i := range greedy {
		greedy[i] = dialFrom(t, "127.0.0.1", h.server.HTTPAddress())
	}
	if err := alive(dialFrom(t, "127.0.0.2", h.server.HTTPAddress())); err != nil {
		t.Fatalf("another client: %v", err)
	}
	if _, err := greedy[23].Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		t.Errorf("one too many: %v, want it closed", err)
	}
	if err := alive(greedy[0]); err != nil {
		t.Errorf("one that it may have: %v", err)
	}
	greedy[1].Close() // makes room
	end := time.Now().Add(10 * time.Second)
	for alive(dialFrom(t, "127.0.0.1", h.server.HTTPAddress())) != nil {
		if time.Now().After(end) {
			t.Fatal("a connection that was closed is counted for ever")
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// Proxies stand for many clients; and probes are answered on the metrics' listener while the other one is full.
func TestProbesWhileTheListenerIsFull(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.Limits = api.Limits{Connections: 16, HeaderTime: time.Minute, PeerConnections: 1}
		c.TrustedProxies = loopback()
		c.Metrics, c.MetricsHandler = "127.0.0.1:0", http.NotFoundHandler()
	})
	for range 16 {
		dialFrom(t, "127.0.0.1", h.server.HTTPAddress())
	}
	waits := dialFrom(t, "127.0.0.1", h.server.HTTPAddress())
	if err := waits.SetDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := alive(waits); !isTimeout(err) {
		t.Errorf("the listener is not full, or the proxy was cut off: %v", err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := get(t, "http://"+h.server.MetricsAddress()+path); !strings.Contains(got, `"status"`) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestGRPCConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.GRPC, c.GRPCServer, c.Limits = "127.0.0.1:0", healthServer(), api.Limits{GRPCConnections: 4}
	})
	refused := false
	for range 8 {
		conn := dialFrom(t, "127.0.0.2", h.server.GRPCAddress())
		if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Read(make([]byte, 1)) // gRPC greets first
		refused = refused || err != nil && !isTimeout(err)
	}
	if !refused {
		t.Error("one client may have any number of connections")
	}
	h.checkGRPC() // from 127.0.0.1
}

// Bad credentials are looked up until their address has shown too many; then no query is made, for nobody's body is read, and
// those that were good before still are.
func TestBadCredentialsCostNoQuery(t *testing.T) {
	t.Parallel()
	var lookups atomic.Int32
	var revoked atomic.Bool
	h := serve(t, func(c *api.Config) {
		c.GraphQL = http.HandlerFunc(echo)
		c.Limiter = limit.New(limit.Rates{limit.Credentials: {Address: limit.Rate{Count: 1, Per: time.Hour, Burst: 3}}})
		c.Authenticate = func(ctx context.Context, header http.Header) (context.Context, error) {
			lookups.Add(1)
			if header.Get("X-API-KEY") == "good" && !revoked.Load() {
				return ctx, nil
			}
			return nil, payment.Errorf(payment.ReasonKeyNotFound, "no")
		}
	})
	for range 5 { // good ones take nothing
		if got := h.query("{}", "X-API-KEY", "good"); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	lookups.Store(0)
	for i := range 10 {
		want := http.StatusUnauthorized
		if i >= 3 {
			want = http.StatusTooManyRequests
		}
		got := h.query("{}", "X-API-KEY", fmt.Sprint("bad", i))
		if got.status != want || (want == 429) != (got.header.Get("Retry-After") != "") {
			t.Errorf("%d: got %d, want %d", i, got.status, want)
		}
	}
	if n := lookups.Load(); n != 3 {
		t.Errorf("%d lookups, want 3", n)
	}
	if got := h.query("{}", "X-API-KEY", "good"); got.status != 200 {
		t.Errorf("good credentials beside bad ones: %d", got.status)
	}
	if got := h.query("{}"); got.status != 200 {
		t.Errorf("no credentials beside bad ones: %d", got.status)
	}
	revoked.Store(true)
	for range 3 {
		if got := h.query("{}", "X-API-KEY", "good"); got.status != 429 {
			t.Errorf("once good: %d", got.status)
		}
	}
	if n := lookups.Load(); n != 5 {
		t.Errorf("%d lookups, want one of the good key, and one after its revocation", n)
	}
}

// A body is not waited for where its answer is 429 whatever it says.
func TestLimitsComeBeforeTheBody(t *testing.T) {
	t.Parallel()
	once := limit.ClassRates{Address: limit.Rate{Count: 1, Per: time.Hour, Burst: 1}}
	h := serve(t, func(c *api.Config) {
		c.GraphQL = http.HandlerFunc(echo)
		c.Limits = api.Limits{ReadTime: 8 * time.Second}
		c.Limiter = limit.New(limit.Rates{limit.Anonymous: once, limit.Credentials: once})
		c.Authenticate = func(context.Context, http.Header) (context.Context, error) {
			return nil, payment.Errorf(payment.ReasonKeyNotFound, "no")
		}
	})
	h.query("{}")
	h.query("{}", "X-API-KEY", "bad")
	for name, head := range map[string]string{"nobody": "", "bad key": "X-API-KEY: bad\r\n"} {
		conn := h.dial()
		if _, err := io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"+head+"Content-Length: 262144\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		line, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.Contains(line, "429") || time.Since(began) > 5*time.Second {
			t.Errorf("%s: %q, %v after %v, want 429 before the body's time is over", name, line, err, time.Since(began))
		}
	}
}

// Any number of questions about readiness is one question to each dependency.
func TestReadinessIsAskedOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	h := serve(t, func(c *api.Config) {
		c.Limits.HealthTime = time.Minute
		c.Ready = []api.Dependency{{Name: "postgres", Check: func(ctx context.Context) error {
			asked.Add(1)
			select {
			case <-time.After(100 * time.Millisecond): // others come meanwhile
			case <-ctx.Done():
			}
			return nil
		}}}
	})
	var all sync.WaitGroup
	for range 30 {
		all.Go(func() {
			if got := h.ask("GET", "/readyz", ""); got.status != 200 || !strings.Contains(got.body, "postgres") {
				t.Errorf("%+v", got)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

package api_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/holdfast-pay/holdfast/api"
)

func copyAll(to io.Writer, res *http.Response) (int64, error) { return io.Copy(to, res.Body) }

// Invariant 2: clients that send nothing, half a header, half a body, or do not read, are cut off; none reaches the door,
// and others are served meanwhile.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	var reached atomic.Int32
	h := serve(t, func(c *api.Config) {
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { reached.Add(1); echo(w, r) })
		c.Limits = api.Limits{HeaderTime: 300 * time.Millisecond, ReadTime: 600 * time.Millisecond, IdleTime: 500 * time.Millisecond, WriteTime: 2 * time.Second}
	})
	const head = "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"
	slow := map[string]string{"silent": "", "half a header": head[:30], "no end of headers": head, "half a body": head + "\r\n{"}
	conns := map[string]net.Conn{}
	for name, text := range slow {
		for i := range 20 {
			conn := h.dial()
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			conns[fmt.Sprint(name, i)] = conn
		}
	}
	trickle := h.dial() // a byte now and then does not help
	go func() {
		for i := range head {
			if _, err := trickle.Write([]byte{head[i]}); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	conns["trickle"] = trickle
	began := time.Now()
	if got := h.query("{}"); got.status != 200 || time.Since(began) > 250*time.Millisecond {
		t.Errorf("another client was answered %d after %v", got.status, time.Since(began))
	}
	for name, conn := range conns {
		answer, _ := io.ReadAll(conn) // a reset is an end as well
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s was cut off after %v", name, took)
		}
		if strings.HasPrefix(name, "half a body") && !strings.Contains(string(answer), "408") {
			t.Errorf("%s was answered %q", name, answer)
		}
	}
	if reached.Load() != 1 {
		t.Errorf("%d requests reached the door, want that of the good client", reached.Load())
	}
}

func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	ended := make(chan time.Duration, 1)
	h := serve(t, func(c *api.Config) {
		c.Limits = api.Limits{WriteTime: 500 * time.Millisecond}
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			began := time.Now()
			chunk := make([]byte, 1<<20)
			for range 200 {
				if _, err := w.Write(chunk); err != nil {
					break
				}
			}
			ended <- time.Since(began)
		})
	})
	conn := h.dial()
	if _, err := io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	if took := <-ended; took > 5*time.Second {
		t.Errorf("the door wrote for %v", took)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.GraphQL, c.TrustedProxies = http.HandlerFunc(echo), loopback() // many clients
		c.Limits = api.Limits{Connections: 3, HeaderTime: 700 * time.Millisecond, IdleTime: time.Minute}
	})
	for range 3 {
		h.dial()
	}
	began := time.Now()
	if got := h.query("{}"); got.status != 200 || time.Since(began) < 300*time.Millisecond {
		t.Errorf("a fourth connection was answered %d after %v, want it to wait for one of the silent ones to be cut off", got.status, time.Since(began))
	}
}

// Invariant 5: what runs is finished, what is new is refused, and sockets are told.
func TestGracefulStop(t *testing.T) {
	t.Parallel()
	entered, release, socketEnded := make(chan struct{}, 100), make(chan struct{}), make(chan error, 1)
	h := serve(t, func(c *api.Config) {
		c.GRPC, c.GRPCServer = "127.0.0.1:0", healthServer()
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered <- struct{}{}
			<-release
			echo(w, r)
		})
		c.GraphQLWS = socketUntilStop(socketEnded)
	})
	h.openSocket()
	h.checkGRPC()
	const load = 20
	answers := make(chan answer, load)
	for range load {
		go func() { answers <- h.query("{}") }()
	}
	for range load {
		<-entered
	}
	stopped := make(chan error, 1)
	go func() { stopped <- h.server.Stop(context.Background()) }()
	if err := <-socketEnded; err != nil {
		t.Error(err)
	}
	for { // until the listener is closed
		conn, err := net.Dial("tcp", h.server.HTTPAddress())
		if err != nil {
			break
		}
		conn.Close()
	}
	select {
	case err := <-stopped:
		t.Fatalf("stopped with requests running: %v", err)
	default:
	}
	close(release)
	for range load {
		if got := <-answers; got.status != 200 || got.body != "{}" {
			t.Errorf("a request that ran: %+v", got)
		}
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func healthServer() *grpc.Server {
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	return s
}

func (h *house) checkGRPC() {
	h.t.Helper()
	conn, err := grpc.NewClient(h.server.GRPCAddress(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(h.t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		h.t.Fatal(err)
	}
}

// socketUntilStop takes the connection over, says "open", and goes on until it is told to end.
func socketUntilStop(ended chan<- error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			ended <- err
			return
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "open\n")
		<-r.Context().Done()
		ended <- err
	})
}

func (h *house) openSocket() {
	h.t.Helper()
	socket := h.dial()
	if _, err := io.WriteString(socket, "GET /graphqlws HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		h.t.Fatal(err)
	}
	if line, err := bufio.NewReader(socket).ReadString('\n'); err != nil || line != "open\n" {
		h.t.Fatalf("%q, %v", line, err)
	}
}

func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	entered := make(chan struct{})
	h := serve(t, func(c *api.Config) {
		c.Limits = api.Limits{DrainTime: 200 * time.Millisecond}
		c.GraphQL = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done() // never by itself
		})
	})
	if _, err := io.WriteString(h.dial(), "POST /graphql HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	<-entered
	began := time.Now()
	if err := h.server.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("stopped after %v", took)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- api.Run(ctx, api.Config{HTTP: "127.0.0.1:0"}) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

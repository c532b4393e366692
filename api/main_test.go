package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-pay/holdfast/api"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a running server of a test.
type house struct {
	t      *testing.T
	server *api.Server
	client *http.Client
	log    *lines
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve starts a server on free ports; it stops when the test ends.
func serve(t *testing.T, change func(*api.Config)) *house {
	t.Helper()
	h := &house{t: t, log: &lines{}}
	cfg := api.Config{
		HTTP: "127.0.0.1:0",
		Log:  slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	change(&cfg)
	server, err := api.Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	h.server, h.client = server, &http.Client{Transport: transport, Timeout: 20 * time.Second}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) url(path string) string { return "http://" + h.server.HTTPAddress() + path }

// answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; head gives pairs of header names and values.
func (h *house) ask(method, path, body string, head ...string) answer {
	h.t.Helper()
	req, err := http.NewRequest(method, h.url(path), strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(head); i += 2 {
		req.Header.Add(head[i], head[i+1])
	}
	res, err := h.client.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// query posts to /graphql.
func (h *house) query(body string, head ...string) answer {
	h.t.Helper()
	return h.ask("POST", "/graphql", body, append([]string{"Content-Type", "application/json"}, head...)...)
}

// wantRefusal checks the frame's own shape of an error.
func (a answer) wantRefusal(t *testing.T, code int, says string) {
	t.Helper()
	var got struct {
		Error struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != code || got.Error.Code != code || !strings.Contains(got.Error.Message, says) {
		t.Errorf("got %d %s, want %d and %q (%v)", a.status, a.body, code, says, err)
	}
	if a.header.Get("X-Request-Id") == "" {
		t.Error("a refusal without a request id")
	}
}

// dial opens a bare connection.
func (h *house) dial() net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.server.HTTPAddress())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	return conn
}

// echo answers what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, _ = w.Write(body)
}

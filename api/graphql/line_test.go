package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// line is a graphql-transport-ws connection.
type line struct {
	t     testing.TB
	conn  *websocket.Conn
	deaf  bool // it answers no ping
	pings int
}

type frame struct {
	ID      string          `json:"id,omitempty"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload,omitempty"`
}

// call connects with credentials in the connection's parameters.
func call(t testing.TB, address string, params any) *line {
	t.Helper()
	l := dialLine(t, address)
	payload, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	l.write(frame{Type: "connection_init", Payload: payload})
	if got := l.read(); got.Type != "connection_ack" {
		t.Fatalf("got %+v", got)
	}
	return l
}

func dialLine(t testing.TB, address string) *line {
	t.Helper()
	return dialWith(t, address, websocket.DialOptions{})
}

func dialWith(t testing.TB, address string, options websocket.DialOptions) *line {
	t.Helper()
	options.Subprotocols = []string{"graphql-transport-ws"}
	conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/graphqlws", &options) //nolint:bodyclose // an upgrade's answer has none
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &line{t: t, conn: conn}
}

func (o *owner) params() map[string]string {
	out := map[string]string{}
	for name := range o.header {
		out[name] = o.header.Get(name)
	}
	return out
}

func (l *line) write(f frame) {
	l.t.Helper()
	if err := wsjson.Write(l.t.Context(), l.conn, f); err != nil {
		l.t.Fatal(err)
	}
}

// read answers the next frame that is no ping.
func (l *line) read() frame {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	for {
		var f frame
		if err := wsjson.Read(ctx, l.conn, &f); err != nil {
			l.t.Fatalf("read: %v", err)
		}
		if f.Type == "ping" {
			l.pings++
			if !l.deaf {
				l.write(frame{Type: "pong"})
			}
			continue
		}
		return f
	}
}

// try reads the next frame, or why there is none.
func (l *line) try(f *frame) error {
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	return wsjson.Read(ctx, l.conn, f)
}

func (l *line) subscribe(id, query string) {
	l.t.Helper()
	payload, err := json.Marshal(map[string]any{"query": query})
	if err != nil {
		l.t.Fatal(err)
	}
	l.write(frame{ID: id, Type: "subscribe", Payload: payload})
}

// next is the data of the next answer.
func (l *line) next() *answer {
	l.t.Helper()
	f := l.read()
	if f.Type != "next" {
		l.t.Fatalf("got %s %s", f.Type, f.Payload)
	}
	a := &answer{t: l.t, raw: string(f.Payload)}
	decoder := json.NewDecoder(strings.NewReader(a.raw))
	decoder.UseNumber()
	if err := decoder.Decode(a); err != nil {
		l.t.Fatal(err)
	}
	return a
}

func (l *line) wantComplete() {
	l.t.Helper()
	if f := l.read(); f.Type != "complete" {
		l.t.Errorf("got %s %s, want complete", f.Type, f.Payload)
	}
}

func (l *line) wantClosed(code websocket.StatusCode) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	for {
		var f frame
		err := wsjson.Read(ctx, l.conn, &f)
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); code != 0 && got != code {
			l.t.Errorf("closed with %d (%v), want %d", got, err, code)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			l.t.Error("not closed in time")
		}
		return
	}
}

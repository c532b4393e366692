package graphqlapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

func TestWhoMaySubscribe(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	for _, params := range []any{
		map[string]string{"X-API-KEY": "test_" + strings.Repeat("x", 64)}, map[string]string{"Authorization": "Bearer x"}, map[string]any{"Authorization": 7},
	} {
		l := dialLine(t, h.address)
		payload, err := json.Marshal(params)
		if err != nil {
			t.Fatal(err)
		}
		l.write(frame{Type: "connection_init", Payload: payload})
		l.wantClosed(closeForbidden)
	}
	for _, caller := range []*owner{h.nobody(t), keyOf(o, "WRITE")} {
		l := call(t, h.address, caller.params())
		l.subscribe("1", updatesQuery)
		a := l.next()
		if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != string(codeUnauthorized) || a.Data != nil {
			t.Errorf("got %s", a.raw)
		}
	}
	// Queries over the socket know the caller too.
	l := call(t, h.address, o.params())
	l.subscribe("q", `{ me { id } }`)
	l.next().want("me.id", o.wallet.AccountID.String())
	l.wantComplete()
}

func keyOf(o *owner, scopes string) *owner {
	key, _ := o.key(scopes, nil)
	return key
}

// A connection costs what its limits say, and no more.
func TestSocketLimits(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Limits.Subscriptions, cfg.Limits.InitTime, cfg.Limits.PingEvery = 3, 300*time.Millisecond, 300*time.Millisecond
	cfg.Limits.MessageBytes, cfg.Limits.PriceEvery = 4_000, 200*time.Millisecond
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1)
	t.Run("silent", func(t *testing.T) { // no connection_init
		t.Parallel()
		dialLine(t, address).wantClosed(0)
	})
	t.Run("no pong", func(t *testing.T) { // clients that read only what they subscribed to never answer a ping
		t.Parallel()
		l := dialLine(t, address)
		l.deaf = true
		l.write(frame{Type: "connection_init"})
		l.read()
		for i := 0; l.pings < 4; i++ {
			l.subscribe(fmt.Sprint(i), `{ globals { network } }`)
			l.next()
			l.wantComplete()
		}
	})
	t.Run("a huge message", func(t *testing.T) {
		t.Parallel()
		l := call(t, address, nil)
		l.subscribe("1", `{ globals { network } } #`+strings.Repeat("x", 5_000))
		l.wantClosed(0)
	})
	t.Run("too many subscriptions", func(t *testing.T) {
		t.Parallel()
		l := call(t, address, o.params())
		for i := range 4 {
			l.subscribe(fmt.Sprint(i), updatesQuery)
		}
		if a := l.next(); len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != string(codeTooMany) { // there is no price: nothing else is told
			t.Errorf("got %s", a.raw)
		}
		l.wantComplete()
		l.write(frame{ID: "0", Type: "complete"})
		l.write(frame{ID: "1", Type: "complete"})
		eventually(t, "a place is free", func() bool {
			l.subscribe("5", `{ globals { network } }`)
			for {
				f := l.read()
				if f.ID == "5" && f.Type == "next" {
					return !strings.Contains(string(f.Payload), "Too many")
				}
			}
		})
	})
}

// An id names one operation at a time, and is free again when that has ended, whoever ended it.
func TestOneOperationPerID(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	for _, id := range []string{"1", strings.Repeat("long", 100)} {
		l := call(t, h.address, o.params())
		for range 3 {
			l.subscribe(id, `{ globals { network } }`)
			l.next().want("globals.network", "regtest")
			l.wantComplete()
		}
		l.subscribe(id, `{ nonsense }`) // refused
		if f := l.read(); f.Type != "next" && f.Type != "error" {
			t.Errorf("got %+v", f)
		}
		l.wantComplete()
		l.subscribe(id, updatesQuery)
		l.write(frame{ID: id, Type: "complete"})
		l.subscribe(id, updatesQuery)
		l.subscribe("other", `{ me { id } }`) // the connection goes on
		for f := l.read(); f.ID != "other" || f.Type != "complete"; f = l.read() {
		}
	}
	for _, id := range []string{"1", strings.Repeat("long", 100)} {
		l := call(t, h.address, o.params())
		l.subscribe(id, updatesQuery)
		l.subscribe(id, `{ globals { network } }`)
		l.wantClosed(closeDuplicate)
	}
}

// A subscription ends when its key is revoked.
func TestAKeyRevokedMeanwhile(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Limits.PriceEvery = 200 * time.Millisecond
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1)
	key, id := o.key("READ", nil)
	l := call(t, address, key.params())
	l.subscribe("1", updatesQuery)
	o.revoke(id)
	l.wantClosed(closeForbidden)
}

// Invariant 7: a client that does not read is dropped, and what it had asked for ends with it.
func TestAClientThatDoesNotReadIsDropped(t *testing.T) { // not parallel: it counts goroutines
	h := home(t)
	o := h.funded(t, 1)
	cfg := h.config
	cfg.Prices, cfg.Limits.PriceEvery, cfg.Limits.WriteTime, cfg.Limits.PingEvery = fixed{}, time.Millisecond, 200*time.Millisecond, time.Hour
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// Small windows, so that little fits between the two.
	if err := conn.(*net.TCPConn).SetReadBuffer(1024); err != nil {
		t.Fatal(err)
	}
	l := dialWith(t, address, websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}},
	})
	payload, err := json.Marshal(o.params())
	if err != nil {
		t.Fatal(err)
	}
	l.write(frame{Type: "connection_init", Payload: payload})
	l.read()
	long := ""
	for i := range 300 {
		long += fmt.Sprintf(" %s%d: id", strings.Repeat("x", 60), i)
	}
	for i := range 20 { // the kernel's own buffers take some megabytes
		l.subscribe(fmt.Sprint(i), `subscription { myUpdates { update { ... on RealtimePrice { `+long+` } } } }`)
	}
	eventually(t, "the drop", func() bool { return wsjson.Write(t.Context(), l.conn, frame{Type: "ping"}) != nil })
	_ = l.conn.CloseNow()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t)
}

// wantNothingLeft waits until no goroutine serves a WebSocket or a subscription. The house has others, which come and go.
func wantNothingLeft(t *testing.T) {
	t.Helper()
	var stacks []byte
	eventually(t, "the end of every goroutine", func() bool {
		stacks = make([]byte, 4<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		return !regexp.MustCompile(`graphql\.\(?\*?(subscriptions|resolver|follower|patientConn)|\(\*wsConnection\)|ledger\.\(\*Changes\)\.Subscribe`).Match(stacks)
	})
}

// Goroutines end with the connection, however it ends.
func TestNothingIsLeftOfAConnection(t *testing.T) { // not parallel: it counts goroutines
	h := home(t)
	o := h.funded(t, 1)
	hash, _ := o.invoice(5)
	address, stop, err := h.open(h.config)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		l := call(t, address, o.params())
		l.subscribe("1", updatesQuery)
		l.subscribe("2", fmt.Sprintf(`subscription { lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) { status } }`, hash))
		l.next()
		switch i % 3 {
		case 0:
			_ = l.conn.Close(websocket.StatusNormalClosure, "")
		case 1:
			_ = l.conn.CloseNow() // without a word
		default: // the server stops first
			defer func() { _ = l.conn.CloseNow() }()
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	wantNothingLeft(t)
	if h.changes.Waiting() != 0 {
		t.Errorf("%d still wait for changes", h.changes.Waiting())
	}
}

// A page of ours may connect. Which others may is for the frame.
func TestOrigins(t *testing.T) {
	t.Parallel()
	h := home(t)
	own := websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://" + h.address}}}
	_ = dialWith(t, h.address, own).conn.CloseNow()
}

package graphqlapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
)

// tally is a Limiter that counts, and refuses what is beyond.
type tally struct {
	most  map[string]int // by class
	mu    sync.Mutex
	taken map[string]int // by class and kind of subject
}

func (l *tally) Allow(_ context.Context, class, subject string) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, _, _ := strings.Cut(subject, ":")
	if most, limited := l.most[class]; limited && l.taken[class+" "+kind] >= most {
		return time.Second, false
	}
	if l.taken == nil {
		l.taken = map[string]int{}
	}
	l.taken[class+" "+kind]++
	return 0, true
}

func (l *tally) Peek(context.Context, string, string) (time.Duration, bool) { return 0, true }

func (l *tally) want(t testing.TB, what string, class string, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken[class] != n {
		t.Errorf("%s: took %d of %s, want %d (all: %v)", what, l.taken[class], class, n, l.taken)
	}
}

// limitedDoor serves a door and a frame that take from the same allowance.
func (h *house) limitedDoor(t testing.TB, l limit.Limiter) (address string) {
	t.Helper()
	cfg := h.config
	cfg.Limiter = l
	door, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	frame, err := api.Start(context.Background(), api.Config{
		HTTP: "127.0.0.1:0", GraphQL: door.HTTP, GraphQLWS: door.WS, Authenticate: api.AuthenticateBy(h.auth), Limiter: l, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = frame.Stop(context.Background()) })
	return frame.HTTPAddress()
}

const anonymousAddress = limit.Anonymous + " address"

func TestWhatASocketTakes(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	key, _ := o.key("READ", nil)
	for _, c := range []struct {
		what   string
		caller *owner
		query  string
		took   map[string]int
	}{
		{"nobody's query", h.nobody(t), `{ globals { network } }`, map[string]int{anonymousAddress: 2}}, // one for the upgrade
		{"twenty fields", h.nobody(t), `{ ` + aliases(`globals { network }`, 20) + ` }`, map[string]int{anonymousAddress: 21}},
		{"a refused mutation", h.nobody(t), `mutation { userLogin(input: {phone: "1", code: "0"}) { authToken } }`, map[string]int{anonymousAddress: 2}},
		{"no document", h.nobody(t), `{ nonsense`, map[string]int{anonymousAddress: 2}},
		{"a subscription", h.nobody(t), `subscription { lnInvoicePaymentStatusByHash(input: {paymentHash: "x"}) { status } }`, map[string]int{anonymousAddress: 2}},
		{"a session's", o, `{ a: me { id } b: me { id } }`, map[string]int{anonymousAddress: 1, limit.Reads + " account": 2}},
		{"a key's", key, `{ a: me { id } b: me { id } }`, map[string]int{anonymousAddress: 1, limit.Reads + " account": 2, limit.Reads + " key": 2}},
		{"a key's subscription", key, updatesQuery, map[string]int{anonymousAddress: 1, limit.Reads + " account": 1, limit.Reads + " key": 1}},
	} {
		taken := &tally{}
		l := call(t, h.limitedDoor(t, taken), c.caller.params())
		l.subscribe("1", c.query)
		if c.query == updatesQuery {
			l.subscribe("1a", `{`) // there is no price, so nothing is told: what comes after it is
			c.took[limit.Reads+" account"]++
			c.took[limit.Reads+" key"]++
		}
		l.read()
		if c.query == updatesQuery {
			eventually(t, c.what, func() bool { taken.mu.Lock(); defer taken.mu.Unlock(); return taken.taken[limit.Reads+" key"] == 2 })
		}
		for class, n := range c.took {
			taken.want(t, c.what, class, n)
		}
	}
}

// Over HTTP the same function takes, and the frame has taken the first.
func TestWhatARequestTakes(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	behalf := fmt.Sprintf(`lnInvoiceCreateOnBehalfOfRecipient(input: {recipientWalletId: %q, amount: 1}) { errors { message } }`, o.wallet.ID)
	for _, c := range []struct {
		what   string
		caller *owner
		query  string
		class  string
		took   int
	}{
		{"nobody's query", h.nobody(t), `{ globals { network } }`, anonymousAddress, 1},
		{"nobody's fields", h.nobody(t), `{ ` + aliases(`globals { network }`, 20) + ` }`, anonymousAddress, 20},
		{"nobody's invoices", h.nobody(t), `mutation { ` + aliases(behalf, 20) + ` }`, anonymousAddress, 20},
		{"a session's fields", o, `{ ` + aliases(`me { id }`, 20) + ` }`, limit.Reads + " account", 20},
		{"a session's fields", o, `{ ` + aliases(`me { id }`, 20) + ` }`, anonymousAddress, 0},
	} {
		taken := &tally{}
		caller := *c.caller
		caller.house = &house{address: h.limitedDoor(t, taken)}
		caller.ask(c.query, nil)
		taken.want(t, c.what, c.class, c.took)
	}
	poor := &tally{most: map[string]int{limit.Anonymous: 10}}
	nobody := h.nobody(t)
	nobody.house = &house{address: h.limitedDoor(t, poor)}
	nobody.send(`mutation { `+aliases(behalf, 20)+` }`, nil).wantRefused(codeTooMany, "Too many requests")
	poor.want(t, "refused", limit.Invoices+" address", 0)
}

func TestAPoorClientIsRefusedOnSockets(t *testing.T) {
	t.Parallel()
	h := home(t)
	poor := &tally{most: map[string]int{limit.Anonymous: 4}}
	address := h.limitedDoor(t, poor)
	l := call(t, address, nil) // 1
	l.subscribe("1", `{ globals { network } }`)
	l.next().want("globals.network", network)
	l.wantComplete()
	l.subscribe("2", `{ a: globals { network } b: globals { network } c: globals { network } }`) // two are left
	l.next().wantRefused(codeTooMany, "Too many requests")
	l.wantComplete()
	l.subscribe("3", `{`)
	l.next().wantRefused(codeTooMany, "Too many requests")
	l.wantComplete()
	wantNoUpgrade(t, address)

	// Bad credentials cost as much as none, and are not looked up once that is spent.
	poor = &tally{most: map[string]int{limit.Anonymous: 2}}
	address = h.limitedDoor(t, poor)
	for range 2 {
		l := dialLine(t, address)
		payload, err := json.Marshal(map[string]string{"X-API-KEY": "test_" + strings.Repeat("x", 64)})
		if err != nil {
			t.Fatal(err)
		}
		l.write(frame{Type: "connection_init", Payload: payload})
		l.wantClosed(closeForbidden)
	}
	wantNoUpgrade(t, address)
}

func wantNoUpgrade(t testing.TB, address string) {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), "ws://"+address+"/graphqlws", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // it is read
	if err == nil {
		_ = conn.CloseNow()
		t.Error("upgraded")
		return
	}
	if response == nil || response.StatusCode != http.StatusTooManyRequests || response.Header.Get("Retry-After") == "" {
		t.Errorf("got %v, %v, want 429 with Retry-After", response, err)
	}
}

// Idle sockets are closed: nobody's soon, and whatever it asks; another's when it has asked for nothing.
func TestIdleSocketsAreClosed(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	hash, _ := o.invoice(5)
	address := h.doorWith(t, func(cfg *Config) { cfg.Limits.AnonymousIdle, cfg.Limits.Idle = 300*time.Millisecond, time.Hour })
	following := fmt.Sprintf(`subscription { lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) { status } }`, hash)
	t.Run("nobody's", func(t *testing.T) {
		t.Parallel()
		l := call(t, address, nil)
		l.subscribe("q", `{ globals { network } }`) // buys no time
		l.wantClosed(websocket.StatusNormalClosure)
	})
	t.Run("nobody's with a subscription", func(t *testing.T) {
		t.Parallel()
		l := call(t, address, nil)
		l.subscribe("1", following)
		l.next()
		idle := call(t, address, nil)
		idle.wantClosed(websocket.StatusNormalClosure) // it was opened later
		l.subscribe("2", `{ globals { network } }`)    // so this one's time is over, and it is open
		l.next().want("globals.network", network)
		l.wantComplete()
		l.write(frame{ID: "1", Type: "complete"})
		l.wantClosed(websocket.StatusNormalClosure)
	})
	t.Run("an owner's", func(t *testing.T) {
		t.Parallel()
		l := call(t, address, o.params())
		call(t, address, nil).wantClosed(websocket.StatusNormalClosure)
		l.subscribe("1", `{ me { id } }`)
		l.next().want("me.id", o.wallet.AccountID.String())
	})
	t.Run("an owner's that asks for nothing", func(t *testing.T) {
		t.Parallel()
		address := h.doorWith(t, func(cfg *Config) { cfg.Limits.Idle = 300 * time.Millisecond })
		l := call(t, address, o.params())
		l.subscribe("1", `{ me { id } }`)
		l.next().want("me.id", o.wallet.AccountID.String())
		l.wantComplete()
		l.wantClosed(websocket.StatusNormalClosure)
		l = call(t, address, o.params())
		l.subscribe("1", updatesQuery)
		call(t, address, o.params()).wantClosed(websocket.StatusNormalClosure)
		l.subscribe("2", `{ me { id } }`)
		l.next().want("me.id", o.wallet.AccountID.String())
	})
}

func TestHowManySocketsAreOpenAtOnce(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, other := h.funded(t, 1), h.funded(t, 1)
	address := h.doorWith(t, func(cfg *Config) { cfg.Limits.SocketsPerAddress, cfg.Limits.SocketsPerAccount = 4, 2 })
	first := call(t, address, o.params())
	call(t, address, keyOf(o, "READ").params()) // the same account
	beyond := dialLine(t, address)
	payload, err := json.Marshal(o.params())
	if err != nil {
		t.Fatal(err)
	}
	beyond.write(frame{Type: "connection_init", Payload: payload})
	beyond.wantClosed(closeTooMany)
	call(t, address, other.params())
	eventually(t, "the refused one's place is free", func() bool { return mayUpgrade(t, address) })
	wantNoUpgrade(t, address)
	_ = first.conn.CloseNow() // without a word
	eventually(t, "a place is free", func() bool { return mayUpgrade(t, address) })
	wantNoUpgrade(t, address)
}

// mayUpgrade keeps the connection.
func mayUpgrade(t testing.TB, address string) bool {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/graphqlws", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}}) //nolint:bodyclose // an upgrade's answer has none
	if err == nil {
		t.Cleanup(func() { _ = conn.CloseNow() })
	}
	return err == nil
}

package graphqlapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// doorWith serves a door of its own, with a changed configuration.
func (h *house) doorWith(t testing.TB, change func(*Config)) (address string) {
	t.Helper()
	cfg := h.config
	change(&cfg)
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	return address
}

func (o *owner) revoke(id string) {
	o.t.Helper()
	o.ask(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { id } } }`, vars{"id": id})
}

// Invariant 8: what is asked after the revocation is not answered, and the socket is closed.
func TestASocketDoesNotOutliveItsKey(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	for _, query := range []string{`{ me { defaultAccount { wallets { balance } } } }`, updatesQuery, `{ globals { network } }`} {
		key, id := o.key("READ", nil)
		l := call(t, h.address, key.params())
		l.subscribe("1", `{ me { id } }`)
		l.next().want("me.id", o.wallet.AccountID.String())
		l.wantComplete()
		o.revoke(id)
		l.subscribe("2", query)
		l.next().wantRefused(codeUnauthorized, "")
		l.wantClosed(closeForbidden)
	}
}

// turncoat answers for a session as the test wants.
type turncoat struct {
	who   atomic.Pointer[identity.Principal]
	err   atomic.Pointer[payment.Error]
	asked atomic.Int32
}

func (a *turncoat) authenticate(ctx context.Context, _ http.Header) (context.Context, error) {
	a.asked.Add(1)
	if err := a.err.Load(); err != nil {
		return nil, err
	}
	return identity.WithPrincipal(ctx, *a.who.Load()), nil
}

func (h *house) turncoat(t testing.TB, o *owner, change func(*Config)) (*turncoat, string) {
	t.Helper()
	a := &turncoat{}
	a.who.Store(&identity.Principal{AccountID: o.wallet.AccountID, Scopes: payment.Scopes()})
	return a, h.doorWith(t, func(cfg *Config) {
		cfg.Authenticate = a.authenticate
		change(cfg)
	})
}

func TestASocketDoesNotOutliveItsSession(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	who, address := h.turncoat(t, o, func(*Config) {})
	l := call(t, address, o.params())
	l.subscribe("1", `{ me { id } }`)
	l.next().want("me.id", o.wallet.AccountID.String())
	l.wantComplete()

	who.who.Store(&identity.Principal{AccountID: o.wallet.AccountID, Scopes: []payment.Scope{payment.ScopeReceive}}) // the fresh one counts
	l.subscribe("2", `{ me { id } }`)
	l.next().wantRefused(codeUnauthorized, "Permission denied")
	l.wantComplete()

	who.err.Store(payment.Errorf(payment.ReasonUnavailable, "Try again.")) // nobody is let in, and nobody is thrown out
	l.subscribe("3", `{ me { id } }`)
	l.next().wantRefused(codeUnknown, "Try again.")
	l.wantComplete()

	who.err.Store(payment.Errorf(payment.ReasonUnauthenticated, "The token has expired."))
	l.subscribe("4", `{ me { id } }`)
	l.next().wantRefused(codeUnauthorized, "")
	l.wantClosed(closeForbidden)
}

// Invariant 8: a running subscription tells nothing more, also between two prices.
func TestNewsAreNotToldToARevokedKey(t *testing.T) {
	t.Parallel()
	h := home(t)
	address := h.doorWith(t, func(cfg *Config) { cfg.Limits.PriceEvery = time.Hour })
	o, other := h.funded(t, 10), h.funded(t, 10)
	key, id := o.key("READ", nil)
	l := call(t, address, key.params())
	l.subscribe("1", updatesQuery)
	other.pay(payment.DoorIntraLedger, vars{"walletId": other.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 1}).wantPaid()
	l.subscribe("2", `{ me { id } }`)
	for f := l.read(); f.ID != "2" || f.Type != "complete"; f = l.read() { // the subscription runs
	}
	o.revoke(id)
	other.pay(payment.DoorIntraLedger, vars{"walletId": other.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 2}).wantPaid()
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		var f frame
		err := wsjson.Read(ctx, l.conn, &f)
		cancel()
		if err != nil {
			if got := websocket.CloseStatus(err); got != closeForbidden {
				t.Errorf("closed with %d (%v)", got, err)
			}
			return
		}
		if strings.Contains(string(f.Payload), `"amount":2`) {
			t.Errorf("told %s", f.Payload)
		}
	}
}

// What cannot be found out is not told, and does not end the subscription.
func TestNewsWaitWhileCredentialsCannotBeChecked(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	who, address := h.turncoat(t, o, func(cfg *Config) { cfg.Prices, cfg.Limits.PriceEvery = fixed{}, 50*time.Millisecond })
	l := call(t, address, o.params())
	l.subscribe("1", updatesQuery)
	l.next()
	who.err.Store(payment.Errorf(payment.ReasonUnavailable, "Try again."))
	told := func() (news int) { // until now
		l.subscribe("2", `{ me { id } }`)
		for f := l.read(); f.ID != "2" || f.Type != "complete"; f = l.read() {
			if f.ID == "1" {
				news++
			}
		}
		return news
	}
	told()
	before := who.asked.Load()
	eventually(t, "more checks", func() bool { return who.asked.Load() > before+4 })
	if news := told(); news > 2 { // both shapes of one price may have been under way
		t.Errorf("told %d news", news)
	}
	who.err.Store(nil)
	l.next().want("myUpdates.me.id", o.wallet.AccountID.String())
	who.who.Store(&identity.Principal{AccountID: o.wallet.AccountID, Scopes: []payment.Scope{payment.ScopeReceive}})
	l.wantClosed(closeForbidden)
}

// Bad credentials on sockets take from the same allowance as over HTTP; good ones that are known are not suspected with them.
func TestBadCredentialsOnSocketsArePaidFor(t *testing.T) {
	t.Parallel()
	h := home(t)
	door, _ := newHandler(must(t, h.config))
	three := limit.Rate{Count: 3, Per: time.Hour, Burst: 3}
	address, stop, err := h.frameWith(door, func(cfg *api.Config) {
		cfg.Limiter = limit.New(limit.Rates{limit.Credentials: {Address: three}})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1)
	known, _ := o.key("READ", nil)
	fresh, _ := o.key("READ", nil)
	_ = call(t, address, known.params()).conn.CloseNow()
	knock := func(params string) *line {
		l := dialLine(t, address)
		l.write(frame{Type: "connection_init", Payload: []byte(params)})
		return l
	}
	for _, params := range []string{`{"X-API-KEY": "test_` + strings.Repeat("x", 64) + `"}`, `{"Authorization": "Bearer x"}`, `{"X-API-KEY": 7}`} {
		knock(params).wantClosed(closeForbidden)
	}
	knock(`{"Authorization": "Bearer x"}`).wantClosed(closeTryAgain)
	knock(`{"X-API-KEY": "` + fresh.header.Get("X-Api-Key") + `"}`).wantClosed(closeTryAgain) // it is not looked up
	_ = call(t, address, known.params()).conn.CloseNow()
	bad := h.nobody(t).with("X-Api-Key", "test_"+strings.Repeat("x", 64))
	bad.house = &house{address: address}
	bad.send(`{ me { id } }`, nil).wantStatus(http.StatusTooManyRequests) // over HTTP too
}

// Invariant 9: no mutation runs on a socket, whoever asks.
func TestMutationsAreNotServedOnSockets(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, other := h.funded(t, 1_000), h.funded(t, 1)
	for _, caller := range []*owner{h.nobody(t), o} {
		l := call(t, h.address, caller.params())
		for i, query := range []string{
			fmt.Sprintf(`mutation { intraLedgerPaymentSend(input: {walletId: %q, recipientWalletId: %q, amount: 5}) { status } }`, o.wallet.ID, other.wallet.ID),
			`mutation { userLogin(input: {phone: "+16505550001", code: "000000"}) { authToken } }`,
			`mutation { apiKeyCreate(input: {name: "more"}) { apiKeySecret } }`,
		} {
			l.subscribe(fmt.Sprint(i), query)
			l.next().wantRefused(codeInput, "Mutations are served over HTTP, at /graphql.")
			l.wantComplete()
		}
	}
	if o.balance() != 1_000 {
		t.Errorf("the balance is %d", o.balance())
	}
}

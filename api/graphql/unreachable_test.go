package graphqlapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// wire is what lies between a ledger and Postgres, and can be cut.
type wire struct {
	t       testing.TB
	address string
	server  string

	mu       sync.Mutex
	listener net.Listener
	ends     []net.Conn
}

// wired opens the house's ledger over a wire.
func (h *house) wired(t testing.TB) (*ledger.Ledger, *wire) {
	t.Helper()
	books, err := url.Parse(h.books)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, address: "127.0.0.1:0", server: books.Host}
	w.mend()
	t.Cleanup(w.cut)
	books.Host = w.address
	far, err := ledger.Open(t.Context(), books.String(), ledger.WithMaxConns(4))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(far.Close)
	return far, w
}

// mend lets the two speak.
func (w *wire) mend() {
	w.t.Helper()
	listener, err := net.Listen("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener, w.address = listener, listener.Addr().String()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", w.server)
			if err != nil {
				_ = from.Close()
				continue
			}
			w.mu.Lock()
			if w.listener != listener { // it was cut meanwhile
				_, _ = from.Close(), to.Close()
			}
			w.ends = append(w.ends, from, to)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		}
	}()
}

// cut ends what is open, and refuses what is new.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listener != nil {
		_ = w.listener.Close()
	}
	w.listener = nil
	for _, end := range w.ends {
		_ = end.Close()
	}
	w.ends = nil
}

// far is a door whose ledger, that of the credentials too, is behind a wire.
func (h *house) far(t testing.TB, change func(*Config)) (*resolver, *spy, string, *wire) {
	t.Helper()
	books, w := h.wired(t)
	auth, err := identity.NewAuthenticator(identity.Config{
		Keys: api.Keys(books), SecretPrefix: "test", Issuer: h.issuer.Issuer(), Log: slog.New(slog.DiscardHandler),
		Ensure: func(ctx context.Context, account payment.AccountID) error {
			_, err := books.EnsureAccount(ctx, account)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auth.Close)
	cfg := h.config
	cfg.Ledger, cfg.Authenticate = books, api.AuthenticateBy(auth)
	change(&cfg)
	door, r := newHandler(must(t, cfg))
	watched := &spy{}
	r.payer = watched
	address, stop, err := h.frameWith(door, func(c *api.Config) { c.Authenticate = cfg.Authenticate })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	return r, watched, address, w
}

// Invariant 11: Postgres cannot be reached, so nobody's credentials can be checked. Nothing runs, and the answer has the shape that
// the operation's clients read.
func TestCredentialsThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	key, _ := o.key("READ RECEIVE WRITE", nil)
	r, watched, address, wire := h.far(t, func(*Config) {})
	wire.cut()
	for name, caller := range map[string]*owner{"key": key, "session": o} {
		away := *caller
		away.house = &house{address: address}
		t.Run(name, func(t *testing.T) {
			away.t = t
			away.wantClosed(r)
		})
	}
	if len(watched.seen) != 0 {
		t.Errorf("payments were begun: %+v", watched.seen)
	}
	wire.mend()
	key.house = &house{address: address}
	eventually(t, "the return", func() bool { return key.send(`{ me { id } }`, nil).Data != nil })
}

// wantClosed asks for everything.
func (o *owner) wantClosed(r *resolver) {
	o.t.Helper()
	for _, door := range payment.MutationDoors() {
		query := fmt.Sprintf("mutation { %s%s { %s } }", door, arguments(r, string(door), "Mutation"), paymentFields)
		p := paid{o.ask(query, nil), string(door)}
		p.wantFailed(codeUnknown, "did nothing. Try again")
		p.wantQuiet()
		o.once().send(query, nil).wantRefused(codeUnknown, "Try again") // the call that it may repeat may have started a payment
	}
	for _, field := range r.schema.Mutation.Fields {
		if strings.HasPrefix(field.Name, "__") || accessOf(field).open {
			continue
		}
		payload := r.schema.Types[field.Type.Name()]
		if payload.Fields.ForName("errors") == nil {
			a := o.send("mutation { "+field.Name+arguments(r, field.Name, "Mutation")+" { __typename } }", nil)
			a.wantStatus(200)
			a.wantRefused(codeUnknown, "Try again")
			continue
		}
		a := o.ask("mutation { "+field.Name+arguments(r, field.Name, "Mutation")+" { errors { code message path } __typename } }", nil)
		a.want(field.Name+".errors.0.code", string(codeUnknown))
		a.want(field.Name+".errors.0.path.0", field.Name)
	}
	for _, field := range r.schema.Query.Fields {
		if strings.HasPrefix(field.Name, "__") || accessOf(field).open {
			continue
		}
		a := o.send("{ "+field.Name+arguments(r, field.Name, "Query")+" { __typename } }", nil)
		a.wantStatus(200)
		a.wantRefused(codeUnknown, "Try again")
		a.wantQuiet()
	}
	to := o.wallet.ID.String()
	send := fmt.Sprintf(`intraLedgerPaymentSend(input: {walletId: %q, recipientWalletId: %q, amount: 5}) { status errors { code } }`, to, to)
	for _, query := range []string{ // one thing that has no place for errors, and none of the operation runs
		`mutation { ` + send + ` apiKeyCreate(input: {name: "x"}) { apiKeySecret } }`,
		`{ globals { network } me { id } }`,
		`query { globals { network } ...F } fragment F on Query { a: authorization { scopes } }`,
	} {
		o.send(query, nil).wantRefused(codeUnknown, "Try again")
	}
	a := o.ask(`mutation { __typename a: `+send+` ...F } fragment F on Mutation { b: userLogin(input: {phone: "+16505550123", code: "000000"}) { authToken errors { code } } }`, nil)
	a.want("a.errors.0.code", string(codeUnknown))
	a.want("a.status", "FAILURE")
	a.want("b.errors.0.code", string(codeUnknown)) // it is open, but part of an operation that does not run
	a.want("b.authToken", "")
	o.ask(`{ globals { network } payoutSpeeds { speed } }`, nil).want("globals.network", "regtest")
}

// wantQuiet checks that no driver speaks.
func (a *answer) wantQuiet() {
	a.t.Helper()
	for _, word := range []string{"dial", "refused", "sql", "pgx", "conn", "127.0.0.1"} {
		if strings.Contains(a.raw, word) {
			a.t.Errorf("a driver speaks: %s", a.raw)
		}
	}
}

// Every mutation with a place for errors can be answered there.
func TestEveryPayloadCanRefuse(t *testing.T) {
	t.Parallel()
	_, r := newHandler(home(t).config)
	for _, field := range r.schema.Mutation.Fields {
		payload := field.Type.Name()
		has := !strings.HasPrefix(field.Name, "__") && r.schema.Types[payload].Fields.ForName("errors") != nil
		if got := refusedPayload(payload, none()); (got != nil) != has {
			t.Errorf("%s: %T", payload, got)
		}
	}
}

// What is open is taken from the address, all of it: the frame took nothing from somebody who showed credentials.
func TestOpenFieldsArePaidForWithoutCheckedCredentials(t *testing.T) {
	t.Parallel()
	h := home(t)
	key, _ := h.funded(t, 1).key("READ", nil)
	counted := &tally{}
	_, _, address, wire := h.far(t, func(cfg *Config) { cfg.Limiter = counted })
	wire.cut()
	key.house = &house{address: address}
	key.ask(`{ a: globals { network } b: globals { network } }`, nil)
	key.send(`{ me { id } }`, nil)
	if counted.taken["anonymous address"] != 2 || len(counted.taken) != 1 {
		t.Errorf("taken: %v", counted.taken)
	}
}

// A subscriber whose credentials cannot be checked is told to come again, with a code that clients retry; nobody may stay.
func TestSocketsWhoseCredentialsCannotBeChecked(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	key, _ := o.key("READ", nil)
	_, _, address, wire := h.far(t, func(*Config) {})
	wire.cut()
	payload, err := json.Marshal(key.params())
	if err != nil {
		t.Fatal(err)
	}
	l := dialLine(t, address)
	l.write(frame{Type: "connection_init", Payload: payload})
	l.wantClosed(closeTryAgain)
	open := call(t, address, nil)
	open.subscribe("1", `{ globals { network } }`)
	open.next().want("globals.network", "regtest")
	wire.mend()
	eventually(t, "the return", func() bool {
		again := dialLine(t, address)
		again.write(frame{Type: "connection_init", Payload: payload})
		var got frame
		return again.try(&got) == nil && got.Type == "connection_ack"
	})
}

package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/holdfast-pay/holdfast/payment"
)

// line is a graphql-transport-ws connection.
type line struct {
	t    testing.TB
	conn *websocket.Conn
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
	conn, _, err := websocket.Dial(t.Context(), "ws://"+address+"/graphqlws", &websocket.DialOptions{Subprotocols: []string{"graphql-transport-ws"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &line{t, conn}
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
			l.write(frame{Type: "pong"})
			continue
		}
		return f
	}
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

func (o *owner) invoice(sat int) (hash, request string) {
	o.t.Helper()
	a := o.ask(`mutation($w: WalletId!, $n: SatAmount!) { lnInvoiceCreate(input: {walletId: $w, amount: $n}) { invoice { paymentHash paymentRequest } } }`,
		vars{"w": o.wallet.ID, "n": sat})
	return a.text("lnInvoiceCreate.invoice.paymentHash"), a.text("lnInvoiceCreate.invoice.paymentRequest")
}

func TestInvoiceStatusSubscription(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	hash, request := o.invoice(500)
	l := call(t, h.address, nil) // nobody may ask
	fields := `{ status paymentHash paymentPreimage errors { message code } }`
	l.subscribe("1", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, hash, fields))
	first := l.next()
	first.want("s.status", "PENDING")
	first.want("s.paymentPreimage", "")
	payer := h.funded(t, 10_000) // inside the ledger
	payer.pay(payment.DoorInvoice, vars{"walletId": payer.wallet.ID, "paymentRequest": request}).wantPaid()
	paidNow := l.next()
	paidNow.want("s.status", "PAID")
	paidNow.want("s.paymentHash", hash)
	l.wantComplete()
	l.subscribe("2", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByPaymentRequest(input: {paymentRequest: %q}) %s }`, request, fields))
	l.next().want("s.status", "PAID")
	l.wantComplete()

	hash, _ = o.invoice(500) // over lightning
	l.subscribe("3", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, hash, fields))
	l.next().want("s.status", "PENDING")
	parsed, err := payment.ParseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.bank.ReceivePayment(parsed, payment.Sat(500).MustMsat()); err != nil {
		t.Fatal(err)
	}
	l.next().want("s.status", "PAID")
	l.wantComplete()

	hash, _ = o.invoice(500) // canceled
	l.subscribe("4", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, hash, fields))
	l.next().want("s.status", "PENDING")
	o.ask(`mutation($i: LnInvoiceCancelInput!) { lnInvoiceCancel(input: $i) { success } }`, vars{"i": vars{"walletId": o.wallet.ID, "paymentHash": hash}})
	l.next().want("s.status", "EXPIRED")
	l.wantComplete()

	l.subscribe("5", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, strings.Repeat("0", 64), fields))
	l.next().want("s.errors.0.code", string(codeInput))
	l.wantComplete()
	l.subscribe("6", `subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: "x"}) `+fields+` }`)
	bad := l.next()
	bad.want("s.errors.0.code", "")
	bad.want("s.status", "")
	l.wantComplete()
}

const updatesQuery = `subscription { myUpdates { errors { message } me { id } update { __typename
	... on Price { base offset } ... on RealtimePrice { denominatorCurrency btcSatPrice { base offset } }
	... on LnUpdate { paymentHash status walletId transaction { settlementAmount } }
	... on OnChainUpdate { txNotificationType txHash amount usdPerSat walletId transaction { status } }
	... on IntraLedgerUpdate { txNotificationType amount usdPerSat displayCurrencyPerSat walletId transaction { direction } } } } }`

// fixed is a price of 0.05 US cents per satoshi.
type fixed struct{}

func (fixed) Quote(_ context.Context, currency string) (Quote, error) {
	if currency != dollars {
		return Quote{}, payment.Errorf(payment.ReasonNoPrice, "There is no price in %s.", currency)
	}
	return Quote{
		Currency: Currency{Code: dollars, Symbol: "$", Name: "US Dollar", FractionDigits: 2}, At: time.Now(),
		Sat: Rate{Base: 50_000, Offset: 6}, Cent: Rate{Base: 1_000_000, Offset: 6},
	}, nil
}

func TestMyUpdates(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Prices, cfg.Limits.PriceEvery = fixed{}, 3*time.Second
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o, other := h.funded(t, 100_000), h.funded(t, 1)
	other.pay(payment.DoorIntraLedger, vars{"walletId": other.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 1}).wantPaid() // before: no news
	key, _ := o.key("READ", nil)
	l := call(t, address, key.params())
	l.subscribe("1", updatesQuery)
	price := l.next()
	price.want("myUpdates.update.__typename", "RealtimePrice")
	price.want("myUpdates.update.btcSatPrice.base", "50000")
	price.want("myUpdates.me.id", o.wallet.AccountID.String())
	l.next().want("myUpdates.update.__typename", "Price")

	news := func() *answer {
		for {
			a := l.next()
			if kind := a.text("myUpdates.update.__typename"); kind != "Price" && kind != "RealtimePrice" {
				return a
			}
		}
	}
	o.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": other.wallet.ID, "amount": 500}).wantPaid()
	a := news()
	a.want("myUpdates.update.txNotificationType", "IntraLedgerPayment")
	a.want("myUpdates.update.amount", "500")
	a.want("myUpdates.update.usdPerSat", "0.0005")
	other.pay(payment.DoorIntraLedger, vars{"walletId": other.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 200}).wantPaid()
	a = news()
	a.want("myUpdates.update.txNotificationType", "IntraLedgerReceipt")
	a.want("myUpdates.update.transaction.direction", "RECEIVE")

	hash, _ := o.invoice(700)
	parsed, err := payment.ParseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.bank.ReceivePayment(parsed, payment.Sat(700).MustMsat()); err != nil {
		t.Fatal(err)
	}
	a = news()
	a.want("myUpdates.update.__typename", "LnUpdate")
	a.want("myUpdates.update.status", "PAID")
	a.want("myUpdates.update.paymentHash", hash)
	a.want("myUpdates.update.transaction.settlementAmount", "700")

	deposit := o.ask(`mutation($w: WalletId!) { onChainAddressCreate(input: {walletId: $w}) { address } }`, vars{"w": o.wallet.ID}).text("onChainAddressCreate.address")
	txid := h.network.SendToAddress(deposit, 9_000)
	a = news()
	a.want("myUpdates.update.txNotificationType", "OnchainReceiptPending")
	a.want("myUpdates.update.txHash", txid)
	h.network.Mine(1)
	a = news()
	a.want("myUpdates.update.txNotificationType", "OnchainReceipt")
	a.want("myUpdates.update.amount", "9000")
	for l.next().text("myUpdates.update.__typename") != "Price" { // and again, as time goes on
	}
	l.write(frame{ID: "1", Type: "complete"})
}

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
	// Queries and mutations over the socket know the caller too.
	l := call(t, h.address, o.params())
	l.subscribe("q", `{ me { id } }`)
	l.next().want("me.id", o.wallet.AccountID.String())
	l.wantComplete()
}

func keyOf(o *owner, scopes string) *owner {
	key, _ := o.key(scopes, nil)
	return key
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
	t.Run("no pong", func(t *testing.T) {
		t.Parallel()
		call(t, address, nil).wantClosed(0)
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
		for {
			a := l.next() // there is no price: nothing else is told
			if a.Errors[0].Extensions["code"] != string(codeTooMany) {
				t.Errorf("got %s", a.raw)
			}
			break
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
	t.Run("a key revoked meanwhile", func(t *testing.T) {
		t.Parallel()
		key, id := o.key("READ", nil)
		l := call(t, address, key.params())
		l.subscribe("1", updatesQuery)
		o.ask(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { id } } }`, vars{"id": id})
		l.wantComplete()
	})
}

// A stranger's page may connect: it has no credentials that a browser would add.
func TestOrigins(t *testing.T) {
	t.Parallel()
	h := home(t)
	conn, _, err := websocket.Dial(t.Context(), "ws://"+h.address+"/graphqlws", &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"}, HTTPHeader: http.Header{"Origin": {"http://" + h.address}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.CloseNow()
}

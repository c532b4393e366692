package graphqlapi

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// told is one callback that arrived.
type told struct {
	header  http.Header
	body    []byte
	message callback.Message
}

// shop is a server that an account wants to be told at.
func shop(t *testing.T) (url string, arrived <-chan told) {
	t.Helper()
	calls := make(chan told, 20)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		call := told{header: r.Header.Clone()}
		call.body, _ = io.ReadAll(r.Body)
		if err := json.Unmarshal(call.body, &call.message); err != nil {
			t.Errorf("%s: %v", call.body, err)
		}
		calls <- call
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func next(t *testing.T, arrived <-chan told, event string) told {
	t.Helper()
	select {
	case call := <-arrived:
		if call.message.EventType != event {
			t.Fatalf("told %s, want %s", call.body, event)
		}
		return call
	case <-time.After(30 * time.Second):
		t.Fatalf("nobody told of %s", event)
		return told{}
	}
}

// An endpoint is told of what comes in and of what was sent, signed with the secret that was shown; once it is deleted, no more.
func TestCallbacks(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	url, arrived := shop(t)
	const add = `mutation($u: EndpointUrl!) { callbackEndpointAdd(input: {url: $u}) { id secret errors { code message } } }`
	added := o.ask(add, vars{"u": url + "/hook"})
	key, err := standardwebhooks.NewWebhook(added.text("callbackEndpointAdd.secret"))
	if err != nil {
		t.Fatal(err)
	}
	ledgertest.Fund(t, h.ledger, o.wallet, payment.Sat(700).MustMsat())
	received := next(t, arrived, "receive.lightning")
	o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": h.peer.MakeInvoice(90).Request})
	sent := next(t, arrived, "send.lightning")
	for _, call := range []told{received, sent} {
		if err := key.Verify(call.body, call.header); err != nil || call.message.AccountID != o.wallet.AccountID.String() || call.message.WalletID != o.wallet.ID.String() {
			t.Errorf("%v: %s", err, call.body)
		}
	}
	if r, s := received.message.Transaction, sent.message.Transaction; r.SettlementAmount != 700 || s.Status != "success" || s.SettlementAmount > -90 || s.Direction != "send" {
		t.Errorf("received %+v, sent %+v", r, s)
	}
	listed := o.ask(`{ me { defaultAccount { callbackEndpoints { id url } } } }`, nil)
	if strings.Contains(listed.raw, "whsec_") {
		t.Errorf("the secret is shown again: %s", listed.raw)
	}
	o.ask(`mutation($id: EndpointId!) { callbackEndpointDelete(input: {id: $id}) { success } }`, vars{"id": added.text("callbackEndpointAdd.id")}).
		want("callbackEndpointDelete.success", "true")
	ledgertest.Fund(t, h.ledger, o.wallet, payment.Sat(1).MustMsat())
	other, marker := shop(t)
	o.ask(add, vars{"u": other})
	ledgertest.Fund(t, h.ledger, o.wallet, payment.Sat(2).MustMsat())
	next(t, marker, "receive.lightning")
	select {
	case call := <-arrived:
		t.Errorf("told after it was deleted: %s", call.body)
	default:
	}
}

// Whoever asked for an invoice on behalf of its recipient is told that it was paid.
func TestWebhookOfAnInvoice(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 0)
	url, arrived := shop(t)
	made := h.nobody(t).ask(`mutation($w: WalletId!, $u: EndpointUrl!) { lnInvoiceCreateOnBehalfOfRecipient(input: {recipientWalletId: $w, amount: 7, webhookUrl: $u}) {
		errors { message } invoice { paymentHash } } }`, vars{"w": o.wallet.ID, "u": url})
	hash, err := payment.ParseHash(made.text("lnInvoiceCreateOnBehalfOfRecipient.invoice.paymentHash"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.ledger.CreditInvoice(t.Context(), bank, hash, payment.Sat(7).MustMsat(), 0); err != nil {
		t.Fatal(err)
	}
	call := next(t, arrived, "receive.lightning")
	if call.message.Transaction.InitiationVia.PaymentHash != hash.String() || call.message.AccountID != "" || call.header.Get("webhook-signature") != "" {
		t.Errorf("%s %v", call.body, call.header)
	}
}

// What could never be called is refused when it is named: without a master secret, and outside development what is inside.
func TestCallbacksThatCannotBe(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 0)
	const add = `mutation($u: EndpointUrl!) { callbackEndpointAdd(input: {url: $u}) { id secret errors { code message } } }`
	const behalf = `mutation($w: WalletId!, $u: EndpointUrl!) {
		some: lnInvoiceCreateOnBehalfOfRecipient(input: {recipientWalletId: $w, amount: 7, webhookUrl: $u}) { errors { code } invoice { paymentHash } }
		any: lnNoAmountInvoiceCreateOnBehalfOfRecipient(input: {recipientWalletId: $w, webhookUrl: $u}) { errors { code } invoice { paymentHash } } }`
	cfg := h.config
	cfg.Development, cfg.Issuer = false, nil
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	outside := *o
	outside.house = &house{address: address}
	for _, url := range []string{"http://shop.example/", "https://127.0.0.1/", "https://localhost:8443/"} {
		outside.ask(add, vars{"u": url}).want("callbackEndpointAdd.errors.0.code", string(codeInput))
		a := outside.ask(behalf, vars{"u": url, "w": o.wallet.ID})
		a.want("some.errors.0.code", string(codeInput))
		a.want("any.errors.0.code", string(codeInput))
	}
	if a := outside.ask(add, vars{"u": "https://shop.example/hook"}); !strings.HasPrefix(a.text("callbackEndpointAdd.secret"), "whsec_") {
		t.Errorf("%s", a.raw)
	}
	cfg.Callbacks = callback.NewSecrets("")
	if address, stop, err = h.open(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	outside.house = &house{address: address}
	a := outside.ask(add, vars{"u": "https://shop.example/hook"})
	a.want("callbackEndpointAdd.errors.0.code", string(codeInput))
	if !strings.Contains(a.raw, "HOLDFAST_CALLBACK_SECRET") || strings.Contains(a.raw, "whsec_") {
		t.Errorf("%s", a.raw)
	}
}

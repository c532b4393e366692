package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/payment"
)

// shop is a customer's server that wants to be told. It answers as the test says.
type shop struct {
	t   testing.TB
	key *standardwebhooks.Webhook
	url string

	mu     sync.Mutex
	answer func(attempt int, r *http.Request) int // of attempts of one message, counted from 1
	tries  map[string]int                         // by message id
	taken  chan callback.Message                  // with a valid signature, answered 200
}

// opensShop adds a callback endpoint by the API.
func (c *customer) opensShop(answer func(attempt int, r *http.Request) int) *shop {
	c.t.Helper()
	s := &shop{t: c.t, answer: answer, tries: map[string]int{}, taken: make(chan callback.Message, 20)}
	server := httptest.NewServer(s)
	c.t.Cleanup(server.Close)
	s.url = server.URL + "/hook"
	var added struct {
		CallbackEndpointAdd struct {
			ID, Secret string
			Errors     []failure
		}
	}
	c.owner().must(`mutation($u: EndpointUrl!) { callbackEndpointAdd(input: {url: $u}) { id secret errors { message } } }`, map[string]any{"u": s.url}, &added)
	var err error
	if s.key, err = standardwebhooks.NewWebhook(added.CallbackEndpointAdd.Secret); err != nil || added.CallbackEndpointAdd.ID == "" {
		c.t.Fatalf("%+v, %v", added, err)
	}
	return s
}

// ServeHTTP is what a shop does: verify, then take it or not.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.key.Verify(body, r.Header)
	}
	var m callback.Message
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err != nil {
		s.t.Errorf("a callback that cannot be trusted: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.tries[r.Header.Get("webhook-id")]++
	attempt := s.tries[r.Header.Get("webhook-id")]
	s.mu.Unlock()
	status := s.answer(attempt, r)
	w.WriteHeader(status)
	if status == http.StatusOK {
		s.taken <- m
	}
}

// told waits for one message of each event, in any order.
func (s *shop) told(events ...string) map[string]callback.Transaction {
	s.t.Helper()
	late := time.NewTimer(within)
	defer late.Stop()
	got := map[string]callback.Transaction{}
	for len(got) < len(events) {
		select {
		case m := <-s.taken:
			got[m.EventType] = m.Transaction
		case <-late.C:
			s.t.Fatalf("told %v within %v, want %v", got, within, events)
		}
	}
	for _, event := range events {
		if got[event].ID == "" {
			s.t.Errorf("told %v, want %v", got, events)
		}
	}
	return got
}

// attempts is how often each message was posted, the least and the most.
func (s *shop) attempts() (least, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.tries {
		if least == 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	return least, most
}

// asks makes an invoice by the API.
func (c *customer) asks(amount payment.Sat) (hash, request string) {
	c.t.Helper()
	var made struct {
		LnInvoiceCreate struct {
			Invoice struct{ PaymentHash, PaymentRequest string }
			Errors  []failure
		}
	}
	c.byKey().must(`mutation($w: WalletId!) { lnInvoiceCreate(input: {walletId: $w, amount: `+itoa(amount)+`}) { errors { message } invoice { paymentHash paymentRequest } } }`,
		map[string]any{"w": c.wallet.String()}, &made)
	return made.LnInvoiceCreate.Invoice.PaymentHash, made.LnInvoiceCreate.Invoice.PaymentRequest
}

// TestAPICallbacks: a shop is told of a receive and of a send, signed, although it answers 500 first.
func TestAPICallbacks(t *testing.T) {
	t.Parallel()
	c := signUp(t, 20_000)
	s := c.opensShop(func(attempt int, _ *http.Request) int {
		if attempt == 1 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	hash, request := c.asks(3_000)
	_, err := c.net.Pay(t.Context(), alice, request, 0)
	must(t, err)
	sent := c.payInvoice(c.byKey(), c.invoice(alice, 1_000))
	if sent.Status != "SUCCESS" {
		t.Fatalf("%+v", sent)
	}
	got := s.told("receive.lightning", "send.lightning")
	if r := got["receive.lightning"]; r.SettlementAmount != 3_000 || r.Status != "success" || r.InitiationVia.PaymentHash != hash || r.SettlementVia.Type != "lightning" {
		t.Errorf("of the receive: %+v", r)
	}
	if p := got["send.lightning"]; p.ID != sent.Transaction.ID || p.SettlementAmount != sent.Transaction.SettlementAmount || p.Status != "success" || p.Direction != "send" {
		t.Errorf("of the send: %+v, the API says %+v", p, sent.Transaction)
	}
	if least, most := s.attempts(); least != 2 || most != 2 {
		t.Errorf("each was posted %d to %d times, want 2", least, most)
	}
}

// TestAPICallbackWorkerKilled: the worker dies while the shop has the message and has not answered; what is paid while it is
// away is told of as well when it is back.
func TestAPICallbackWorkerKilled(t *testing.T) {
	c := signUp(t, 20_000)
	arrived, killed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := c.opensShop(func(attempt int, r *http.Request) int {
		if attempt > 1 {
			return http.StatusOK
		}
		once.Do(func() { close(arrived) })
		select {
		case <-killed:
		case <-r.Context().Done(): // the caller has died
		}
		return http.StatusServiceUnavailable
	})
	if sent := c.payInvoice(c.byKey(), c.invoice(alice, 1_000)); sent.Status != "SUCCESS" {
		t.Fatalf("%+v", sent)
	}
	select {
	case <-arrived:
	case <-time.After(within):
		t.Fatal("the shop was not told")
	}
	hash, request := c.asks(2_000)
	c.kill(workerProcess)
	close(killed)
	_, err := c.net.Pay(t.Context(), alice, request, 0)
	must(t, err)
	began := time.Now()
	c.start(workerProcess)
	got := s.told("send.lightning", "receive.lightning")
	t.Logf("started to told of both: %v", time.Since(began))
	if r := got["receive.lightning"]; r.SettlementAmount != 2_000 || r.InitiationVia.PaymentHash != hash {
		t.Errorf("of the receive: %+v", r)
	}
	if least, _ := s.attempts(); least < 2 {
		t.Errorf("posted %d times: the killed attempt was not one", least)
	}
}

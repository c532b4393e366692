package activities_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// till is a stranger's server that gets callbacks: it answers with one status after the other, the last again and again.
type till struct {
	mu       sync.Mutex
	statuses []int
	posts    []post
	url      string
}

type post struct {
	header http.Header
	body   []byte
}

func newTill(t *testing.T, statuses ...int) *till {
	t.Helper()
	s := &till{statuses: statuses}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		status := s.statuses[min(len(s.posts), len(s.statuses)-1)]
		s.posts = append(s.posts, post{r.Header.Clone(), body})
		s.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *till) got() []post {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.posts
}

var master = callback.NewSecrets("the master secret of a test")

func (h *house) callbacks() *activities.CallbackSteps {
	return &activities.CallbackSteps{
		Ledger: h.ledger, Client: callback.NewClient(true), Secrets: master, Now: h.clock.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// listens adds an endpoint of the customer, then receives: the delivery that is due.
func (h *house) listens(url string) (ledger.Callback, ledger.Delivery) {
	h.t.Helper()
	endpoint, err := h.ledger.AddCallback(context.Background(), h.wallet.AccountID, url)
	if err != nil {
		h.t.Fatal(err)
	}
	ledgertest.Fund(h.t, h.ledger, h.wallet, 2_500*sat)
	for _, d := range h.due() {
		if d.EndpointID == endpoint.ID {
			return endpoint, d
		}
	}
	h.t.Fatal("nothing is due")
	return ledger.Callback{}, ledger.Delivery{}
}

func (h *house) due() []ledger.Delivery {
	h.t.Helper()
	due, err := h.ledger.DeliveriesToStart(context.Background(), ledger.DeliveryBatch{PerLine: 1000, Limit: 1000})
	if err != nil {
		h.t.Fatal(err)
	}
	return due
}

func (h *house) delivery(id uuid.UUID) ledger.Delivery {
	h.t.Helper()
	d, err := h.ledger.Delivery(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return d
}

// A message is posted until it is taken: the same id each time, a fresh time, signed with the endpoint's secret.
func TestTellUntilItIsTaken(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newTill(t, 500, 302, 200)
	endpoint, d := h.listens(s.url)
	c := h.callbacks()
	for i, why := range []string{"it answered HTTP 500", "it answered HTTP 302"} {
		_, err := act(t.Context(), c.TellCallback, step.Callback{ID: d.ID})
		wantBenignRetry(t, err)
		if now := h.delivery(d.ID); now.State != ledger.DeliveryDue || now.Attempts != i+1 || now.LastError != why {
			t.Errorf("%+v", now)
		}
		if len(h.due()) != 0 {
			t.Error("it is started again while its workflow waits")
		}
	}
	if told := must(t, c.TellCallback, step.Callback{ID: d.ID}); told.State != "delivered" || told.Attempts != 3 || told.Why != "" {
		t.Errorf("%+v", told)
	}
	key, err := standardwebhooks.NewWebhook(master.Of(endpoint.ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range s.got() {
		if err := key.VerifyIgnoringTimestamp(p.body, p.header); err != nil || p.header.Get("webhook-id") != d.ID.String() {
			t.Errorf("%v: %v", p.header, err)
		}
	}
	var m callback.Message
	if err := json.Unmarshal(s.got()[2].body, &m); err != nil || m.EventType != "receive.lightning" || m.AccountID != h.wallet.AccountID.String() ||
		m.WalletID != h.wallet.ID.String() || m.Transaction.SettlementAmount != 2_500 || m.Transaction.Status != "success" || m.Transaction.Direction != "receive" {
		t.Errorf("%+v, %v", m, err)
	}
	again := must(t, c.TellCallback, step.Callback{ID: d.ID})
	if again.State != "delivered" || len(s.got()) != 3 {
		t.Errorf("what was delivered is posted again: %+v, %d posts", again, len(s.got()))
	}
}

// The ends without a delivery: results, with a reason, and recorded.
func TestTellGivesUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ends := func(d ledger.Delivery, why string) {
		t.Helper()
		told := must(t, h.callbacks().TellCallback, step.Callback{ID: d.ID})
		if now := h.delivery(d.ID); told.State != "given_up" || !strings.Contains(told.Why, why) || now.State != ledger.DeliveryGivenUp || now.LastError != told.Why {
			t.Errorf("%+v, %+v; want %q", told, now, why)
		}
	}
	_, gone := h.listens(newTill(t, 410).url)
	ends(gone, "gone")

	s := newTill(t, 200)
	endpoint, deleted := h.listens(s.url)
	if err := h.ledger.DeleteCallback(t.Context(), h.wallet.AccountID, endpoint.ID); err != nil {
		t.Fatal(err)
	}
	ends(deleted, "deleted")
	if len(s.got()) != 0 {
		t.Error("a deleted endpoint was called")
	}

	_, dropped := h.listens(newTill(t, 500).url)
	if told := must(t, h.callbacks().DropCallback, step.Callback{ID: dropped.ID}); told.State != "given_up" || told.Why != "an operator gave it up" {
		t.Errorf("%+v", told)
	}
	ends(dropped, "operator")

	_, dead := h.listens(newTill(t, 503).url)
	h.clock.Advance(3*24*time.Hour - time.Minute)
	_, err := act(t.Context(), h.callbacks().TellCallback, step.Callback{ID: dead.ID})
	wantBenignRetry(t, err)
	h.clock.Advance(time.Minute)
	ends(dead, "three days; last: it answered HTTP 503")

	told := must(t, h.callbacks().TellCallback, step.Callback{ID: uuid.New()})
	if told.State != "given_up" {
		t.Errorf("what is not known any more: %+v", told)
	}
}

// Whatever was down for however long: there is an attempt before anything is given up.
func TestTellAfterALongOutage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, d := h.listens(newTill(t, 200).url)
	h.clock.Advance(20 * 24 * time.Hour)
	if told := must(t, h.callbacks().TellCallback, step.Callback{ID: d.ID}); told.State != "delivered" {
		t.Errorf("%+v", told)
	}
}

// A worker without the master secret posts nothing unsigned; one outside development calls nothing inside.
func TestTellWithinItsCage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newTill(t, 200)
	_, d := h.listens(s.url)
	bare, outside := h.callbacks(), h.callbacks()
	bare.Secrets, outside.Client = callback.NewSecrets(""), callback.NewClient(false)
	for _, c := range []*activities.CallbackSteps{bare, outside} {
		_, err := act(t.Context(), c.TellCallback, step.Callback{ID: d.ID})
		wantBenignRetry(t, err)
	}
	if now := h.delivery(d.ID); len(s.got()) != 0 || now.Attempts != 2 || now.LastError != "the URL may not be called here" {
		t.Errorf("%d posts, %+v", len(s.got()), now)
	}
}

// The webhook of an invoice is told without a signature and without the account.
func TestTellTheWebhookOfAnInvoice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	s := newTill(t, 204)
	hash := ledgertest.RandomHash()
	err := h.ledger.AddInvoice(t.Context(), ledger.Invoice{
		Hash: hash, WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank, Request: "x", OnBehalf: true, WebhookURL: s.url + "/paid",
		ExternalID: "order-7", ExpiresAt: h.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.ledger.CreditInvoice(t.Context(), bank, hash, 10*sat, 1); err != nil {
		t.Fatal(err)
	}
	due := h.due()
	if len(due) != 1 {
		t.Fatalf("%d are due", len(due))
	}
	if told := must(t, h.callbacks().TellCallback, step.Callback{ID: due[0].ID}); told.State != "delivered" {
		t.Fatalf("%+v", told)
	}
	var m callback.Message
	p := s.got()[0]
	if err := json.Unmarshal(p.body, &m); err != nil || m.AccountID != "" || p.header.Get("webhook-signature") != "" || *m.Transaction.ExternalID != "order-7" ||
		m.Transaction.InitiationVia.PaymentHash != hash.String() {
		t.Errorf("%s, %v", p.body, err)
	}
}

// starts collects what the dispatcher starts.
type starts struct {
	mu    sync.Mutex
	ids   []uuid.UUID
	fails error
}

func (s *starts) start(_ context.Context, d ledger.Delivery) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		s.ids = append(s.ids, d.ID)
	}
	return s.fails
}

func (s *starts) list() []uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func (s *starts) count() int { return len(s.list()) }

func (h *house) dispatcher(s *starts, every time.Duration) *activities.DispatchSteps {
	return &activities.DispatchSteps{Ledger: h.ledger, Start: s.start, Every: every, PerLine: 3, Log: slog.New(slog.DiscardHandler), Shift: time.Hour}
}

// dispatching runs a dispatcher until the test ends.
func (h *house) dispatching(d *activities.DispatchSteps) <-chan result[string] {
	ctx, cancel := context.WithCancel(context.Background())
	done, over := going(ctx, func(ctx context.Context, _ string) (string, error) { return "", d.DispatchCallbacks(ctx) }, ""), make(chan struct{})
	out := make(chan result[string], 1)
	go func() { defer close(over); out <- <-done }()
	h.t.Cleanup(func() { cancel(); <-over })
	return out
}

// Everything that is due is started once: what was due before, and what comes, at a hint or at the next look. A line that is
// full does not keep the others.
func TestDispatcherStartsWhatIsDue(t *testing.T) {
	t.Parallel()
	for name, every := range map[string]time.Duration{"at a hint": time.Hour, "at the next look": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.listens("https://dead.example/")
			for range 9 {
				ledgertest.Fund(t, h.ledger, h.wallet, sat)
			}
			s := &starts{}
			h.dispatching(h.dispatcher(s, every))
			eventually(t, "the first three of ten to be started", func() bool { return s.count() == 3 })
			other := ledgertest.Funded(t, h.ledger, 0)
			if _, err := h.ledger.AddCallback(t.Context(), other.AccountID, "https://live.example/"); err != nil {
				t.Fatal(err)
			}
			ledgertest.Fund(t, h.ledger, other, sat)
			eventually(t, "the other line to be started", func() bool { return s.count() == 4 })
			seen := map[uuid.UUID]bool{}
			for _, id := range s.list() {
				if seen[id] {
					t.Errorf("%s is started twice", id)
				}
				seen[id] = true
			}
		})
	}
}

// More lines than two rounds hold: all are started at once, without a further look.
func TestDispatcherGoesRound(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const accounts = 15
	for i := range accounts {
		w := ledgertest.Funded(t, h.ledger, 0)
		for range 10 {
			if _, err := h.ledger.AddCallback(t.Context(), w.AccountID, "https://shop.example/"); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 + i%2 {
			ledgertest.Fund(t, h.ledger, w, sat)
		}
	}
	s := &starts{}
	h.dispatching(h.dispatcher(s, time.Hour))
	eventually(t, "three of each line to be started", func() bool { return s.count() == accounts*10*3 })
}

// Temporal away: the dispatcher ends with an error, to be started again, and what it could not start is still due.
func TestDispatcherWithTemporalAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, d := h.listens("https://shop.example/")
	s := &starts{fails: payment.Errorf(payment.ReasonUnavailable, "away")}
	if got := <-h.dispatching(h.dispatcher(s, time.Hour)); got.err == nil {
		t.Error("it goes on without Temporal")
	}
	if due := h.due(); len(due) != 1 || due[0].ID != d.ID {
		t.Errorf("due: %+v", due)
	}
}

func TestDispatcherEndsItsShift(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	d := h.dispatcher(&starts{}, time.Hour)
	d.Shift = 50 * time.Millisecond
	if got := <-h.dispatching(d); got.err != nil {
		t.Error(got.err)
	}
}

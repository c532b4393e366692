package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestMain(m *testing.M) { ledgertest.Main(m) }

const (
	bank    = "bank"
	depth   = int32(3)
	sat     = payment.Msat(1000)
	balance = 1_000_000 * sat
)

// house is a ledger, a node of ours on a network with a peer, and a customer with a wallet and an API key.
type house struct {
	t       testing.TB
	url     string
	clock   *clock
	ledger  *ledger.Ledger
	network *lndfake.Network
	bank    *lndfake.Node
	peer    *lndfake.Node
	steps   *activities.NodeSteps
	books   *activities.LedgerSteps
	wallet  ledger.Wallet
	key     ledger.Key
}

func newHouse(t testing.TB, options ...lndfake.Option) *house {
	t.Helper()
	h := &house{t: t, url: ledgertest.Database(t), clock: &clock{now: time.Now().Truncate(time.Second)}}
	h.ledger = ledgertest.Open(t, h.url, ledger.WithClock(h.clock.Now), ledger.WithMaxConns(8))
	h.network = lndfake.New(append(options, lndfake.WithClock(h.clock.Now))...)
	h.bank, h.peer = h.network.AddNode(bank), h.network.AddNode("peer")
	h.books = &activities.LedgerSteps{Ledger: h.ledger}
	h.steps = h.stepsOn(h.bank)
	h.customer()
	return h
}

// stepsOn are the steps of a worker whose node is wrapped or replaced.
func (h *house) stepsOn(node lndclient.Node) *activities.NodeSteps {
	return &activities.NodeSteps{
		Ledger: h.ledger, Node: node, Name: bank, Network: lndclient.Regtest, Depth: depth, Now: h.clock.Now,
		Timing: activities.Timing{Call: 20 * time.Second, Margin: 3 * time.Second, Stall: 30 * time.Second, Follow: 30 * time.Millisecond, Pathfinding: time.Second},
		Log:    slog.New(slog.DiscardHandler),
	}
}

// customer opens a new wallet with a balance, and a key whose budget is spied on.
func (h *house) customer() {
	h.t.Helper()
	h.wallet = ledgertest.Funded(h.t, h.ledger, balance)
	h.key = ledgertest.NewKey(h.t, h.ledger, h.wallet.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000_000})
}

// clock is the time of ledger, nodes and steps; it moves by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// pastDeadline is when no call that is under way now can reach LND any more.
func (h *house) pastDeadline() {
	h.clock.Advance(h.steps.Timing.Call + h.steps.Timing.Margin + time.Second)
}

// pastStall is when none can wait inside LND any more either.
func (h *house) pastStall() {
	h.clock.Advance(h.steps.Timing.Call + h.steps.Timing.Stall + time.Second)
}

// reserved is a lightning payment of an invoice, admitted by the ledger.
func (h *house) reserved(invoice lndfake.MadeInvoice) payment.Request {
	h.t.Helper()
	return h.reserve(h.request(invoice))
}

func (h *house) request(invoice lndfake.MadeInvoice) payment.Request {
	amount := invoice.Amount
	if amount == 0 {
		amount = 700 * sat
	}
	return payment.Request{
		ID: payment.NewID(), Kind: payment.Lightning, Door: payment.DoorGo, AccountID: h.wallet.AccountID, WalletID: h.wallet.ID,
		KeyID: h.key.ID, Node: bank, Amount: amount, FeeReserve: 10 * sat, Invoice: invoice.Request, PaymentHash: invoice.Hash,
	}
}

func (h *house) reserve(req payment.Request) payment.Request {
	h.t.Helper()
	outcome, err := h.books.Reserve(context.Background(), req)
	if err != nil || outcome.State != payment.Reserved {
		h.t.Fatalf("reserve: %+v, %v", outcome, err)
	}
	return req
}

func (h *house) row(id payment.ID) ledger.Payment {
	h.t.Helper()
	row, err := h.ledger.Payment(context.Background(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return row
}

// conclude is what the saga does by a terminal word.
func (h *house) conclude(req payment.Request, word step.Word) payment.Outcome {
	h.t.Helper()
	var outcome payment.Outcome
	var err error
	switch word.Status {
	case step.Paid:
		outcome, err = h.books.Settle(context.Background(), step.SettleInput{ID: req.ID, Fee: word.Fee})
	case step.NotPaid:
		outcome, err = h.books.Void(context.Background(), step.VoidInput{Request: req, Failure: *word.Failure, Attempt: word.Attempt})
	default:
		h.t.Fatalf("nothing to conclude from %+v", word)
	}
	if err != nil {
		h.t.Fatalf("conclude %+v: %v", word, err)
	}
	return outcome
}

// wantMoney checks the wallet and the books.
func (h *house) wantMoney(have, held payment.Msat) {
	h.t.Helper()
	w, err := h.ledger.Wallet(context.Background(), h.wallet.ID)
	if err != nil || w.Balance != have || w.Held != held {
		h.t.Fatalf("wallet has %v, %v held (%v); want %v, %v held", w.Balance, w.Held, err, have, held)
	}
	ledgertest.Balanced(h.t, h.ledger)
}

// act runs an activity as Temporal does: heartbeats, encoded input and result.
func act[In, Out any](ctx context.Context, fn func(context.Context, In) (Out, error), in In) (Out, error) {
	var out Out
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: "act"})
	value, err := env.ExecuteActivity("act", in)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

// must runs an activity that has to answer.
func must[In, Out any](t testing.TB, fn func(context.Context, In) (Out, error), in In) Out {
	t.Helper()
	out, err := act(context.Background(), fn, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// going runs an activity beside the test and hands its result over.
type result[Out any] struct {
	out Out
	err error
}

func going[In, Out any](ctx context.Context, fn func(context.Context, In) (Out, error), in In) <-chan result[Out] {
	done := make(chan result[Out], 1)
	go func() {
		out, err := act(ctx, fn, in)
		done <- result[Out]{out, err}
	}()
	return done
}

func wantNotPaid(t testing.TB, word step.Word, reason payment.Reason, attempt int) {
	t.Helper()
	if word.Status != step.NotPaid || word.Failure == nil || word.Failure.Reason != reason || word.Attempt != attempt {
		t.Fatalf("word %+v (failure %+v), want not paid: %s, attempt %d", word, word.Failure, reason, attempt)
	}
	if word.Failure.Message == "" {
		t.Fatalf("%s has no message for the user", reason)
	}
}

func wantUnknown(t testing.TB, word step.Word) {
	t.Helper()
	if word.Status != step.InFlight || !word.Unknown || word.Failure != nil || word.Note == "" {
		t.Fatalf("word %+v, want in flight, unknown", word)
	}
}

func wantPaid(t testing.TB, word step.Word, fee payment.Msat) {
	t.Helper()
	if word.Status != step.Paid || word.Fee != fee || word.Failure != nil {
		t.Fatalf("word %+v (failure %+v), want paid at %v", word, word.Failure, fee)
	}
}

func wantBenignRetry(t testing.TB, err error) {
	t.Helper()
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.NonRetryable() || app.Category() != temporal.ApplicationErrorCategoryBenign {
		t.Fatalf("got %v, want a benign error that is retried", err)
	}
}

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		}
	}
}

package ledger_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// answer is what one of several concurrent calls got.
type answer struct {
	p   ledger.Payment
	err error
}

// behind starts a first call, which waits for the budget's row that somebody else holds, and the others behind it. When
// it returns all are under way or queued; the answers come once the holder lets go.
func behind(t *testing.T, l *ledger.Ledger, url string, key payment.KeyID, reqs []payment.Request, ctxs ...context.Context) (holder pgx.Tx, answers []chan answer) {
	t.Helper()
	holder = holding(t, url, lockable{"budget", "SELECT FROM budgets WHERE key_id = $1 FOR UPDATE", key})
	for i, req := range reqs {
		ctx := t.Context()
		if i < len(ctxs) {
			ctx = ctxs[i]
		}
		got := make(chan answer, 1)
		answers = append(answers, got)
		go func() {
			p, err := l.Reserve(ctx, req)
			got <- answer{p, err}
		}()
		if i == 0 {
			waitUntilBlocked(t, url)
		}
	}
	until(t, "all calls wait", func() bool { return l.Queued(key) == len(reqs)-1 })
	return holder, answers
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

func release(t *testing.T, holder pgx.Tx) {
	t.Helper()
	if err := holder.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// transactionsOf counts the transactions that held funds for a wallet.
func transactionsOf(t *testing.T, url string, w ledger.Wallet) (n int) {
	t.Helper()
	queryRow(t, url, "SELECT count(DISTINCT xid) FROM transfers WHERE debit_account = $1", w.ID)(&n)
	return n
}

// TestHotKeyReservesExactlyItsBudget: 200 calls at once for a key with budget for 150 of them, in few transactions.
func TestHotKeyReservesExactlyItsBudget(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 10_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 1_500})
	var reqs []payment.Request
	for range 200 {
		reqs = append(reqs, lightning(w, key.ID, 9*sat, 1*sat))
	}
	holder, answers := behind(t, l, url, key.ID, reqs)
	release(t, holder)
	states, times := map[payment.State]int{}, map[time.Time]bool{}
	for _, got := range answers {
		a := <-got
		if a.err != nil || (a.p.Failure != nil && a.p.Failure.Reason != payment.ReasonBudgetExceeded) {
			t.Fatalf("%v %+v", a.err, a.p.Failure)
		}
		states[a.p.State]++
		times[a.p.CreatedAt] = true
		again, err := l.Reserve(t.Context(), a.p.Request)
		if err != nil || again.State != a.p.State {
			t.Fatalf("asked again: %s, %v; was %s", again.State, err, a.p.State)
		}
	}
	if states[payment.Reserved] != 150 || states[payment.Refused] != 50 || len(times) != 200 {
		t.Fatalf("%v at %d times", states, len(times))
	}
	if n := transactionsOf(t, url, w); n > 5 {
		t.Errorf("%d transactions, want at most 1 + 4", n)
	}
	wantSpent(t, l, key.ID, 1_500, 1_500)
	wantBalance(t, l, w.ID, 10_000*sat, 1_500*sat)
	if l.Lanes() != 0 {
		t.Errorf("%d lanes are kept", l.Lanes())
	}
	ledgertest.Balanced(t, l)
}

// TestBatchKeepsCallsApart: one caller's conflict is its own, in one transaction for the others; and when the server
// cannot read a request at all, the others are made one by one.
func TestBatchKeepsCallsApart(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w, stranger := ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 1_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 500})
	good, twice, alsoGood := lightning(w, key.ID, 100*sat, 0), lightning(w, key.ID, 200*sat, 0), lightning(w, key.ID, 100*sat, 0)
	other := lightning(w, key.ID, 300*sat, 0)
	other.ID = good.ID
	notHis := lightning(stranger, key.ID, sat, 0)
	notHis.AccountID = w.AccountID
	nothing := lightning(w, key.ID, 0, 0)
	good.PaymentHash, other.PaymentHash = payment.Hash{1}, payment.Hash{2} // the order in which a batch decides
	payments, errs, err := l.ReserveTogether(t.Context(), alsoGood, other, twice, notHis, good, twice, nothing)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []payment.Reason{"", payment.ReasonIdempotencyConflict, "", payment.ReasonWalletNotFound, "", "", payment.ReasonInvalidAmount} {
		switch {
		case want == payment.ReasonIdempotencyConflict:
			wantReason(t, errs[i], want)
		case errs[i] != nil:
			t.Errorf("%d: %v", i, errs[i])
		case want == "":
			mustPayment(t, payment.Reserved)(payments[i], nil)
		case payments[i].State != payment.Refused || payments[i].Failure.Reason != want:
			t.Errorf("%d: %s %+v, want %s", i, payments[i].State, payments[i].Failure, want)
		}
	}
	if n := transactionsOf(t, url, w); n != 1 {
		t.Errorf("%d transactions", n)
	}
	wantSpent(t, l, key.ID, 400, 400)

	unreadable := lightning(w, key.ID, 10*sat, 0)
	unreadable.Memo = "\x00"
	holder, answers := behind(t, l, url, key.ID, []payment.Request{
		lightning(w, key.ID, 10*sat, 0), lightning(w, key.ID, 20*sat, 0), unreadable, lightning(w, key.ID, 30*sat, 0),
	})
	release(t, holder)
	for i, got := range answers {
		a := <-got
		if i == 2 {
			wantReason(t, a.err, payment.ReasonInternal)
			continue
		}
		mustPayment(t, payment.Reserved)(a.p, a.err)
	}
	wantSpent(t, l, key.ID, 460, 460)
	ledgertest.Balanced(t, l)
}

// TestCallerLeavesTheQueue: it gets the error of its context at once, the others are served.
func TestCallerLeavesTheQueue(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	reqs := []payment.Request{lightning(w, key.ID, sat, 0), lightning(w, key.ID, sat, 0), lightning(w, key.ID, sat, 0)}
	leaving, leave := context.WithCancel(t.Context())
	holder, answers := behind(t, l, url, key.ID, reqs, t.Context(), leaving)
	leave()
	gone := <-answers[1]
	wantReason(t, gone.err, payment.ReasonUnavailable)
	if !errors.Is(gone.err, context.Canceled) {
		t.Errorf("%v", gone.err)
	}
	release(t, holder)
	for _, i := range []int{0, 2} {
		a := <-answers[i]
		mustPayment(t, payment.Reserved)(a.p, a.err)
	}
	wantSpent(t, l, key.ID, 2, 2)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), reqs[1]))
	wantSpent(t, l, key.ID, 3, 3)
}

// TestBatchLosesItsConnection: every caller hears it, nothing is held, and asking again works.
func TestBatchLosesItsConnection(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	reqs := []payment.Request{lightning(w, key.ID, sat, 0), lightning(w, key.ID, sat, 0), lightning(w, key.ID, sat, 0)}
	holder, answers := behind(t, l, url, key.ID, reqs)
	conn := connect(t, url)
	for _, batch := range [][]chan answer{answers[:1], answers[1:]} {
		waitUntilBlocked(t, url)
		const kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
		if _, err := conn.Exec(t.Context(), kill); err != nil {
			t.Fatal(err)
		}
		for _, got := range batch {
			wantReason(t, (<-got).err, payment.ReasonUnavailable)
		}
	}
	release(t, holder)
	wantBalance(t, l, w.ID, 1_000*sat, 0)
	for _, req := range reqs {
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	}
	ledgertest.Balanced(t, l)
}

// TestBatchesOfSeveralKeysDoNotDeadlock: two processes, keys that share wallets, and few invoices that all want to pay.
func TestBatchesOfSeveralKeysDoNotDeadlock(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	processes := []*ledger.Ledger{ledgertest.Open(t, url), ledgertest.Open(t, url)}
	l, account := processes[0], uuid.New()
	var wallets []ledger.Wallet
	var keys []payment.KeyID
	for range 3 {
		w := must[ledger.Wallet](t)(l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: account, Currency: payment.BTC}))
		ledgertest.Fund(t, l, w, 100_000*sat)
		wallets = append(wallets, w)
		keys = append(keys, ledgertest.NewKey(t, l, account, map[payment.Window]payment.Sat{payment.Annual: 90_000}).ID)
	}
	for round := range 15 {
		var hashes, own []payment.Hash
		for range 12 {
			hashes = append(hashes, ledgertest.RandomHash())
			own = append(own, ownInvoice(t, l, wallets[round%3], 0, time.Hour))
		}
		var mu sync.Mutex
		paid := map[payment.Hash]int{}
		together(96, func(i int) {
			r := rand.New(rand.NewPCG(uint64(i), uint64(round)))
			from, to, key := wallets[r.IntN(3)], wallets[round%3], keys[i%3]
			req := lightning(from, key, payment.Msat(1+r.Int64N(50_000)), 0)
			req.PaymentHash = hashes[r.IntN(len(hashes))]
			if i%2 == 0 && from.ID != to.ID {
				req = intraledger(from, to, key, payment.Msat(1+r.Int64N(50_000)))
				req.PaymentHash = own[r.IntN(len(own))]
			}
			p, err := processes[r.IntN(2)].Reserve(t.Context(), req)
			if err == nil && p.State == payment.Reserved && r.IntN(2) == 0 {
				p, err = processes[r.IntN(2)].Void(t.Context(), req, payment.Failure{Reason: payment.ReasonNoRoute}, 0)
			}
			if err != nil {
				t.Error(err)
			}
			if p.State == payment.Reserved {
				mu.Lock()
				defer mu.Unlock()
				paid[p.PaymentHash]++
			}
		})
		for hash, n := range paid {
			if n != 1 {
				t.Errorf("%s has %d live payments", hash, n)
			}
		}
	}
	wantNoDeadlock(t, url)
	ledgertest.Balanced(t, l)
}

// TestBatchesOfTheSameInvoices: two accounts pay the same invoices, asked in opposite order. They share no row to lock, so
// only the order of the new rows keeps each from waiting for the other.
func TestBatchesOfTheSameInvoices(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	wallets := []ledger.Wallet{ledgertest.Funded(t, l, 10_000*sat), ledgertest.Funded(t, l, 10_000*sat)}
	for range 10 {
		var reqs [2][]payment.Request
		for range 16 {
			for i, w := range wallets {
				reqs[i] = append(reqs[i], lightning(w, uuid.Nil, sat, 0))
			}
			reqs[1][len(reqs[1])-1].PaymentHash = reqs[0][len(reqs[0])-1].PaymentHash
		}
		slices.Reverse(reqs[1])
		var live atomic.Int64
		together(2, func(i int) {
			payments, errs, err := l.ReserveTogether(t.Context(), reqs[i]...)
			if err := errors.Join(append(errs, err)...); err != nil {
				t.Error(err)
			}
			for _, p := range payments {
				if p.State == payment.Reserved {
					live.Add(1)
				} else if p.Failure.Reason != payment.ReasonPaymentInFlight {
					t.Errorf("%+v", p.Failure)
				}
			}
		})
		if live.Load() != 16 {
			t.Errorf("%d live payments of 16 invoices", live.Load())
		}
	}
	wantNoDeadlock(t, url)
	ledgertest.Balanced(t, l)
}

func wantNoDeadlock(t *testing.T, url string) {
	t.Helper()
	var deadlocks int
	queryRow(t, url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")(&deadlocks)
	if deadlocks != 0 {
		t.Errorf("%d deadlocks", deadlocks)
	}
}

package ledger_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

const noParent = "23503" // a foreign key

// limited sets a limit of an account.
func limited(t *testing.T, l *ledger.Ledger, account payment.AccountID, purpose payment.Purpose, window payment.Window, limit payment.Sat) {
	t.Helper()
	if err := l.SetAccountLimit(t.Context(), account, purpose, window, limit); err != nil {
		t.Fatal(err)
	}
}

// moved is what an account has moved for a purpose.
func moved(t *testing.T, l *ledger.Ledger, account payment.AccountID, purpose payment.Purpose) ledger.AccountSpending {
	t.Helper()
	for _, of := range must[[]ledger.AccountSpending](t)(l.AccountSpendings(t.Context(), account)) {
		if of.Purpose == purpose {
			return of
		}
	}
	t.Fatalf("the account has no limit for %s", purpose)
	return ledger.AccountSpending{}
}

func wantMoved(t *testing.T, l *ledger.Ledger, account payment.AccountID, purpose payment.Purpose, spent, reserved payment.Sat) {
	t.Helper()
	if of := moved(t, l, account, purpose); of.Windows[0].Spent != spent || of.Reserved != reserved {
		t.Errorf("%s: %v spent, %v in flight; want %v, %v", purpose, of.Windows[0].Spent, of.Reserved, spent, reserved)
	}
}

func TestAccountLimit(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := ledgertest.New(t, ledger.WithClock(c.Now))
	w := ledgertest.Funded(t, l, 10_000*sat)
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Daily, 1_000)
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Annual, 1_500)

	first := lightning(w, uuid.Nil, 600*sat, 50*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), first))
	wantMoved(t, l, w.AccountID, payment.Withdrawal, 650, 650)

	events := must[[]ledger.Event](t)(l.Timeline(t.Context(), first.ID))
	if d := events[0].Detail; d["account_budget_sat"] != "650" || d["account_daily_limit_sat"] != "1000" || d["account_annual_spent_after_sat"] != "650" || d["budget_sat"] != "" {
		t.Errorf("the timeline tells %v", d)
	}

	// With a key of whatever budget: the account's limit is for all its keys and for its sessions.
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 5_000})
	p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 400*sat, 0)))
	if p.Failure.Reason != payment.ReasonAccountLimit || !strings.Contains(p.Failure.Message, "daily limit of this account for withdrawals is 1,000 sat: 650 sat spent, 350 sat remaining") {
		t.Fatalf("refused for %+v", p.Failure)
	}
	short := *p.Failure.Budget
	if !short.FreesAt.Equal(mustPayment(t, payment.Reserved)(l.Payment(t.Context(), first.ID)).CreatedAt.Add(24 * time.Hour)) {
		t.Errorf("frees at %v", short.FreesAt)
	}
	short.FreesAt = time.Time{}
	if short != (payment.BudgetShortfall{Window: payment.Daily, Limit: 1_000, Spent: 650, Remaining: 350, Needed: 400}) {
		t.Errorf("short of %+v", short)
	}
	if spent := must[ledger.Spending](t)(l.Spending(t.Context(), key.ID)).Windows[0].Spent; spent != 0 {
		t.Errorf("the key was charged %v for a refused payment", spent)
	}

	// The unused part comes back at settlement, all of it with a failure; both budgets are charged the same.
	must[ledger.Payment](t)(l.BeginSend(t.Context(), first.ID, ledger.Fence{CallTimeout: time.Second}))
	must[ledger.Payment](t)(l.Settle(t.Context(), first.ID, 1*sat))
	wantMoved(t, l, w.AccountID, payment.Withdrawal, 601, 0)
	second := lightning(w, key.ID, 300*sat, 99*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), second))
	wantMoved(t, l, w.AccountID, payment.Withdrawal, 1_000, 399)
	must[ledger.Payment](t)(l.Void(t.Context(), second, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
	wantMoved(t, l, w.AccountID, payment.Withdrawal, 601, 0)
	if got := must[ledger.Spending](t)(l.Spending(t.Context(), key.ID)); got.Windows[0].Spent != 0 || got.Reserved != 0 {
		t.Errorf("the key keeps %+v of a failed payment", got)
	}

	c.Move(24 * time.Hour) // the day is over, the year is not
	p = mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, uuid.Nil, 950*sat, 0)))
	if p.Failure.Budget.Window != payment.Annual {
		t.Errorf("refused by %+v", p.Failure.Budget)
	}
	if err := l.RemoveAccountLimit(t.Context(), w.AccountID, payment.Withdrawal, payment.Annual); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, uuid.Nil, 950*sat, 0)))
	ledgertest.Balanced(t, l)
}

// Each purpose has its own limit, and what is refused for one is not counted for another.
func TestAccountLimitPurposes(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w, other := ledgertest.Funded(t, l, 10_000*sat), ledgertest.Funded(t, l, 0)
	own := must[ledger.Wallet](t)(l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: w.AccountID, Name: "savings", Currency: payment.BTC}))
	for i, purpose := range payment.Purposes() {
		limited(t, l, w.AccountID, purpose, payment.Daily, payment.Sat(100*(i+1)))
	}
	refused := func(req payment.Request, reserve bool, words string) {
		t.Helper()
		do := l.Transfer
		if reserve {
			do = l.Reserve
		}
		p := mustPayment(t, payment.Refused)(do(t.Context(), req))
		if p.Failure.Reason != payment.ReasonAccountLimit || !strings.Contains(p.Failure.Message, words) {
			t.Errorf("refused for %+v, want %q", p.Failure, words)
		}
	}
	refused(lightning(w, uuid.Nil, 101*sat, 0), true, "for withdrawals is 100 sat")
	refused(onchain(w, uuid.Nil, 100*sat, 1*sat), true, "for withdrawals is 100 sat")
	refused(intraledger(w, other, uuid.Nil, 201*sat), false, "for sends to other accounts is 200 sat")
	refused(intraledger(w, own, uuid.Nil, 301*sat), false, "for transfers between its own wallets is 300 sat")
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, uuid.Nil, 100*sat, 0)))
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), intraledger(w, other, uuid.Nil, 200*sat)))
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), intraledger(w, own, uuid.Nil, 300*sat)))
	wantMoved(t, l, w.AccountID, payment.Withdrawal, 100, 100)
	wantMoved(t, l, w.AccountID, payment.InternalSend, 200, 0)
	wantMoved(t, l, w.AccountID, payment.Convert, 300, 0)
	// The receiver's account has no limits, and receiving is no sending.
	if got := must[[]ledger.AccountSpending](t)(l.AccountSpendings(t.Context(), other.AccountID)); len(got) != 0 {
		t.Errorf("the receiver moved %+v", got)
	}
	ledgertest.Balanced(t, l)
}

// 20 at once, through several keys and none: what fits the account passes, and nobody waits in a circle.
func TestAccountLimitRace(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000_000*sat)
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Daily, 7_000)
	keys := []payment.KeyID{uuid.Nil}
	for range 4 {
		keys = append(keys, ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 1_000_000}).ID)
	}
	var passed, failed atomic.Int64
	together(100, func(i int) {
		req := lightning(w, keys[i%len(keys)], 1_000*sat, 0)
		p, err := l.Reserve(t.Context(), req)
		switch {
		case err != nil:
			t.Error(err)
		case p.State == payment.Reserved:
			passed.Add(1)
			if i%2 == 0 { // comes back, and may be taken again
				_, err = l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonNoRoute}, 0)
				if err != nil {
					t.Error(err)
				}
				failed.Add(1)
			}
		case p.Failure.Reason != payment.ReasonAccountLimit:
			t.Errorf("refused for %+v", p.Failure)
		}
	})
	left := passed.Load() - failed.Load()
	if left > 7 || left < 1 {
		t.Errorf("%d passed, %d failed", passed.Load(), failed.Load())
	}
	wantMoved(t, l, w.AccountID, payment.Withdrawal, payment.Sat(left*1_000), payment.Sat(left*1_000))
	wantNoDeadlock(t, url)
	ledgertest.Balanced(t, l)
}

func TestAccountLimitSevenOfTwenty(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 1_000_000*sat)
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Weekly, 7_999)
	var passed atomic.Int64
	together(20, func(int) {
		p, err := l.Reserve(t.Context(), lightning(w, uuid.Nil, 1_000*sat, 0))
		if err != nil {
			t.Error(err)
		}
		if p.State == payment.Reserved {
			passed.Add(1)
		}
	})
	if passed.Load() != 7 {
		t.Errorf("%d passed", passed.Load())
	}
	ledgertest.Balanced(t, l)
}

// A batch locks all it will need at once, so an account gets its first limit before that or after the batch, never meanwhile.
func TestFirstAccountLimitWaitsForABatch(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	batch := holding(t, url, lockable{"batch", "SELECT payment_lock_all(ARRAY[payment_asked(jsonb_build_object('account_id', $1::uuid, 'kind', 'lightning'))])", w.AccountID})
	done := make(chan error, 1)
	go func() { done <- l.SetAccountLimit(t.Context(), w.AccountID, payment.Withdrawal, payment.Daily, 500) }()
	waitUntilBlocked(t, url)
	release(t, batch)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Daily, 400) // not the first one: it waits for nobody but the budget
	if got := moved(t, l, w.AccountID, payment.Withdrawal).Windows[0].Limit; got != 400 {
		t.Errorf("the limit is %v", got)
	}
}

func TestLimitsOfNewAccounts(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	before := ledgertest.Funded(t, l, 1_000*sat)
	limited(t, l, payment.AccountID{}, payment.InternalSend, payment.Monthly, 500)
	limited(t, l, payment.AccountID{}, payment.Withdrawal, payment.Daily, 300)
	if err := l.RemoveAccountLimit(t.Context(), payment.AccountID{}, payment.Withdrawal, payment.Daily); err != nil {
		t.Fatal(err)
	}
	got := must[[]ledger.AccountLimit](t)(l.NewAccountLimits(t.Context()))
	if len(got) != 1 || got[0] != (ledger.AccountLimit{Purpose: payment.InternalSend, Window: payment.Monthly, Limit: 500}) {
		t.Errorf("new accounts begin with %+v", got)
	}
	after := ledgertest.Funded(t, l, 1_000*sat)
	if got := must[[]ledger.AccountSpending](t)(l.AccountSpendings(t.Context(), after.AccountID)); len(got) != 1 || got[0].Purpose != payment.InternalSend {
		t.Errorf("a new account has %+v", got) // the default that was removed costs it nothing
	}
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), intraledger(before, after, uuid.Nil, 501*sat)))
	p := mustPayment(t, payment.Refused)(l.Transfer(t.Context(), intraledger(after, before, uuid.Nil, 501*sat)))
	if p.Failure.Reason != payment.ReasonAccountLimit {
		t.Errorf("refused for %+v", p.Failure)
	}
	// Its own limit replaces the one it began with.
	limited(t, l, after.AccountID, payment.InternalSend, payment.Monthly, 501)
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), intraledger(after, before, uuid.Nil, 501*sat)))
	ledgertest.Balanced(t, l)
}

func TestAccountLimitBadInput(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 0)
	wantReason(t, l.SetAccountLimit(t.Context(), uuid.New(), payment.Withdrawal, payment.Daily, 1), payment.ReasonAccountNotFound)
	wantReason(t, l.RemoveAccountLimit(t.Context(), uuid.New(), payment.Withdrawal, payment.Daily), payment.ReasonAccountNotFound)
	wantReason(t, l.SetAccountLimit(t.Context(), w.AccountID, "gifts", payment.Daily, 1), payment.ReasonInvalidInput)
	wantReason(t, l.SetAccountLimit(t.Context(), w.AccountID, payment.Withdrawal, "hourly", 1), payment.ReasonInvalidInput)
	for _, limit := range []payment.Sat{0, -1, payment.MaxSat + 1} {
		wantReason(t, l.SetAccountLimit(t.Context(), w.AccountID, payment.Withdrawal, payment.Daily, limit), payment.ReasonInvalidAmount)
	}
	if err := l.RemoveAccountLimit(t.Context(), w.AccountID, payment.Withdrawal, payment.Daily); err != nil {
		t.Errorf("lifting what was never set: %v", err)
	}
	if got := must[[]ledger.AccountSpending](t)(l.AccountSpendings(t.Context(), w.AccountID)); len(got) != 0 {
		t.Errorf("the account got %+v", got)
	}
}

// An account's budget is nobody's key: it takes no locks, no limits of keys, and what it has counted cannot be rewritten.
func TestAccountLimitIsNoKey(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Daily, 500)
	var budget uuid.UUID
	queryRow(t, url, "SELECT key_id FROM budgets WHERE account_id = $1", w.AccountID)(&budget)
	wantReason(t, l.SetLimit(t.Context(), w.AccountID, budget, payment.Daily, 1_000), payment.ReasonKeyNotFound)
	if _, err := l.LockBudget(t.Context(), payment.NewID(), budget, 10, time.Hour); err == nil {
		t.Error("a lock was held on an account's budget")
	}
	p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, budget, 10*sat, 0)))
	if p.Failure.Reason != payment.ReasonKeyNotFound {
		t.Errorf("refused for %+v", p.Failure)
	}
	req := lightning(w, uuid.Nil, 100*sat, 0)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	args := pgx.NamedArgs{"id": req.ID, "account": w.AccountID}
	for _, try := range []struct{ role, want, sql string }{
		{owner, appendOnly, "UPDATE payments SET account_limit_id = NULL WHERE id = @id"},
		{owner, appendOnly, "UPDATE payments SET account_limit_id = gen_random_uuid() WHERE id = @id"},
		{owner, noParent, "INSERT INTO budgets (key_id) VALUES (gen_random_uuid())"},
		{owner, checkFailed, "INSERT INTO budgets (key_id, account_id) VALUES (gen_random_uuid(), @account)"},
		{owner, notUnique, "INSERT INTO budgets (key_id, account_id, purpose) VALUES (gen_random_uuid(), @account, 'withdrawal')"},
		{owner, checkFailed, "INSERT INTO account_limit_defaults VALUES ('gifts')"},
		{app, notPermitted, "UPDATE budgets SET limits[1] = 1000000 WHERE account_id = @account"},
		{app, notPermitted, "INSERT INTO account_limit_defaults VALUES ('convert')"},
	} {
		if got := execAs(t, url, try.role, try.sql, args); got != try.want {
			t.Errorf("SQLSTATE %q, want %q: %s", got, try.want, try.sql)
		}
	}
	ledgertest.Balanced(t, l)
}

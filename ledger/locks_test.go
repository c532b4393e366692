package ledger_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// lockBooks is a ledger with one key that may spend 1,000 sat a day, on a clock of the test.
type lockBooks struct {
	url   string
	l     *ledger.Ledger
	clock *clock
	key   ledger.Key
}

func newLockBooks(t *testing.T) lockBooks {
	t.Helper()
	b := lockBooks{url: ledgertest.Database(t), clock: newClock()}
	b.l = ledgertest.Open(t, b.url, ledger.WithClock(b.clock.Now))
	b.key = ledgertest.NewKey(t, b.l, uuid.New(), map[payment.Window]payment.Sat{payment.Daily: 1_000})
	t.Cleanup(func() { ledgertest.Balanced(t, b.l) })
	return b
}

func (b lockBooks) lock(t *testing.T, amount payment.Sat) ledger.Lock {
	t.Helper()
	return must[ledger.Lock](t)(b.l.LockBudget(t.Context(), payment.NewID(), b.key.ID, amount, 15*time.Minute))
}

func (b lockBooks) wants(t *testing.T, id payment.ID, state payment.LockState, spent, reserved payment.Sat) {
	t.Helper()
	l := must[ledger.Lock](t)(b.l.Lock(t.Context(), id))
	if l.State != state || l.ResolvedAt.IsZero() != (state == payment.LockHeld) {
		t.Fatalf("lock %+v, want %s", l, state)
	}
	wantSpent(t, b.l, b.key.ID, spent, reserved)
}

func TestLockRecordReverse(t *testing.T) {
	t.Parallel()
	b, ctx := newLockBooks(t), t.Context()
	l := b.lock(t, 600)
	b.wants(t, l.ID, payment.LockHeld, 600, 600)
	again := must[ledger.Lock](t)(b.l.LockBudget(ctx, l.ID, b.key.ID, 600, time.Hour))
	if again != l || l.ExpiresAt.Sub(l.CreatedAt) != 15*time.Minute {
		t.Fatalf("asked again: %+v, then %+v", l, again)
	}
	_, err := b.l.LockBudget(ctx, l.ID, b.key.ID, 601, time.Hour)
	wantReason(t, err, payment.ReasonIdempotencyConflict)

	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, l.ID, 599, "tx"), payment.ReasonLockConflict)
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, uuid.New(), 600, "tx"), payment.ReasonLockNotFound)
	b.wants(t, l.ID, payment.LockHeld, 600, 600)
	for range 2 { // a retry changes nothing
		must[any](t)(nil, b.l.RecordSpend(ctx, b.key.ID, l.ID, 600, "tx"))
		b.wants(t, l.ID, payment.LockRecorded, 600, 0)
	}
	must[any](t)(nil, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, 600, "tx")) // as is one that has forgotten the lock
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, l.ID, 600, "another"), payment.ReasonLockConflict)
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, l.ID, 599, "tx"), payment.ReasonLockConflict)
	second := b.lock(t, 600-200)
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, second.ID, 400, "tx"), payment.ReasonLockConflict)
	if state := must[payment.LockState](t)(b.l.ReleaseLock(ctx, l.ID)); state != payment.LockRecorded {
		t.Fatalf("released what was recorded: %s", state)
	}
	b.wants(t, l.ID, payment.LockRecorded, 1_000, 400)

	for _, ref := range []string{"tx", l.ID.String(), "tx"} { // either name, and only once
		must[any](t)(nil, b.l.ReverseSpend(ctx, ref))
		b.wants(t, l.ID, payment.LockReversed, 400, 400)
	}
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, l.ID, 600, "tx"), payment.ReasonLockConflict)
	b.wants(t, l.ID, payment.LockReversed, 400, 400)
	must[any](t)(nil, b.l.ReverseSpend(ctx, second.ID.String())) // never recorded
	b.wants(t, second.ID, payment.LockReversed, 0, 0)
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, second.ID, 400, "late"), payment.ReasonLockConflict)
	wantReason(t, b.l.ReverseSpend(ctx, "unknown"), payment.ReasonLockNotFound)
	wantReason(t, b.l.ReverseSpend(ctx, uuid.NewString()), payment.ReasonLockNotFound)
}

// A lock that nobody recorded is given back; should the money have been spent all the same, it counts from then on.
func TestLockReleasedAndRecordedLate(t *testing.T) {
	t.Parallel()
	b, ctx := newLockBooks(t), t.Context()
	l, other := b.lock(t, 700), b.lock(t, 300)
	b.clock.Move(15 * time.Minute)
	if n := must[int](t)(b.l.ReleaseExpiredLocks(ctx, time.Minute, 10)); n != 0 {
		t.Fatalf("%d released within the grace", n)
	}
	b.clock.Move(time.Minute + time.Second)
	if n := must[int](t)(b.l.ReleaseExpiredLocks(ctx, time.Minute, 1)); n != 1 {
		t.Fatalf("%d released, want a batch of 1", n)
	}
	if n := must[int](t)(b.l.ReleaseExpiredLocks(ctx, time.Minute, 10)); n != 1 {
		t.Fatalf("%d released, want the other", n)
	}
	b.wants(t, l.ID, payment.LockReleased, 0, 0)
	b.lock(t, 500)
	b.clock.Move(time.Hour)
	for range 2 {
		must[any](t)(nil, b.l.RecordSpend(ctx, b.key.ID, l.ID, 700, "late"))
		b.wants(t, l.ID, payment.LockRecorded, 1_200, 500) // over the limit: it has happened
	}
	must[any](t)(nil, b.l.ReverseSpend(ctx, other.ID.String())) // released before: nothing left to give
	b.wants(t, other.ID, payment.LockReversed, 1_200, 500)
	b.clock.Move(24*time.Hour - time.Second) // counted from when it was recorded
	verdict := must[ledger.Verdict](t)(b.l.CheckLimit(ctx, b.key.ID, 301))
	if verdict.Allowed || verdict.Spending.Windows[0].Spent != 700 {
		t.Fatalf("%+v", verdict)
	}
	must[any](t)(nil, b.l.ReverseSpend(ctx, "late"))
	wantSpent24 := must[ledger.Spending](t)(b.l.Spending(ctx, b.key.ID))
	if wantSpent24.Windows[0].Spent != 0 || wantSpent24.Windows[1].Spent != 500 {
		t.Fatalf("%+v", wantSpent24)
	}
}

func TestRecordWithoutALock(t *testing.T) {
	t.Parallel()
	b, ctx := newLockBooks(t), t.Context()
	for range 2 {
		must[any](t)(nil, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, 1_500, "tx"))
		wantSpent(t, b.l, b.key.ID, 1_500, 0)
	}
	_, err := b.l.LockBudget(ctx, payment.NewID(), b.key.ID, 1, time.Minute)
	wantReason(t, err, payment.ReasonBudgetExceeded)
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, 1_501, "tx"), payment.ReasonLockConflict)
	must[any](t)(nil, b.l.ReverseSpend(ctx, "tx"))
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, 1_500, "tx"), payment.ReasonLockConflict)
	wantSpent(t, b.l, b.key.ID, 0, 0)

	// The same transaction id under two keys counts twice, and its name alone does not say which one to reverse.
	other := ledgertest.NewKey(t, b.l, uuid.New(), nil)
	l := must[ledger.Lock](t)(b.l.LockBudget(ctx, payment.NewID(), other.ID, 10, time.Minute))
	must[any](t)(nil, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, 10, "shared"))
	wantReason(t, b.l.RecordSpend(ctx, b.key.ID, l.ID, 10, "x"), payment.ReasonLockNotFound) // another key's
	must[any](t)(nil, b.l.RecordSpend(ctx, other.ID, l.ID, 10, "shared"))
	wantReason(t, b.l.ReverseSpend(ctx, "shared"), payment.ReasonLockConflict)
	must[any](t)(nil, b.l.ReverseSpend(ctx, l.ID.String()))
	wantSpent(t, b.l, b.key.ID, 10, 0)
	wantSpent(t, b.l, other.ID, 0, 0)
}

func TestLockRefusals(t *testing.T) {
	t.Parallel()
	b, ctx := newLockBooks(t), t.Context()
	b.lock(t, 900)
	_, err := b.l.LockBudget(ctx, payment.NewID(), b.key.ID, 101, time.Minute)
	refused, ok := errors.AsType[*payment.Error](err)
	if !ok || refused.Reason != payment.ReasonBudgetExceeded || !refused.Budget.FreesAt.Equal(b.clock.Now().Add(24*time.Hour)) {
		t.Fatalf("%v", err)
	}
	want := payment.BudgetShortfall{Window: payment.Daily, Limit: 1_000, Spent: 900, Remaining: 100, Needed: 101, FreesAt: refused.Budget.FreesAt}
	if *refused.Budget != want {
		t.Fatalf("%+v, want %+v", *refused.Budget, want)
	}
	for _, part := range []string{"daily limit", "1,000 sat", "100 sat remaining", "2026-03-02 12:00:00 UTC"} {
		if !strings.Contains(refused.Message, part) {
			t.Errorf("%q does not say %q", refused.Message, part)
		}
	}
	_, err = b.l.LockBudget(ctx, payment.NewID(), b.key.ID, 1_001, time.Minute)
	if refused, ok := errors.AsType[*payment.Error](err); !ok || !refused.Budget.FreesAt.IsZero() || !strings.Contains(refused.Message, "raise the limit") {
		t.Errorf("%v", err)
	}
	for _, amount := range []payment.Sat{0, -1, payment.MaxSat + 1} {
		_, err := b.l.LockBudget(ctx, payment.NewID(), b.key.ID, amount, time.Minute)
		_, checked := b.l.CheckLimit(ctx, b.key.ID, amount)
		for _, err := range []error{err, checked, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, amount, "tx")} {
			wantReason(t, err, payment.ReasonInvalidAmount)
		}
	}
	for _, tx := range []string{"", "a\x00b", "\xff", strings.Repeat("x", 256)} {
		wantReason(t, b.l.RecordSpend(ctx, b.key.ID, uuid.Nil, 1, tx), payment.ReasonInvalidInput)
		wantReason(t, b.l.ReverseSpend(ctx, tx), payment.ReasonInvalidInput)
	}
	_, err = b.l.LockBudget(ctx, payment.NewID(), uuid.New(), 1, time.Minute)
	_, checked := b.l.CheckLimit(ctx, uuid.New(), 1)
	for _, err := range []error{err, checked, b.l.RecordSpend(ctx, uuid.New(), uuid.Nil, 1, "tx")} {
		wantReason(t, err, payment.ReasonKeyNotFound)
	}
	if state := must[payment.LockState](t)(b.l.ReleaseLock(ctx, uuid.New())); state != payment.LockRefused {
		t.Errorf("a lock that never was: %s", state)
	}
}

// A revoked key gets no lock any more; what it had locked is still recorded, because the money has been spent.
func TestLocksOfARevokedKey(t *testing.T) {
	t.Parallel()
	b, ctx := newLockBooks(t), t.Context()
	l := b.lock(t, 100)
	must[any](t)(nil, b.l.RevokeKey(ctx, b.key.AccountID, b.key.ID))
	_, err := b.l.LockBudget(ctx, payment.NewID(), b.key.ID, 1, time.Minute)
	_, checked := b.l.CheckLimit(ctx, b.key.ID, 1)
	wantReason(t, err, payment.ReasonKeyInactive)
	wantReason(t, checked, payment.ReasonKeyInactive)
	must[any](t)(nil, b.l.RecordSpend(ctx, b.key.ID, l.ID, 100, "tx"))
	b.wants(t, l.ID, payment.LockRecorded, 100, 0)

	expired := must[ledger.Key](t)(b.l.CreateKey(ctx, ledger.Key{ID: uuid.New(), AccountID: uuid.New(), ExpiresAt: b.clock.Now()}, ledgertest.RandomHash()))
	_, err = b.l.LockBudget(ctx, payment.NewID(), expired.ID, 1, time.Minute)
	_, checked = b.l.CheckLimit(ctx, expired.ID, 1)
	wantReason(t, err, payment.ReasonKeyInactive)
	wantReason(t, checked, payment.ReasonKeyInactive)
}

// Spends are added up in chunks: what is reversed leaves its chunk too, the open one and one that was closed long ago.
func TestReverseInAClosedChunk(t *testing.T) {
	t.Parallel()
	b := newLockBooks(t)
	var recorded, closed int
	queryRow(t, b.url, "SELECT count(budget_record($1, NULL, 10, 'tx' || i, NULL)) FROM generate_series(1, 2500) i", b.key.ID)(&recorded)
	queryRow(t, b.url, "SELECT count(*) FROM spend_chunks WHERE key_id = $1", b.key.ID)(&closed)
	if recorded != 2500 || closed < 2 {
		t.Fatalf("%d recorded, %d chunks closed", recorded, closed)
	}
	for i, tx := range []string{"tx1", "tx1500", "tx2500"} {
		must[any](t)(nil, b.l.ReverseSpend(t.Context(), tx))
		ledgertest.Balanced(t, b.l)
		if s := must[ledger.Spending](t)(b.l.Spending(t.Context(), b.key.ID)); s.Windows[3].Spent != payment.Sat(25_000-10*(i+1)) {
			t.Fatalf("after %s: %+v", tx, s)
		}
	}
}

// Twenty at once against a budget for seven, among payments of the same key: exactly as many as fit.
func TestConcurrentLocks(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	key := ledgertest.NewKey(t, l, uuid.New(), map[payment.Window]payment.Sat{payment.Weekly: 700})
	var held, refused atomic.Int64
	together(20, func(i int) {
		lock, err := l.LockBudget(t.Context(), payment.NewID(), key.ID, 100, time.Minute)
		switch {
		case payment.IsReason(err, payment.ReasonBudgetExceeded):
			refused.Add(1)
			return
		case err != nil:
			t.Error(err)
			return
		}
		held.Add(1)
		tx := fmt.Sprint("tx", i)
		together(4, func(j int) { // record, reverse and release race: whoever is first, the books agree
			var err error
			switch j {
			case 0, 1:
				err = l.RecordSpend(t.Context(), key.ID, lock.ID, 100, tx)
			case 2:
				_, err = l.ReleaseLock(t.Context(), lock.ID)
			case 3:
				if i%2 == 0 {
					err = l.ReverseSpend(t.Context(), lock.ID.String())
				}
			}
			if err != nil && !payment.IsReason(err, payment.ReasonLockConflict) {
				t.Error(err)
			}
		})
	})
	if held.Load() < 7 { // more where a reversed one has made room
		t.Errorf("%d held, %d refused", held.Load(), refused.Load())
	}
	ledgertest.Balanced(t, l)
	if s := must[ledger.Spending](t)(l.Spending(t.Context(), key.ID)); s.Reserved != 0 {
		t.Errorf("%+v", s)
	}
}

func TestExactlySevenLocksFit(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	key := ledgertest.NewKey(t, l, uuid.New(), map[payment.Window]payment.Sat{payment.Annual: 7})
	var held atomic.Int64
	together(20, func(int) {
		_, err := l.LockBudget(t.Context(), payment.NewID(), key.ID, 1, time.Minute)
		if err == nil {
			held.Add(1)
		} else if !payment.IsReason(err, payment.ReasonBudgetExceeded) {
			t.Error(err)
		}
	})
	if held.Load() != 7 {
		t.Errorf("%d of 20 fit into a budget for 7", held.Load())
	}
	wantSpent(t, l, key.ID, 7, 7)
}

// The rules of locks hold in SQL, whoever writes.
func TestLockRulesHoldInSQL(t *testing.T) {
	t.Parallel()
	b := newLockBooks(t)
	held, recorded, reversed := b.lock(t, 1), b.lock(t, 2), b.lock(t, 3)
	must[any](t)(nil, b.l.RecordSpend(t.Context(), b.key.ID, recorded.ID, 2, "tx"))
	must[any](t)(nil, b.l.ReverseSpend(t.Context(), reversed.ID.String()))
	for _, try := range []struct {
		name, role, want, sql string
		on                    ledger.Lock
	}{
		{"deleted", owner, appendOnly, `DELETE FROM budget_locks WHERE ephemeral_id = $1`, reversed},
		{"another amount", owner, illegalMove, `UPDATE budget_locks SET amount_sat = 9 WHERE ephemeral_id = $1`, held},
		{"held again", owner, illegalMove, `UPDATE budget_locks SET state = 'held', resolved_at = NULL, transaction_id = NULL WHERE ephemeral_id = $1`, recorded},
		{"recorded after it was reversed", owner, illegalMove, `UPDATE budget_locks SET state = 'recorded', transaction_id = 'x' WHERE ephemeral_id = $1`, reversed},
		{"recorded without a transaction", owner, checkFailed, `UPDATE budget_locks SET state = 'recorded', resolved_at = now() WHERE ephemeral_id = $1`, held},
		{"a transaction twice", owner, notUnique, `UPDATE budget_locks SET state = 'recorded', transaction_id = 'tx', resolved_at = now() WHERE ephemeral_id = $1`, held},
		{"the spend of a recorded lock released", owner, appendOnly, `UPDATE spends SET state = 'released', counted = 0 WHERE payment_id = $1`, recorded},
		{"by the ledger's own role", app, notPermitted, `UPDATE budget_locks SET state = 'released', resolved_at = now() WHERE ephemeral_id = $1`, held},
		{"made by the ledger's own role", app, notPermitted, `INSERT INTO budget_locks SELECT gen_random_uuid(), key_id, now(), 1, 'held', NULL, now(), now(), NULL FROM budget_locks WHERE ephemeral_id = $1`, held},
	} {
		t.Run(try.name, func(t *testing.T) {
			if got := execAs(t, b.url, try.role, try.sql, try.on.ID); got != try.want {
				t.Errorf("SQLSTATE %q, want %q", got, try.want)
			}
		})
	}
}

package ledger_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// lockMachine drives the ledger's locks and the naive budget side by side, on a clock that also steps back.
type lockMachine struct {
	t     *testing.T
	l     *ledger.Ledger
	clock *clock
	key   ledger.Key
	naive naiveBudget
	locks []*naiveLock
}

type naiveLock struct {
	id     payment.ID // zero: recorded without a lock
	amount payment.Sat
	state  payment.LockState
	tx     string
	spend  int // index into naive.spends
}

func (m *lockMachine) move(t *rapid.T) {
	m.clock.Move(rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Minute, 23 * time.Hour, 25 * time.Hour, 6 * 24 * time.Hour, 31 * 24 * time.Hour, -time.Hour, -time.Microsecond,
	}).Draw(t, "step"))
}

func (m *lockMachine) lock(t *rapid.T) {
	amount, id := payment.Sat(rapid.IntRange(1, 60).Draw(t, "amount")), payment.NewID()
	now := m.naive.judgedAt(m.clock.Now())
	short := m.naive.judge(amount, now)
	_, err := m.l.LockBudget(m.t.Context(), id, m.key.ID, amount, time.Hour)
	switch {
	case short != nil && !payment.IsReason(err, payment.ReasonBudgetExceeded):
		t.Fatalf("%v, want a refusal of the %s window", err, short.Window)
	case short == nil && err != nil:
		t.Fatal(err)
	case short == nil:
		m.locks = append(m.locks, &naiveLock{id: id, amount: amount, state: payment.LockHeld, spend: m.spend(now, amount)})
	}
}

func (m *lockMachine) spend(at time.Time, amount payment.Sat) int {
	m.naive.count(at, amount)
	return len(m.naive.spends) - 1
}

func (m *lockMachine) recordWithoutALock(t *rapid.T) {
	l := &naiveLock{amount: payment.Sat(rapid.IntRange(1, 150).Draw(t, "amount")), state: payment.LockRecorded, tx: m.tx(fmt.Sprint("direct", len(m.locks)))}
	l.spend = m.spend(m.naive.judgedAt(m.clock.Now()), l.amount)
	m.locks = append(m.locks, l)
	m.wants(t, m.l.RecordSpend(m.t.Context(), m.key.ID, uuid.Nil, l.amount, l.tx), "")
}

func (m *lockMachine) record(t *rapid.T) {
	l := m.any(t)
	tx := m.tx(fmt.Sprint("tx", rapid.IntRange(0, len(m.locks)).Draw(t, "tx")))
	want := payment.Reason("")
	switch other := m.withTx(tx); {
	case other != nil:
		same := other == l || l.id == uuid.Nil && other.amount == l.amount
		if !same || other.state == payment.LockReversed {
			want = payment.ReasonLockConflict
		}
	case l.id == uuid.Nil: // another transaction without a lock
		m.locks = append(m.locks, &naiveLock{amount: l.amount, state: payment.LockRecorded, tx: tx, spend: m.spend(m.naive.judgedAt(m.clock.Now()), l.amount)})
	case l.state == payment.LockHeld:
		l.state, l.tx = payment.LockRecorded, tx
	case l.state == payment.LockReleased:
		l.state, l.tx, l.spend = payment.LockRecorded, tx, m.spend(m.naive.judgedAt(m.clock.Now()), l.amount)
	default:
		want = payment.ReasonLockConflict
	}
	m.wants(t, m.l.RecordSpend(m.t.Context(), m.key.ID, l.id, l.amount, tx), want)
}

// tx is a transaction id of this machine alone.
func (m *lockMachine) tx(name string) string { return m.key.ID.String() + name }

func (m *lockMachine) reverse(t *rapid.T) {
	l := m.any(t)
	ref := l.id.String()
	if l.tx != "" && (l.id == uuid.Nil || rapid.Bool().Draw(t, "by transaction")) {
		ref = l.tx
	}
	m.wants(t, m.l.ReverseSpend(m.t.Context(), ref), "")
	l.state = payment.LockReversed
	m.naive.spends[l.spend].counted = 0
}

func (m *lockMachine) release(t *rapid.T) {
	l := m.any(t)
	if l.id == uuid.Nil {
		t.Skip("has no lock")
	}
	if l.state == payment.LockHeld {
		l.state = payment.LockReleased
		m.naive.spends[l.spend].counted = 0
	}
	if state, err := m.l.ReleaseLock(m.t.Context(), l.id); err != nil || state != l.state {
		t.Fatalf("%s, %v; want %s", state, err, l.state)
	}
}

func (m *lockMachine) any(t *rapid.T) *naiveLock {
	if len(m.locks) == 0 {
		t.Skip("no locks")
	}
	return rapid.SampledFrom(m.locks).Draw(t, "lock")
}

func (m *lockMachine) withTx(tx string) *naiveLock {
	for _, l := range m.locks {
		if l.tx == tx {
			return l
		}
	}
	return nil
}

func (m *lockMachine) wants(t *rapid.T, err error, want payment.Reason) {
	if payment.ReasonOf(err) != want {
		t.Fatalf("got %v, want %q", err, want)
	}
}

// check compares every window, to the sat.
func (m *lockMachine) check(t *rapid.T) {
	got, err := m.l.Spending(m.t.Context(), m.key.ID)
	if err != nil {
		t.Fatal(err)
	}
	now := m.clock.Now()
	if now.Before(m.naive.head) {
		now = m.naive.head
	}
	for _, w := range got.Windows {
		if want, _ := m.naive.within(w.Window, now); w.Spent != want {
			t.Fatalf("%s: spent %v, want %v", w.Window, w.Spent, want)
		}
	}
	var held payment.Sat
	for _, l := range m.locks {
		if l.state == payment.LockHeld {
			held += l.amount
		}
	}
	if got.Reserved != held {
		t.Fatalf("reserved %v, want %v", got.Reserved, held)
	}
}

func TestLockModel(t *testing.T) {
	t.Parallel()
	clock := newClock()
	l := ledgertest.New(t, ledger.WithClock(clock.Now))
	rapid.Check(t, func(rt *rapid.T) {
		limits := map[payment.Window]payment.Sat{payment.Daily: 100, payment.Weekly: 180, payment.Monthly: 300}
		m := &lockMachine{t: t, l: l, clock: clock, key: ledgertest.NewKey(t, l, uuid.New(), limits), naive: naiveBudget{limits: limits}}
		rt.Repeat(map[string]func(*rapid.T){
			"": m.check, "move": m.move, "lock": m.lock, "direct": m.recordWithoutALock, "record": m.record, "reverse": m.reverse, "release": m.release,
		})
	})
	ledgertest.Balanced(t, l)
}

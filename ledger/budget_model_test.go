package ledger_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// clock is an injected time that tests move, also backwards.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// naiveBudget keeps every spend and sums them anew for each verdict.
type naiveBudget struct {
	head   time.Time
	limits map[payment.Window]payment.Sat
	spends []naiveSpend
	begins [4]time.Time // by window: the oldest spend that nobody has retired yet; zero for none
}

type naiveSpend struct {
	at      time.Time
	counted payment.Sat
}

func (b *naiveBudget) judgedAt(now time.Time) time.Time {
	if next := b.head.Add(time.Microsecond); !b.head.IsZero() && now.Before(next) {
		now = next
	}
	b.head = now
	return now
}

// count adds a spend.
func (b *naiveBudget) count(at time.Time, counted payment.Sat) {
	b.spends = append(b.spends, naiveSpend{at, counted})
	for i := range b.begins {
		if b.begins[i].IsZero() {
			b.begins[i] = at
		}
	}
}

// expired tells whether there is anything to retire from a window, the i-th.
func (b *naiveBudget) expired(i int, now time.Time) bool {
	w := payment.Windows()[i]
	return !b.begins[i].IsZero() && !now.Before(b.begins[i].Add(w.Duration()))
}

func (b *naiveBudget) retire(i int, now time.Time) {
	for _, s := range b.spends {
		b.begins[i] = s.at
		if !b.expired(i, now) {
			return
		}
	}
	b.begins[i] = time.Time{}
}

// advance retires from every window, and judges at a time of its own, if some window has anything expired.
func (b *naiveBudget) advance(now time.Time) {
	for i := range b.begins {
		if b.expired(i, now) {
			at := b.judgedAt(now)
			for j := range b.begins {
				b.retire(j, at)
			}
			return
		}
	}
}

func (b *naiveBudget) within(w payment.Window, now time.Time) (spent payment.Sat, oldest time.Time) {
	for _, s := range b.spends {
		if now.Before(s.at.Add(w.Duration())) && s.counted > 0 {
			if spent == 0 {
				oldest = s.at.Add(w.Duration())
			}
			spent += s.counted
		}
	}
	return spent, oldest
}

func (b *naiveBudget) judge(need payment.Sat, now time.Time) *payment.BudgetShortfall {
	for i, w := range payment.Windows() {
		limit, limited := b.limits[w]
		if !limited {
			continue
		}
		b.retire(i, now)
		spent, _ := b.within(w, now)
		if spent+need <= limit {
			continue
		}
		short := &payment.BudgetShortfall{Window: w, Limit: limit, Spent: spent, Remaining: max(limit-spent, 0), Needed: need}
		left := spent
		for _, s := range b.spends {
			if need > limit {
				break
			}
			if now.Before(s.at.Add(w.Duration())) {
				left -= s.counted
				if left+need <= limit {
					short.FreesAt = s.at.Add(w.Duration())
					break
				}
			}
		}
		return short
	}
	return nil
}

// budgetMachine drives the ledger and the naive budget side by side.
type budgetMachine struct {
	t      *testing.T
	l      *ledger.Ledger
	url    string
	clock  *clock
	wallet ledger.Wallet
	key    ledger.Key
	naive  naiveBudget
	live   []liveSpend
}

type liveSpend struct {
	req   payment.Request
	spend int // index into naive.spends
}

func (m *budgetMachine) move(t *rapid.T) {
	const day = 24 * time.Hour
	step := rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Second, time.Hour, 11 * time.Hour, day - time.Microsecond, day, 6 * day, 7 * day, 29 * day, 30 * day, 200 * day,
		365*day - time.Microsecond, 366 * day, -time.Microsecond, -time.Minute, -3 * time.Hour, -2 * day,
	}).Draw(t, "step")
	m.clock.Move(step)
}

// moveToEdge puts the clock at, or a microsecond before, the instant when some spend rolls off some window.
func (m *budgetMachine) moveToEdge(t *rapid.T) {
	if len(m.naive.spends) == 0 {
		t.Skip("no spends")
	}
	s := rapid.SampledFrom(m.naive.spends).Draw(t, "spend")
	w := rapid.SampledFrom(payment.Windows()).Draw(t, "window")
	before := rapid.SampledFrom([]time.Duration{0, -time.Microsecond, -2 * time.Microsecond}).Draw(t, "before")
	m.clock.Move(s.at.Add(w.Duration()).Add(before).Sub(m.clock.Now()))
}

func (m *budgetMachine) reserve(t *rapid.T) {
	amount := payment.Msat(rapid.Int64Range(1, 40_000).Draw(t, "amount_msat"))
	fee := payment.Msat(rapid.Int64Range(0, 2_500).Draw(t, "fee_msat"))
	req := lightning(m.wallet, m.key.ID, amount, fee)
	need := (amount + fee).Ceil()
	now := m.naive.judgedAt(m.clock.Now())
	want := m.naive.judge(need, now)

	p, err := m.l.Reserve(m.t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if !p.CreatedAt.Equal(now) {
		t.Fatalf("judged at %v, want %v", p.CreatedAt, now)
	}
	if want == nil {
		if p.State != payment.Reserved {
			t.Fatalf("refused: %+v", p.Failure)
		}
		m.live = append(m.live, liveSpend{req, len(m.naive.spends)})
		m.naive.count(now, need)
		return
	}
	if p.State != payment.Refused || p.Failure.Reason != payment.ReasonBudgetExceeded {
		t.Fatalf("%s %+v, want budget refusal %+v", p.State, p.Failure, want)
	}
	got := *p.Failure.Budget
	if !got.FreesAt.Equal(want.FreesAt) {
		t.Fatalf("frees at %v, want %v (%+v)", got.FreesAt, want.FreesAt, want)
	}
	got.FreesAt = want.FreesAt
	if got != *want {
		t.Fatalf("shortfall %+v, want %+v", got, *want)
	}
}

func (m *budgetMachine) resolve(t *rapid.T) {
	if len(m.live) == 0 {
		t.Skip("nothing in flight")
	}
	i := rapid.IntRange(0, len(m.live)-1).Draw(t, "which")
	one := m.live[i]
	m.live = append(m.live[:i], m.live[i+1:]...)
	if rapid.Bool().Draw(t, "void") {
		if _, err := m.l.Void(m.t.Context(), one.req, payment.Failure{Reason: payment.ReasonNoRoute}, 0); err != nil {
			t.Fatal(err)
		}
		m.naive.spends[one.spend].counted = 0
		return
	}
	fee := payment.Msat(rapid.Int64Range(0, int64(one.req.FeeReserve)+500).Draw(t, "actual_fee"))
	if _, err := m.l.BeginSend(m.t.Context(), one.req.ID, ledger.Fence{CallTimeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.l.Settle(m.t.Context(), one.req.ID, fee); err != nil {
		t.Fatal(err)
	}
	m.naive.spends[one.spend].counted = (one.req.Amount + min(fee, one.req.FeeReserve)).Ceil()
}

func (m *budgetMachine) limit(t *rapid.T) {
	w := rapid.SampledFrom(payment.Windows()).Draw(t, "window")
	if rapid.Bool().Draw(t, "remove") {
		if err := m.l.RemoveLimit(m.t.Context(), m.wallet.AccountID, m.key.ID, w); err != nil {
			t.Fatal(err)
		}
		delete(m.naive.limits, w)
		return
	}
	limit := payment.Sat(rapid.Int64Range(1, 120).Draw(t, "limit"))
	if err := m.l.SetLimit(m.t.Context(), m.wallet.AccountID, m.key.ID, w, limit); err != nil {
		t.Fatal(err)
	}
	m.naive.limits[w] = limit
}

// advance retires in the background; it judges as well, so it moves the key's time where it finds anything to retire.
func (m *budgetMachine) advance(t *rapid.T) {
	if _, err := m.l.AdvanceBudgets(m.t.Context(), 1000); err != nil {
		t.Fatal(err)
	}
	m.naive.advance(m.clock.Now())
	var head time.Time
	queryRow(m.t, m.url, "SELECT coalesce(head, '0001-01-01 00:00:00+00') FROM budgets WHERE key_id = $1", m.key.ID)(&head)
	if !head.Equal(m.naive.head) {
		t.Fatalf("judged at %v, want %v", head, m.naive.head)
	}
}

func (m *budgetMachine) check(t *rapid.T) {
	got, err := m.l.Spending(m.t.Context(), m.key.ID)
	if err != nil {
		t.Fatal(err)
	}
	now := m.clock.Now()
	if now.Before(m.naive.head) {
		now = m.naive.head
	}
	for i, w := range payment.Windows() {
		spent, frees := m.naive.within(w, now)
		if got.Windows[i].Spent != spent || !got.Windows[i].FreesAt.Equal(frees) {
			t.Fatalf("%s: spent %v, frees %v; want %v, %v", w, got.Windows[i].Spent, got.Windows[i].FreesAt, spent, frees)
		}
	}
	var reserved payment.Sat
	for _, one := range m.live {
		reserved += m.naive.spends[one.spend].counted
	}
	if got.Reserved != reserved {
		t.Fatalf("reserved %v, want %v", got.Reserved, reserved)
	}
}

// TestBudgetEqualsNaiveSum is rule 6 of the ledger's doc.go with any clock: running sums say what summing all spends says.
func TestBudgetEqualsNaiveSum(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	smallChunks(t, url)
	c := newClock()
	l := ledgertest.Open(t, url, ledger.WithClock(c.Now))
	wallet := ledgertest.Funded(t, l, 1_000_000_000*sat)
	rapid.Check(t, func(rt *rapid.T) {
		m := &budgetMachine{t: t, l: l, url: url, clock: c, wallet: wallet, key: ledgertest.NewKey(t, l, wallet.AccountID, nil)}
		m.naive.limits = map[payment.Window]payment.Sat{}
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"reserve": m.reserve, "reserve more": m.reserve, "reserve again": m.reserve,
			"resolve": m.resolve, "limit": m.limit, "move": m.move, "edge": m.moveToEdge, "advance": m.advance,
		})
	})
	ledgertest.Balanced(t, l)
}

// TestClockThatStepsBackApprovesNothingThatWasRefused: a key's time never goes back, also not behind a
// refusal.
func TestClockThatStepsBackApprovesNothingThatWasRefused(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := ledgertest.New(t, ledger.WithClock(c.Now))
	w := ledgertest.Funded(t, l, 1_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 100, payment.Weekly: 150})
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 100*sat, 0)))
	c.Move(24 * time.Hour) // exactly: the first has rolled off the day, not the week
	p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 100*sat, 0)))
	if p.Failure.Budget.Window != payment.Weekly {
		t.Fatalf("refused by %+v", p.Failure.Budget)
	}
	c.Move(-time.Hour)
	p = mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 50*sat, 0)))
	if p.CreatedAt.Before(c.Now().Add(time.Hour)) {
		t.Fatalf("time went back for the key: %v", p.CreatedAt)
	}
	c.Move(24 * time.Hour)
	mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 100*sat, 0))) // the 50 still count: they were at +24h
	ledgertest.Balanced(t, l)
}

func TestSpendingOfUnknownKey(t *testing.T) {
	t.Parallel()
	_, err := ledgertest.New(t).Spending(t.Context(), uuid.New())
	wantReason(t, err, payment.ReasonKeyNotFound)
}

// smallChunks makes a few spends a chunk, so that tests meet every edge of one.
func smallChunks(t *testing.T, url string) {
	ledgertest.Exec(t, url, "CREATE OR REPLACE FUNCTION spend_chunk_size() RETURNS integer IMMUTABLE LANGUAGE sql AS 'SELECT 3'")
}

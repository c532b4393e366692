package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// limitMachine drives payments of one account, through two keys and none, beside a naive sum per key and one for the
// account: whatever the order and the clock, both budgets judge and count each payment.
type limitMachine struct {
	t       *testing.T
	l       *ledger.Ledger
	clock   *clock
	wallet  ledger.Wallet
	keys    []payment.KeyID // the first is none
	ofKey   map[payment.KeyID]*naiveBudget
	ofHouse naiveBudget // the account's
	live    []limitedSpend
}

type limitedSpend struct {
	req       payment.Request
	key       payment.KeyID
	own, hers int // indexes into the spends of the key and of the account
}

func (m *limitMachine) reserve(t *rapid.T) {
	key := rapid.SampledFrom(m.keys).Draw(t, "key")
	amount := payment.Msat(rapid.Int64Range(1, 40_000).Draw(t, "amount_msat"))
	fee := payment.Msat(rapid.Int64Range(0, 2_500).Draw(t, "fee_msat"))
	req := lightning(m.wallet, key, amount, fee)
	need := (amount + fee).Ceil()
	now := m.ofHouse.judgedAt(m.clock.Now())
	own := m.ofKey[key]
	if own != nil {
		now = own.judgedAt(now)
		m.ofHouse.head = now // one time for both
	}
	var want *payment.BudgetShortfall
	reason := payment.ReasonBudgetExceeded
	if own != nil {
		want = own.judge(need, now)
	}
	if want == nil {
		reason, want = payment.ReasonAccountLimit, m.ofHouse.judge(need, now)
	}
	p := must[ledger.Payment](m.t)(m.l.Reserve(m.t.Context(), req))
	if want != nil {
		if p.State != payment.Refused || p.Failure.Reason != reason {
			t.Fatalf("%s %+v, want %s %+v", p.State, p.Failure, reason, want)
		}
		got := *p.Failure.Budget
		if !got.FreesAt.Equal(want.FreesAt) {
			t.Fatalf("frees at %v, want %v", got.FreesAt, want.FreesAt)
		}
		got.FreesAt = want.FreesAt
		if got != *want {
			t.Fatalf("shortfall %+v, want %+v", got, *want)
		}
		return
	}
	if p.State != payment.Reserved || !p.CreatedAt.Equal(now) {
		t.Fatalf("%s at %v (%+v), want reserved at %v", p.State, p.CreatedAt, p.Failure, now)
	}
	spend := limitedSpend{req: req, key: key, hers: len(m.ofHouse.spends)}
	m.ofHouse.count(now, need)
	if own != nil {
		spend.own = len(own.spends)
		own.count(now, need)
	}
	m.live = append(m.live, spend)
}

func (m *limitMachine) resolve(t *rapid.T) {
	if len(m.live) == 0 {
		t.Skip("nothing in flight")
	}
	i := rapid.IntRange(0, len(m.live)-1).Draw(t, "which")
	one := m.live[i]
	m.live = append(m.live[:i], m.live[i+1:]...)
	var counted payment.Sat
	if rapid.Bool().Draw(t, "void") {
		must[ledger.Payment](m.t)(m.l.Void(m.t.Context(), one.req, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
	} else {
		fee := payment.Msat(rapid.Int64Range(0, int64(one.req.FeeReserve)+500).Draw(t, "actual_fee"))
		must[ledger.Payment](m.t)(m.l.BeginSend(m.t.Context(), one.req.ID, ledger.Fence{CallTimeout: time.Second}))
		must[ledger.Payment](m.t)(m.l.Settle(m.t.Context(), one.req.ID, fee))
		counted = (one.req.Amount + min(fee, one.req.FeeReserve)).Ceil()
	}
	m.ofHouse.spends[one.hers].counted = counted
	if own := m.ofKey[one.key]; own != nil {
		own.spends[one.own].counted = counted
	}
}

func (m *limitMachine) limit(t *rapid.T) {
	w := rapid.SampledFrom(payment.Windows()).Draw(t, "window")
	limit := payment.Sat(rapid.Int64Range(0, 150).Draw(t, "limit"))
	key := rapid.SampledFrom(m.keys).Draw(t, "key")
	var err error
	switch own := m.ofKey[key]; {
	case own != nil && limit == 0:
		delete(own.limits, w)
		err = m.l.RemoveLimit(m.t.Context(), m.wallet.AccountID, key, w)
	case own != nil:
		own.limits[w] = limit
		err = m.l.SetLimit(m.t.Context(), m.wallet.AccountID, key, w, limit)
	case limit == 0:
		delete(m.ofHouse.limits, w)
		err = m.l.RemoveAccountLimit(m.t.Context(), m.wallet.AccountID, payment.Withdrawal, w)
	default:
		m.ofHouse.limits[w] = limit
		err = m.l.SetAccountLimit(m.t.Context(), m.wallet.AccountID, payment.Withdrawal, w, limit)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (m *limitMachine) move(t *rapid.T) {
	const day = 24 * time.Hour
	m.clock.Move(rapid.SampledFrom([]time.Duration{
		time.Microsecond, time.Hour, day - time.Microsecond, day, 7 * day, 30 * day, 366 * day, -time.Minute, -2 * day,
	}).Draw(t, "step"))
}

func (m *limitMachine) check(t *rapid.T) {
	wantSpent := func(who string, got [4]ledger.WindowSpending, b *naiveBudget) {
		now := m.clock.Now()
		if now.Before(b.head) {
			now = b.head
		}
		for i, w := range payment.Windows() {
			if spent, frees := b.within(w, now); got[i].Spent != spent || !got[i].FreesAt.Equal(frees) {
				t.Fatalf("%s, %s: spent %v, frees %v; want %v, %v", who, w, got[i].Spent, got[i].FreesAt, spent, frees)
			}
		}
	}
	wantSpent("account", moved(m.t, m.l, m.wallet.AccountID, payment.Withdrawal).Windows, &m.ofHouse)
	for key, own := range m.ofKey {
		wantSpent("key", must[ledger.Spending](m.t)(m.l.Spending(m.t.Context(), key)).Windows, own)
	}
}

func TestAccountLimitEqualsNaiveSum(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	smallChunks(t, url)
	c := newClock()
	l := ledgertest.Open(t, url, ledger.WithClock(c.Now))
	rapid.Check(t, func(rt *rapid.T) {
		m := &limitMachine{t: t, l: l, clock: c, wallet: ledgertest.Funded(t, l, 1_000_000*sat), keys: []payment.KeyID{uuid.Nil}}
		m.ofKey, m.ofHouse.limits = map[payment.KeyID]*naiveBudget{}, map[payment.Window]payment.Sat{payment.Annual: 150}
		limited(t, l, m.wallet.AccountID, payment.Withdrawal, payment.Annual, 150)
		for range 2 {
			key := ledgertest.NewKey(t, l, m.wallet.AccountID, nil).ID
			m.keys = append(m.keys, key)
			m.ofKey[key] = &naiveBudget{limits: map[payment.Window]payment.Sat{}}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"reserve": m.reserve, "reserve more": m.reserve, "resolve": m.resolve, "limit": m.limit, "move": m.move,
		})
	})
	ledgertest.Balanced(t, l)
}

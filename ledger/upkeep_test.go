package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

const day = 24 * time.Hour

// TestIdleBudgetIsAdvanced: the sweep retires what has expired, and what nobody counts any more can be forgotten.
func TestIdleBudgetIsAdvanced(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	smallChunks(t, url)
	c := newClock()
	l := ledgertest.Open(t, url, ledger.WithClock(c.Now))
	w := ledgertest.Funded(t, l, 100_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	sent := lightning(w, key.ID, 30*sat, 0)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), sent)) // never resolved
	for range 20 {
		mustPayment(t, payment.Failed)(reserveAndVoid(t, l, lightning(w, key.ID, 10*sat, 0)))
	}
	to := ledgertest.Funded(t, l, 0)
	for range 20 {
		mustPayment(t, payment.Settled)(l.Transfer(t.Context(), intraledger(w, to, key.ID, 10*sat)))
	}
	sums := func() (daily, annual int64) {
		queryRow(t, url, "SELECT sums[1], sums[4] FROM budgets WHERE key_id = $1", key.ID)(&daily, &annual)
		return daily, annual
	}
	if n := must[int](t)(l.AdvanceBudgets(t.Context(), 10)); n != 0 {
		t.Fatalf("%d keys to advance, none has anything expired", n)
	}
	c.Move(31 * day)
	if n := must[int](t)(l.AdvanceBudgets(t.Context(), 10)); n != 1 {
		t.Fatalf("%d keys advanced, want 1", n)
	}
	if daily, annual := sums(); daily != 0 || annual != 230 {
		t.Fatalf("sums %d, %d", daily, annual)
	}
	if gone := must[int](t)(l.RetireSpends(t.Context(), 400*day)); gone != 0 {
		t.Fatalf("%d spends forgotten after a month", gone)
	}
	c.Move(401 * day)
	if gone := must[int](t)(l.RetireSpends(t.Context(), 400*day)); gone != 0 {
		t.Fatalf("%d spends forgotten although a sum still holds them", gone)
	}
	for must[int](t)(l.AdvanceBudgets(t.Context(), 10)) > 0 {
	}
	if gone := must[int](t)(l.RetireSpends(t.Context(), 400*day)); gone != 40 {
		t.Fatalf("%d spends forgotten, want 40: all but the one in flight", gone)
	}
	mustPayment(t, payment.Failed)(l.Void(t.Context(), sent, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
	wantSpent(t, l, key.ID, 0, 0)
	_, err := l.RetireSpends(t.Context(), 365*day)
	wantReason(t, err, payment.ReasonInvalidInput)
	ledgertest.Balanced(t, l)
}

func reserveAndVoid(t *testing.T, l *ledger.Ledger, req payment.Request) (ledger.Payment, error) {
	t.Helper()
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	return l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonNoRoute}, 0)
}

// TestSeededSpendsAgreeWithTheSums: the fast way to a long history gives what payments would have given.
func TestSeededSpendsAgreeWithTheSums(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 100_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Annual: 7_400})
	ledgertest.SeedSpends(t, url, key.ID, 7_300, 365*day-time.Minute) // 20 a day
	s := must[ledger.Spending](t)(l.Spending(t.Context(), key.ID))
	for i, want := range []payment.Sat{20, 140, 600, 7_300} {
		if got := s.Windows[i].Spent; got < want-1 || got > want+1 {
			t.Fatalf("%s: %v, want about %v", s.Windows[i].Window, got, want)
		}
	}
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 100*sat, 0)))
	p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 100*sat, 0)))
	if in := time.Until(p.Failure.Budget.FreesAt); in < 4*day || in > 6*day { // 100 spends at 20 a day
		t.Fatalf("frees in %v", in)
	}
	ledgertest.Balanced(t, l)
}

// TestSnapshotsKeepTheBalance with payments before, between and after, and after a restore into a younger cluster.
func TestSnapshotsKeepTheBalance(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	pay := func() {
		t.Helper()
		req := lightning(w, uuid.Nil, 10*sat, sat)
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
		mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
		mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 2*sat)) // a sat of it is the operator's
	}
	for i := range 3 {
		pay()
		if err := l.SnapshotSystemAccounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		pay()
		if got := must[payment.Msat](t)(l.NodeBalance(t.Context(), "bank")); got != payment.Msat(i+1)*-24*sat {
			t.Fatalf("node balance %v after %d rounds", got, i+1)
		}
	}
	ledgertest.Exec(t, url, "UPDATE system_snapshots SET before_xid = '9000000000000', debits_posted = 0, credits_posted = 0")
	if got := must[payment.Msat](t)(l.NodeBalance(t.Context(), "bank")); got != -72*sat {
		t.Fatalf("node balance %v with a snapshot from the future", got)
	}
	if err := l.SnapshotSystemAccounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantBalance(t, l, w.ID, 1_000*sat-6*11*sat, 0)
	ledgertest.Balanced(t, l)
}

func TestListings(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := ledgertest.New(t, ledger.WithClock(c.Now))
	w, other := ledgertest.Funded(t, l, 10_000*sat), ledgertest.Funded(t, l, 10_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	var ids []payment.ID
	for i := range 7 {
		req := lightning(w, uuid.Nil, sat, 0)
		if i%2 == 0 {
			req.KeyID = key.ID
		}
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
		ids = append([]payment.ID{req.ID}, ids...)
		if i%3 == 0 { // some at the same instant
			c.Move(time.Minute)
		}
	}
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(other, uuid.Nil, sat, 0)))
	mustPayment(t, payment.Failed)(l.Void(t.Context(), payment.Request{ID: ids[0], AccountID: w.AccountID, Kind: payment.Lightning}, payment.Failure{Reason: payment.ReasonNoRoute}, 0))

	var seen []ledger.Payment
	for f := (ledger.Filter{AccountID: w.AccountID, Limit: 3}); ; {
		page := must[[]ledger.Payment](t)(l.Payments(t.Context(), f))
		seen = append(seen, page...)
		if len(page) < 3 {
			break
		}
		last := page[2]
		f.Before = &ledger.Cursor{CreatedAt: last.CreatedAt, ID: last.ID}
	}
	unique := map[payment.ID]bool{}
	for i, p := range seen {
		unique[p.ID] = true
		if i > 0 && p.CreatedAt.After(seen[i-1].CreatedAt) {
			t.Fatal("not newest first")
		}
	}
	if len(seen) != 7 || len(unique) != 7 {
		t.Fatalf("%d rows, %d payments, want 7", len(seen), len(unique))
	}
	count := func(f ledger.Filter, want int) {
		t.Helper()
		if got := must[[]ledger.Payment](t)(l.Payments(t.Context(), f)); len(got) != want {
			t.Fatalf("%+v: %d payments, want %d", f, len(got), want)
		}
	}
	count(ledger.Filter{}, 8)
	count(ledger.Filter{KeyID: key.ID}, 4)
	count(ledger.Filter{WalletID: other.ID}, 1)
	count(ledger.Filter{States: []payment.State{payment.Failed}}, 1)
	count(ledger.Filter{AccountID: w.AccountID, States: []payment.State{payment.Failed, payment.Reserved}, Kind: payment.Lightning}, 7)
	count(ledger.Filter{Kind: payment.Onchain}, 0)

	if live := must[[]ledger.Payment](t)(l.LivePayments(t.Context(), "bank")); len(live) != 7 {
		t.Fatalf("%d live, want 7", len(live))
	}
	c.Move(time.Hour)
	old := 0
	for _, err := range l.UnresolvedOlderThan(t.Context(), time.Hour+time.Minute/2) {
		if err != nil {
			t.Fatal(err)
		}
		old++
	}
	if old == 0 || old >= 7 {
		t.Fatalf("%d old, want some", old)
	}
	var resolved []ledger.Payment
	for row, err := range l.PaymentsResolvedSince(t.Context(), "bank", time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		resolved = append(resolved, row)
	}
	if len(resolved) != 1 || resolved[0].ID != ids[0] {
		t.Fatalf("resolved %+v", resolved)
	}
	one := must[ledger.Payment](t)(l.Payment(t.Context(), ids[1]))
	for _, find := range []func() (ledger.Payment, error){
		func() (ledger.Payment, error) { return l.LivePaymentByHash(t.Context(), one.PaymentHash) },
		func() (ledger.Payment, error) { return l.PaymentByHash(t.Context(), one.PaymentHash) },
	} {
		if got := must[ledger.Payment](t)(find()); got.ID != one.ID || got.Body != one.Request.Fingerprint() {
			t.Fatalf("found %+v", got)
		}
	}
	if got := must[ledger.Payment](t)(l.PaymentByHash(t.Context(), resolved[0].PaymentHash)); got.ID != ids[0] {
		t.Fatalf("found %+v", got)
	}
	_, err := l.LivePaymentByHash(t.Context(), resolved[0].PaymentHash)
	wantReason(t, err, payment.ReasonPaymentNotFound)
	_, err = l.LivePaymentByTxID(t.Context(), "none")
	wantReason(t, err, payment.ReasonPaymentNotFound)
	_, err = l.Payment(t.Context(), uuid.New())
	wantReason(t, err, payment.ReasonPaymentNotFound)
}

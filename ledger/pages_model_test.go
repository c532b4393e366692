package ledger_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// pager drives the pages of one account's history beside a plain list, newest first. The clock moves as it likes, also not
// at all and backwards: many rows share a time.
type pager struct {
	t       *testing.T
	l       *ledger.Ledger
	now     time.Time
	wallets []ledger.Wallet
	payer   ledger.Wallet
	plain   []ledger.Transaction
}

// older orders as the history does: by time, then by id.
func older(a, b ledger.Cursor) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return bytes.Compare(a.ID[:], b.ID[:])
}

func newPager(t *testing.T, url string) *pager {
	p := &pager{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	p.l = ledgertest.Open(t, url, ledger.WithClock(func() time.Time { return p.now }), ledger.WithMaxConns(2))
	return p
}

// begin starts over with a new account.
func (p *pager) begin() {
	p.payer = ledgertest.Funded(p.t, p.l, 1_000_000*sat)
	p.wallets, p.plain = nil, nil
	account := uuid.New()
	for range 3 {
		p.wallets = append(p.wallets, must[ledger.Wallet](p.t)(p.l.OpenWallet(p.t.Context(),
			ledger.Wallet{ID: uuid.New(), AccountID: account, Name: "paged", Currency: payment.BTC})))
	}
}

func (p *pager) insert(t *rapid.T) {
	p.now = p.now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5, -3}).Draw(t, "seconds")) * time.Second)
	to := rapid.SampledFrom(p.wallets).Draw(t, "wallet")
	req := intraledger(p.payer, to, uuid.Nil, sat)
	mustPayment(p.t, payment.Settled)(p.l.Transfer(p.t.Context(), req))
	got := must[ledger.Transaction](p.t)(p.l.TransactionOfPayment(p.t.Context(), to.AccountID, to.ID, req.ID))
	at, _ := slices.BinarySearchFunc(p.plain, got, func(a, b ledger.Transaction) int { return older(b.Cursor(), a.Cursor()) })
	p.plain = slices.Insert(p.plain, at, got)
}

// some draws wallets: all of the account by naming none, or a few of them.
func (p *pager) some(t *rapid.T) (ids []payment.WalletID) {
	for _, w := range p.wallets {
		if rapid.Bool().Draw(t, "named") {
			ids = append(ids, w.ID)
		}
	}
	return ids
}

// bound draws a place: none, a row of the history, or a moment between rows.
func (p *pager) bound(t *rapid.T, name string) *ledger.Cursor {
	switch rapid.IntRange(0, 2).Draw(t, name) {
	case 0:
		return nil
	case 1:
		if len(p.plain) > 0 {
			return new(rapid.SampledFrom(p.plain).Draw(t, "row").Cursor())
		}
	}
	return &ledger.Cursor{CreatedAt: p.now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "ago")) * time.Second), ID: uuid.New()}
}

// page answers a filter from the plain list.
func (p *pager) page(f ledger.TransactionFilter) []ledger.Transaction {
	var within []ledger.Transaction
	for _, tx := range p.plain {
		if (len(f.WalletIDs) == 0 || slices.Contains(f.WalletIDs, tx.WalletID)) &&
			(f.After == nil || older(tx.Cursor(), *f.After) > 0) && (f.Before == nil || older(tx.Cursor(), *f.Before) < 0) {
			within = append(within, tx)
		}
	}
	n := min(f.Limit, len(within))
	if f.Oldest {
		return within[len(within)-n:]
	}
	return within[:n]
}

func (p *pager) ask(t *rapid.T, f ledger.TransactionFilter) []ledger.Transaction {
	got, err := p.l.Transactions(p.t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	want := p.page(f)
	if !slices.EqualFunc(got, want, func(a, b ledger.Transaction) bool { return a.ID == b.ID && a.CreatedAt.Equal(b.CreatedAt) }) {
		t.Fatalf("page %+v has %d rows, want %d, or another order", f, len(got), len(want))
	}
	return got
}

func (p *pager) anyPage(t *rapid.T) {
	p.ask(t, ledger.TransactionFilter{
		AccountID: p.wallets[0].AccountID, WalletIDs: p.some(t), After: p.bound(t, "after"), Before: p.bound(t, "before"),
		Limit: rapid.IntRange(1, 7).Draw(t, "limit"), Oldest: rapid.Bool().Draw(t, "oldest"),
	})
}

// walk pages through the history to one end while payments arrive: what was there at its begin comes once, in order.
func (p *pager) walk(t *rapid.T) {
	f := ledger.TransactionFilter{
		AccountID: p.wallets[0].AccountID, WalletIDs: p.some(t), Limit: rapid.IntRange(1, 7).Draw(t, "limit"), Oldest: rapid.Bool().Draw(t, "from the old end"),
	}
	all := f
	all.Limit = len(p.plain)
	there := p.page(all)
	var seen []ledger.Transaction
	for {
		got := p.ask(t, f)
		if len(got) == 0 {
			break
		}
		if f.Oldest {
			f.After, seen = new(got[0].Cursor()), append(slices.Clone(got), seen...)
		} else {
			f.Before, seen = new(got[len(got)-1].Cursor()), append(seen, got...)
		}
		if rapid.Bool().Draw(t, "arrives") && len(seen) < 50 {
			p.insert(t)
		}
	}
	wantOnce(t, there, seen)
}

// wantOnce checks that what was there was seen exactly once, and all newest first. It does not end the test: it is also called
// beside it.
func wantOnce(t rapid.TB, there, seen []ledger.Transaction) {
	counts := map[uuid.UUID]int{}
	for i, tx := range seen {
		if counts[tx.ID]++; counts[tx.ID] > 1 {
			t.Errorf("a row was seen twice")
		}
		if i > 0 && older(seen[i-1].Cursor(), tx.Cursor()) <= 0 {
			t.Errorf("row %d is not older than the one before", i)
		}
	}
	for _, tx := range there {
		if counts[tx.ID] != 1 {
			t.Errorf("a row that was there was seen %d times", counts[tx.ID])
		}
	}
}

func TestPagesEqualAPlainList(t *testing.T) {
	t.Parallel()
	p := newPager(t, ledgertest.Database(t))
	rapid.Check(t, func(rt *rapid.T) {
		p.begin()
		rt.Repeat(map[string]func(*rapid.T){"insert": p.insert, "insert more": p.insert, "page": p.anyPage, "walk": p.walk})
	})
	ledgertest.Balanced(t, p.l)
}

// TestPagesAreStableWhilePaymentsArrive pages both ways, again and again, while others pay and are paid.
func TestPagesAreStableWhilePaymentsArrive(t *testing.T) {
	t.Parallel()
	const payers, each, limit = 4, 40, 7
	l := ledgertest.New(t)
	w, other := ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 1_000*sat)
	paying, done := context.WithCancel(t.Context())
	var payments, walks sync.WaitGroup
	for i := range payers {
		payments.Go(func() {
			for range each {
				req := intraledger(w, other, uuid.Nil, sat)
				if i%2 == 0 {
					req = intraledger(other, w, uuid.Nil, sat)
				}
				if _, err := l.Transfer(t.Context(), req); err != nil {
					t.Error(err)
				}
			}
		})
	}
	walk := func(oldest bool) {
		f := ledger.TransactionFilter{AccountID: w.AccountID, Limit: 100, Oldest: oldest}
		there, err := l.Transactions(t.Context(), f)
		f.Limit = limit
		var seen []ledger.Transaction
		for got := there; err == nil && len(got) > 0 && len(seen) <= payers*each+1; {
			if got, err = l.Transactions(t.Context(), f); len(got) == 0 {
				break
			}
			if oldest {
				f.After, seen = new(got[0].Cursor()), append(slices.Clone(got), seen...)
			} else {
				f.Before, seen = new(got[len(got)-1].Cursor()), append(seen, got...)
			}
		}
		if err != nil {
			t.Error(err)
		}
		wantOnce(t, there, seen)
	}
	for _, oldest := range []bool{false, true} {
		walks.Go(func() {
			for paying.Err() == nil {
				walk(oldest)
			}
			walk(oldest)
		})
	}
	payments.Wait()
	done()
	walks.Wait()
	if got := len(history(t, l, w)); got != 100 {
		t.Fatalf("a page of %d", got)
	}
	ledgertest.Balanced(t, l)
}

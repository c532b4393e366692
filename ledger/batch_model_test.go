package ledger_test

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// twins are two ledgers with the same accounts and the same clock: one gets batches, the other single calls.
type twins struct {
	t        *testing.T
	clock    *clock
	both     [2]*ledger.Ledger
	account  payment.AccountID
	wallets  []payment.WalletID // the last is a stranger's
	keys     []payment.KeyID    // the last is a stranger's
	hashes   []payment.Hash     // the first two are of own invoices
	asked    []payment.Request
	reserved []payment.ID
}

func (tw *twins) each(t *rapid.T, do func(*ledger.Ledger) error) {
	for _, l := range tw.both {
		if err := do(l); err != nil {
			t.Fatal(err)
		}
	}
}

func newTwins(t *testing.T, rt *rapid.T, c *clock, both [2]*ledger.Ledger) *twins {
	tw := &twins{t: t, clock: c, both: both, account: uuid.New(), hashes: []payment.Hash{
		ledgertest.RandomHash(), ledgertest.RandomHash(), ledgertest.RandomHash(), ledgertest.RandomHash(), ledgertest.RandomHash(),
	}}
	stranger := uuid.New()
	for _, account := range []payment.AccountID{tw.account, tw.account, stranger} {
		w := ledger.Wallet{ID: uuid.New(), AccountID: account, Currency: payment.BTC}
		k := ledger.Key{ID: uuid.New(), AccountID: account}
		secret := ledgertest.RandomHash()
		tw.wallets, tw.keys = append(tw.wallets, w.ID), append(tw.keys, k.ID)
		tw.each(rt, func(l *ledger.Ledger) error {
			if _, err := l.OpenWallet(t.Context(), w); err != nil {
				return err
			}
			ledgertest.Fund(t, l, w, 300*sat)
			_, err := l.CreateKey(t.Context(), k, secret)
			return err
		})
	}
	for i, hash := range tw.hashes[:2] {
		tw.each(rt, func(l *ledger.Ledger) error {
			return l.AddInvoice(t.Context(), ledger.Invoice{
				Hash: hash, WalletID: tw.wallets[i], AccountID: tw.account, Node: "bank", Request: hash.String(), ExpiresAt: c.Now().Add(50 * time.Hour),
			})
		})
	}
	return tw
}

// request draws a new one, a known one, or a known one with another body.
func (tw *twins) request(t *rapid.T) payment.Request {
	fresh := payment.Request{
		ID: payment.NewID(), Door: payment.DoorGo, AccountID: tw.account, Node: "bank",
		Kind:     rapid.SampledFrom([]payment.Kind{payment.Lightning, payment.Lightning, payment.Onchain, payment.Intraledger}).Draw(t, "kind"),
		WalletID: rapid.SampledFrom(append(tw.wallets, tw.wallets[0], tw.wallets[0])).Draw(t, "wallet"),
		KeyID:    rapid.SampledFrom(append(tw.keys, tw.keys[0], tw.keys[0], uuid.Nil)).Draw(t, "key"),
		Amount:   payment.Msat(rapid.Int64Range(-1, 60).Draw(t, "sat")) * sat, FeeReserve: payment.Msat(rapid.Int64Range(0, 2_000).Draw(t, "fee")),
		SendAll: rapid.IntRange(0, 12).Draw(t, "all") == 0,
	}
	fresh.IdempotencyKey = rapid.SampledFrom([]string{"", "", "", "a", "b"}).Draw(t, "idempotency key")
	switch fresh.Kind {
	case payment.Lightning:
		fresh.PaymentHash = rapid.SampledFrom(append(tw.hashes, ledgertest.RandomHash(), ledgertest.RandomHash())).Draw(t, "hash")
	case payment.Intraledger:
		fresh.RecipientID = rapid.SampledFrom(append(tw.wallets, uuid.New())).Draw(t, "recipient")
		fresh.PaymentHash = rapid.SampledFrom(append(tw.hashes, payment.Hash{})).Draw(t, "hash")
	case payment.Onchain:
		fresh.Address = "bcrt1"
	}
	if len(tw.asked) > 0 {
		known := rapid.SampledFrom(tw.asked).Draw(t, "known")
		switch rapid.IntRange(0, 6).Draw(t, "again") {
		case 0:
			return known
		case 1:
			fresh.ID = known.ID
		}
	}
	return fresh
}

// reserve sends the same requests as one batch and, in the order in which a batch decides, one by one.
func (tw *twins) reserve(t *rapid.T) {
	var reqs []payment.Request
	for range rapid.IntRange(1, 8).Draw(t, "batch") {
		req := tw.request(t)
		reqs, tw.asked = append(reqs, req), append(tw.asked, req)
	}
	slices.SortStableFunc(reqs, func(a, b payment.Request) int {
		if c := bytes.Compare(a.PaymentHash[:], b.PaymentHash[:]); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	got, errs, err := tw.both[0].ReserveTogether(tw.t.Context(), reqs...)
	if err != nil {
		t.Fatal(err)
	}
	for i, req := range reqs {
		want, wantErr := tw.both[1].Reserve(tw.t.Context(), req)
		if payment.ReasonOf(wantErr) != payment.ReasonOf(errs[i]) || !reflect.DeepEqual(got[i], want) {
			t.Fatalf("%d of %d:\nbatch  %+v, %v\nsingle %+v, %v", i, len(reqs), got[i], errs[i], want, wantErr)
		}
		if wantErr == nil && want.State == payment.Reserved {
			tw.reserved = append(tw.reserved, want.ID)
		}
	}
}

func (tw *twins) resolve(t *rapid.T) {
	if len(tw.reserved) == 0 {
		t.Skip("nothing is reserved")
	}
	id := rapid.SampledFrom(tw.reserved).Draw(t, "payment")
	tw.reserved = slices.DeleteFunc(tw.reserved, func(other payment.ID) bool { return other == id })
	settle := rapid.Bool().Draw(t, "settle")
	tw.each(t, func(l *ledger.Ledger) error {
		p, err := l.Payment(tw.t.Context(), id)
		if err != nil {
			return err
		}
		if settle && p.Kind == payment.Intraledger {
			_, err = l.Settle(tw.t.Context(), id, 0)
		} else {
			_, err = l.Void(tw.t.Context(), p.Request, payment.Failure{Reason: payment.ReasonNoRoute}, 0)
		}
		return err
	})
}

func (tw *twins) change(t *rapid.T) {
	switch rapid.IntRange(0, 3).Draw(t, "change") {
	case 0:
		w, limit := rapid.SampledFrom(payment.Windows()).Draw(t, "window"), payment.Sat(rapid.Int64Range(1, 150).Draw(t, "limit"))
		tw.each(t, func(l *ledger.Ledger) error { return l.SetLimit(tw.t.Context(), tw.account, tw.keys[0], w, limit) })
	case 1:
		tw.each(t, func(l *ledger.Ledger) error { return l.RevokeKey(tw.t.Context(), tw.account, tw.keys[1]) })
	default:
		tw.clock.Move(time.Duration(rapid.Int64Range(-3, 30).Draw(t, "hours")) * time.Hour)
	}
}

// state is what both must agree on, in words.
func (tw *twins) state(t *rapid.T, l *ledger.Ledger) (out []string) {
	for i := range tw.wallets[:2] { // nothing of the stranger's can change
		w, err := l.Wallet(tw.t.Context(), tw.wallets[i])
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Spending(tw.t.Context(), tw.keys[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(w.Balance, w.Held), fmt.Sprint(s))
	}
	if n := len(tw.asked); n > 0 {
		events, err := l.Timeline(tw.t.Context(), tw.asked[n-1].ID)
		if err != nil && payment.ReasonOf(err) != payment.ReasonPaymentNotFound {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(events))
	}
	return out
}

func (tw *twins) check(t *rapid.T) {
	batch, single := tw.state(t, tw.both[0]), tw.state(t, tw.both[1])
	if !slices.Equal(batch, single) {
		t.Fatalf("batch:\n%q\nsingle:\n%q", batch, single)
	}
}

// TestBatchEqualsSingleCalls: the same verdicts, times, messages, timelines and balances.
func TestBatchEqualsSingleCalls(t *testing.T) {
	t.Parallel()
	c := newClock()
	both := [2]*ledger.Ledger{ledgertest.New(t, ledger.WithClock(c.Now)), ledgertest.New(t, ledger.WithClock(c.Now))}
	rapid.Check(t, func(rt *rapid.T) {
		tw := newTwins(t, rt, c, both)
		rt.Repeat(map[string]func(*rapid.T){
			"": tw.check, "reserve": tw.reserve, "reserve more": tw.reserve, "resolve": tw.resolve, "change": tw.change,
		})
	})
	for _, l := range both {
		ledgertest.Balanced(t, l)
	}
}

package ledger_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// together runs n calls at once and hands out their index.
func together(n int, call func(i int)) {
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			call(i)
		})
	}
	close(ready)
	wg.Wait()
}

// TestSameIdempotencyKeyIsOnePayment is rule 8: also with 100 calls at once, with and without the same payment id.
func TestSameIdempotencyKeyIsOnePayment(t *testing.T) {
	t.Parallel()
	for _, sameID := range []bool{true, false} {
		t.Run(fmt.Sprintf("same id %v", sameID), func(t *testing.T) {
			t.Parallel()
			l := ledgertest.New(t)
			w, to := ledgertest.Funded(t, l, 10_000*sat), ledgertest.Funded(t, l, 0)
			key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000})
			for name, call := range map[string]func(payment.Request) (ledger.Payment, error){
				"reserve":  func(r payment.Request) (ledger.Payment, error) { return l.Reserve(t.Context(), r) },
				"transfer": func(r payment.Request) (ledger.Payment, error) { return l.Transfer(t.Context(), r) },
			} {
				req := intraledger(w, to, key.ID, 100*sat)
				req.IdempotencyKey = uuid.NewString()
				req.ID = payment.IDFor(req.AccountID, req.IdempotencyKey)
				var mu sync.Mutex
				ids := map[payment.ID]int{}
				together(100, func(int) {
					mine := req
					if !sameID {
						mine.ID = payment.NewID()
					}
					p, err := call(mine)
					if err != nil || p.State == payment.Refused {
						t.Errorf("%s: %v %+v", name, err, p.Failure)
					}
					mu.Lock()
					defer mu.Unlock()
					ids[p.ID]++
				})
				if len(ids) != 1 {
					t.Errorf("%s: %d payments", name, len(ids))
				}
			}
			if got := must[[]ledger.Payment](t)(l.Payments(t.Context(), ledger.Filter{AccountID: w.AccountID})); len(got) != 2 {
				t.Errorf("%d payments, want 2", len(got))
			}
			wantBalance(t, l, w.ID, 9_900*sat, 100*sat)
			wantSpent(t, l, key.ID, 200, 100)
			ledgertest.Balanced(t, l)
		})
	}
}

func TestSameIdempotencyKeyWithAnotherBody(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 10_000*sat)
	req := lightning(w, uuid.Nil, 100*sat, 0)
	req.IdempotencyKey = "order-7"
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	for _, id := range []payment.ID{req.ID, payment.NewID()} {
		other := req
		other.ID, other.Amount = id, 101*sat
		_, err := l.Reserve(t.Context(), other)
		wantReason(t, err, payment.ReasonIdempotencyConflict)
	}
	again := req
	again.ID = payment.NewID()
	if p := must[ledger.Payment](t)(l.Reserve(t.Context(), again)); p.ID != req.ID {
		t.Fatalf("payment %s, want %s", p.ID, req.ID)
	}
	wantBalance(t, l, w.ID, 10_000*sat, 100*sat)

	// Another account may use the same key.
	other := ledgertest.Funded(t, l, 10_000*sat)
	theirs := lightning(other, uuid.Nil, 100*sat, 0)
	theirs.IdempotencyKey = "order-7"
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), theirs))
}

// TestOneLivePaymentPerHash is rule 7 with two accounts racing for one invoice.
func TestOneLivePaymentPerHash(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	for range 20 {
		hash := ledgertest.RandomHash()
		var mu sync.Mutex
		states := map[payment.State]int{}
		wallets := []ledger.Wallet{ledgertest.Funded(t, l, 100*sat), ledgertest.Funded(t, l, 100*sat)}
		together(len(wallets), func(i int) {
			req := lightning(wallets[i], uuid.Nil, 60*sat, 0)
			req.PaymentHash = hash
			p, err := l.Reserve(t.Context(), req)
			if err != nil || (p.Failure != nil && p.Failure.Reason != payment.ReasonPaymentInFlight) {
				t.Errorf("%v %+v", err, p.Failure)
			}
			mu.Lock()
			defer mu.Unlock()
			states[p.State]++
		})
		if states[payment.Reserved] != 1 || states[payment.Refused] != 1 {
			t.Fatalf("states %v", states)
		}
	}
	ledgertest.Balanced(t, l)
}

// TestTombstone: a void that comes before its reserve, or at the same time, leaves nothing held.
func TestTombstone(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 1_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	why := payment.Failure{Reason: payment.ReasonCanceled, Message: "Canceled before it began."}

	first := lightning(w, key.ID, 100*sat, 0)
	first.IdempotencyKey = "early"
	mustPayment(t, payment.Refused)(l.Void(t.Context(), first, why, 0))
	p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), first))
	if *p.Failure != why {
		t.Fatalf("failure %+v", p.Failure)
	}
	_, err := l.Void(t.Context(), lightning(w, key.ID, 100*sat, 0), why, 1)
	wantReason(t, err, payment.ReasonInternal) // evidence about a send without a row cannot be

	for range 50 {
		req := lightning(w, key.ID, 100*sat, 0)
		together(2, func(i int) {
			var err error
			if i == 0 {
				_, err = l.Reserve(t.Context(), req)
			} else {
				_, err = l.Void(t.Context(), req, why, 0)
			}
			if err != nil {
				t.Error(err)
			}
		})
		if p := must[ledger.Payment](t)(l.Payment(t.Context(), req.ID)); p.State != payment.Refused && p.State != payment.Failed {
			t.Fatalf("state %s", p.State)
		}
	}
	wantBalance(t, l, w.ID, 1_000*sat, 0)
	wantSpent(t, l, key.ID, 0, 0)
	ledgertest.Balanced(t, l)
}

// TestFenceIsGrantedOnce: of many callers with the same knowledge one sends.
func TestFenceIsGrantedOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 1_000*sat)
	req := lightning(w, uuid.Nil, 100*sat, 0)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	for seen := range 3 {
		together(8, func(i int) {
			if _, err := l.BeginSend(t.Context(), req.ID, ledger.Fence{Seen: seen, Baseline: uint64(seen), CallTimeout: time.Second}); err != nil {
				t.Error(err)
			}
		})
		p := must[ledger.Payment](t)(l.Payment(t.Context(), req.ID))
		if p.Send.Attempt != seen+1 || p.Send.Baseline != 0 {
			t.Fatalf("fence %+v after %d", p.Send, seen)
		}
	}
	if events := must[[]ledger.Event](t)(l.Timeline(t.Context(), req.ID)); len(events) != 4 {
		t.Fatalf("%d events", len(events))
	}
}

// TestStress has many goroutines on few wallets and keys; afterwards the books must balance, and nothing may deadlock.
func TestStress(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url, ledger.WithMaxConns(12))
	account := uuid.New()
	var wallets []ledger.Wallet
	for range 4 {
		w := must[ledger.Wallet](t)(l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: account, Currency: payment.BTC}))
		ledgertest.Fund(t, l, w, 1_000_000*sat)
		wallets = append(wallets, w)
	}
	var keys []payment.KeyID
	for range 2 {
		k := ledgertest.NewKey(t, l, account, map[payment.Window]payment.Sat{payment.Daily: 400_000, payment.Annual: 500_000})
		keys = append(keys, k.ID)
	}
	keys = append(keys, uuid.Nil)
	const goroutines, rounds = 12, 60
	together(goroutines, func(g int) {
		r := rand.New(rand.NewPCG(uint64(g), 42))
		for range rounds {
			if err := strain(t, l, r, wallets, keys); err != nil {
				t.Error(err)
				return
			}
		}
	})
	var deadlocks int
	queryRow(t, url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")(&deadlocks)
	if deadlocks != 0 {
		t.Errorf("%d deadlocks", deadlocks)
	}
	ledgertest.Balanced(t, l)
}

// strain is one payment or receive of a random kind, to its end or left in flight.
func strain(t *testing.T, l *ledger.Ledger, r *rand.Rand, wallets []ledger.Wallet, keys []payment.KeyID) error {
	ctx := t.Context()
	from, to, key := wallets[r.IntN(len(wallets))], wallets[r.IntN(len(wallets))], keys[r.IntN(len(keys))]
	amount := payment.Msat(1 + r.Int64N(20_000_000))
	switch r.IntN(9) {
	case 8:
		return strainDeposit(t, l, r, to)
	case 7:
		return strainOnchain(t, l, r, onchain(from, key, amount.Ceil().MustMsat(), 100*sat))
	case 6: // between two wallets in two steps, in both directions at once: holds lock both
		req := intraledger(from, to, key, amount)
		p, err := l.Reserve(ctx, req)
		if err != nil || p.State == payment.Refused {
			return err
		}
		if r.IntN(2) == 0 {
			_, err = l.Settle(ctx, req.ID, 0)
		} else {
			_, err = l.Void(ctx, req, payment.Failure{Reason: payment.ReasonCanceled}, 0)
		}
		return err
	case 0:
		_, err := l.Transfer(ctx, intraledger(from, to, key, amount))
		return err
	case 1: // an invoice of ours, paid inside and, as LND lets nobody do, outside at once
		hash := ledgertest.RandomHash()
		err := l.AddInvoice(ctx, ledger.Invoice{Hash: hash, WalletID: to.ID, AccountID: to.AccountID, Node: "bank", ExpiresAt: time.Now().Add(time.Hour)})
		if err != nil {
			return err
		}
		req := intraledger(from, to, key, amount)
		req.PaymentHash = hash
		index := r.Uint64N(1000)
		together(2, func(i int) {
			if i == 0 {
				_, err = l.Transfer(ctx, req)
			} else if _, creditErr := l.CreditInvoice(ctx, "bank", hash, 5*sat, index); creditErr != nil {
				t.Error(creditErr)
			}
		})
		return err
	case 2:
		if r.IntN(2) == 0 {
			_, err := l.AdvanceBudgets(ctx, 10)
			return err
		}
		return l.SnapshotSystemAccounts(ctx)
	default:
		req := lightning(from, key, amount, payment.Msat(r.Int64N(100_000)))
		p, err := l.Reserve(ctx, req)
		if err != nil || p.State == payment.Refused {
			return err
		}
		if r.IntN(3) == 0 {
			_, err = l.Void(ctx, req, payment.Failure{Reason: payment.ReasonNoRoute}, 0)
			return err
		}
		if _, err = l.BeginSend(ctx, req.ID, ledger.Fence{CallTimeout: time.Second}); err != nil || r.IntN(3) == 0 {
			return err
		}
		together(2, func(int) { // a local activity may run twice
			if _, settleErr := l.Settle(ctx, req.ID, req.FeeReserve/2); settleErr != nil {
				t.Error(settleErr)
			}
		})
		return nil
	}
}

// strainDeposit is an output that two watchers credit at once, while the cursor moves on.
func strainDeposit(t *testing.T, l *ledger.Ledger, r *rand.Rand, to ledger.Wallet) error {
	ctx := t.Context()
	address := "bcrt1" + to.ID.String()
	if err := l.AddAddress(ctx, ledger.Address{Address: address, WalletID: to.ID, AccountID: to.AccountID, Node: "bank"}); err != nil {
		return err
	}
	height := r.Int32N(1000)
	d := ledger.Deposit{TxID: uuid.NewString(), Address: address, Amount: payment.Sat(1 + r.Int64N(1000)), BlockHeight: height}
	if r.IntN(2) == 0 {
		if err := l.SeeDeposit(ctx, "bank", d); err != nil {
			return err
		}
	}
	var times atomic.Int32
	together(2, func(int) {
		credited, err := l.CreditDeposit(ctx, "bank", d)
		if err != nil {
			t.Error(err)
		}
		if credited {
			times.Add(1)
		}
	})
	if times.Load() != 1 {
		t.Errorf("a deposit was credited %d times", times.Load())
	}
	return l.AdvanceBlocks(ctx, "bank", height)
}

// strainOnchain is a payment that is signed and sent, perhaps replaced, and settles with the transaction that confirmed.
func strainOnchain(t *testing.T, l *ledger.Ledger, r *rand.Rand, req payment.Request) error {
	ctx := t.Context()
	p, err := l.Reserve(ctx, req)
	if err != nil || p.State == payment.Refused {
		return err
	}
	fee := payment.Msat(r.Int64N(100)) * sat
	signed := ledger.Signed{TxID: req.ID.String(), Raw: []byte{1}, Amount: req.Amount, Fee: fee, SatPerVByte: 1}
	together(2, func(int) { // a local activity may run twice
		if err := l.RecordSigned(ctx, req.ID, signed); err != nil {
			t.Error(err)
		}
	})
	if r.IntN(4) == 0 {
		_, err = l.Void(ctx, req, payment.Failure{Reason: payment.ReasonNoRoute}, 0)
		return err
	}
	if _, err = l.BeginSend(ctx, req.ID, fence(0)); err != nil || r.IntN(4) == 0 {
		return err
	}
	if r.IntN(2) == 0 {
		together(2, func(i int) { // an operator bumps the fee, and the first transaction confirms
			if i == 0 {
				_, err = l.RecordReplacement(ctx, req.ID, fence(1), replacement(req.ID.String()+" dearer", fee+50*sat))
			} else if confirmErr := l.RecordConfirmed(ctx, req.ID, signed.TxID); confirmErr != nil {
				t.Error(confirmErr)
			}
		})
		if err != nil {
			return err
		}
	}
	now, err := l.Payment(ctx, req.ID)
	if err != nil {
		return err
	}
	_, err = l.Settle(ctx, req.ID, now.SignedFee)
	return err
}

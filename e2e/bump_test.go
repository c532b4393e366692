package e2e_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// rate is what the newest transaction of a payment pays, in sat/vB, and how many there are.
func (g *guest) rate(id payment.ID) (satPerVByte uint64, transactions int) {
	g.t.Helper()
	txs, err := g.books.PaymentTransactions(g.t.Context(), id)
	must(g.t, err)
	return txs[len(txs)-1].SatPerVByte, len(txs)
}

// bump expects the payment to have a dearer transaction in the mempool, and nothing more held.
func (g *guest) bump(row ledger.Payment, satPerVByte uint64) ledger.Payment {
	g.t.Helper()
	before := row.TxID
	row, err := g.door.BumpFee(g.t.Context(), row.ID, satPerVByte)
	must(g.t, err)
	if rate, _ := g.rate(row.ID); row.TxID == before || rate != satPerVByte || row.State != payment.Pending {
		g.t.Fatalf("bumped to %d sat/vB: %s, transaction %s, before %s", satPerVByte, words(row), row.TxID, before)
	}
	g.inMempool(row.TxID)
	g.outOfMempool(before)
	g.money(row)
	return row
}

// wantFee expects the charge of whichever transaction confirmed: the miner's fee, of which the wallet pays up to the reserve.
func (g *guest) wantFee(row ledger.Payment, txid string) {
	g.t.Helper()
	tx, err := g.nodes[bank].LookupTransaction(g.t.Context(), txid)
	must(g.t, err)
	if row.TxID != txid || row.Fee != tx.Fee.MustMsat() || row.FeeOverage != max(row.Fee-row.FeeReserve, 0) || tx.Label != row.ID.String() {
		g.t.Errorf("transaction %s: fee %v, beyond the reserve of %v %v; %s cost %v, its label is %q",
			row.TxID, row.Fee, row.FeeReserve, row.FeeOverage, txid, tx.Fee, tx.Label)
	}
	cost := row.Amount + row.Fee - row.FeeOverage
	g.balance -= cost
	g.spent += cost.Ceil()
	g.money()
}

// TestBumpedTwiceSettlesWithTheLastFee: each bump replaces the transaction before it; the receiver gets the same, the customer
// pays at most what was reserved, the operator the rest.
func TestBumpedTwiceSettlesWithTheLastFee(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 100_000, Speed: payment.Slow})
	g.inMempool(row.TxID)
	rate, _ := g.rate(row.ID)

	for _, tooLow := range []uint64{0, 1, rate} {
		_, err := g.door.BumpFee(t.Context(), row.ID, tooLow)
		g.refusal(err, payment.ReasonInvalidInput)
	}
	_, err := g.door.BumpFee(t.Context(), row.ID, 100_000)
	g.refusal(err, payment.ReasonInvalidInput)

	row = g.bump(row, rate+2)
	row = g.bump(row, rate+40)
	again, err := g.door.BumpFee(t.Context(), row.ID, rate+40) // the answer was lost
	if err != nil || again.TxID != row.TxID {
		t.Errorf("the same bump again answers %s, %v", again.TxID, err)
	}
	if _, n := g.rate(row.ID); n != 3 {
		t.Errorf("%d transactions are stored", n)
	}
	last := row.TxID
	g.mine(1)
	row = g.ended(row, payment.Settled)
	if row.FeeOverage == 0 {
		t.Error("the bump cost the operator nothing")
	}
	g.wantFee(row, last)
	if got := g.outside(bob, row.TxID, address); got != 100_000 {
		t.Errorf("bob received %v", got)
	}
	if after, err := g.door.BumpFee(t.Context(), row.ID, 200); err != nil || after.State != payment.Settled || after.TxID != last {
		t.Errorf("a bump after the end answers %s, %v", words(after), err)
	}
	timeline, err := g.books.Timeline(t.Context(), row.ID)
	must(t, err)
	bumps := slices.Collect(func(yield func(string) bool) {
		for _, event := range timeline {
			if event.Name == "fee_bumped" && !yield(event.Detail["txid"]) {
				return
			}
		}
	})
	if len(bumps) != 2 || bumps[1] != last {
		t.Errorf("the timeline tells of the bumps %v", bumps)
	}
}

// TestBumpAtOnce: of many operators with many rates, each answer is the truth, and one transaction confirms.
func TestBumpAtOnce(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	row := g.payAddress(starter.PayAddress{Address: g.address(bob), Amount: 50_000})
	rate, _ := g.rate(row.ID)
	atOnce(6, func(i int) {
		_, err := g.door.BumpFee(t.Context(), row.ID, rate+uint64(i%3)*10+5)
		if err != nil && !payment.IsReason(err, payment.ReasonInvalidInput) { // a higher one was first
			t.Error(err)
		}
	})
	if highest, _ := g.rate(row.ID); highest != rate+25 {
		t.Errorf("the newest transaction pays %d sat/vB", highest)
	}
	g.mine(1)
	row = g.ended(row, payment.Settled)
	g.wantFee(row, row.TxID)
}

// TestOriginalConfirmsDespiteABump: the replacement is stored and reaches no mempool; the first transaction is mined, and the
// payment settles at its fee.
func TestOriginalConfirmsDespiteABump(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	row := g.payAddress(starter.PayAddress{Address: g.address(bob), Amount: 50_000})
	g.inMempool(row.TxID)
	original := row.TxID
	r.change(func(r *rig) { r.publish = func(context.Context, []byte, string) error { return cut() } })
	row, err := g.door.BumpFee(t.Context(), row.ID, 30)
	must(t, err)
	if row.TxID == original {
		t.Fatal("the bump is not stored")
	}
	g.outOfMempool(row.TxID)
	g.inMempool(original)
	g.money(row)
	g.mine(1)
	row = g.rechecked(row, payment.Settled)
	g.wantFee(row, original)
}

// TestBumpWhoseAnswerIsLost: stored, broadcast, no answer. Asking finds it.
func TestBumpWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	row := g.payAddress(starter.PayAddress{Address: g.address(bob), Amount: 50_000})
	r.change(func(r *rig) {
		r.publish = func(ctx context.Context, raw []byte, label string) error {
			_ = r.Node.Publish(ctx, raw, label)
			return cut()
		}
	})
	row = g.bump(row, 30)
	g.mine(1)
	g.wantFee(g.rechecked(row, payment.Settled), row.TxID)
}

// TestBumpSendAll: the wallet is emptied, the receiver gets what he was promised, and the node's change pays for the bump.
func TestBumpSendAll(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, SendAll: true, Speed: payment.Slow})
	promised := row.Amount
	row = g.bump(row, 60)
	g.mine(1)
	row = g.ended(row, payment.Settled)
	g.wantFee(row, row.TxID)
	if got := g.outside(bob, row.TxID, address); got.MustMsat() != promised || row.Amount != promised || g.balance != 0 {
		t.Errorf("bob was promised %v and received %v; the wallet has %v", promised, got, g.balance)
	}
}

// TestAbandonTakesBack: an operator abandons a payment that waits in the mempool. Nothing comes back before the transaction that
// takes it back is confirmed; then everything does.
func TestAbandonTakesBack(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	row := g.payAddress(starter.PayAddress{Address: g.address(bob), Amount: 50_000})
	g.inMempool(row.TxID)
	for range 2 { // the second one finds it under way
		given, err := g.door.Abandon(t.Context(), row.ID)
		if err != nil || given.State != payment.Pending || given.TxID != row.TxID {
			t.Fatalf("abandon answers %s, %v", words(given), err)
		}
	}
	g.money(row)
	g.outOfMempool(row.TxID)
	txs, err := g.books.PaymentTransactions(t.Context(), row.ID)
	must(t, err)
	if len(txs) != 2 || txs[1].Kind != ledger.RescueTransaction {
		t.Fatalf("%d transactions are stored", len(txs))
	}
	g.inMempool(txs[1].TxID)

	faster := txs[1].SatPerVByte + 20 // a rescue can be bumped as well
	_, err = g.door.BumpFee(t.Context(), row.ID, faster)
	must(t, err)
	if rate, n := g.rate(row.ID); rate != faster || n != 3 {
		t.Errorf("%d transactions, the newest pays %d sat/vB", n, rate)
	}
	g.outOfMempool(txs[1].TxID)
	g.money(row)
	g.mine(1)
	row = g.failed(row, payment.Failed, payment.ReasonAbandoned)
	t.Logf("taken back: %s", row.Failure.Message)
	g.money()
}

// TestConfirmsDespiteTheRescue: the rescue reaches no mempool, the payment is mined, and so it is paid.
func TestConfirmsDespiteTheRescue(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	row := g.payAddress(starter.PayAddress{Address: g.address(bob), Amount: 50_000})
	g.inMempool(row.TxID)
	r.change(func(r *rig) { r.publish = func(context.Context, []byte, string) error { return cut() } })
	given, err := g.door.Abandon(t.Context(), row.ID)
	if err != nil || given.State != payment.Pending {
		t.Fatalf("abandon answers %s, %v", words(given), err)
	}
	g.mine(1)
	g.wantFee(g.rechecked(row, payment.Settled), row.TxID)
}

// TestBumpIsForWhatWaitsOnChain: other payments have no miner fee.
func TestBumpIsForWhatWaitsOnChain(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	_, err := g.door.BumpFee(t.Context(), uuid.New(), 10)
	g.refusal(err, payment.ReasonPaymentNotFound)
	row := g.ended(g.pay(g.invoice(alice, 3_000)), payment.Settled)
	g.charge(row)
	_, err = g.door.BumpFee(t.Context(), row.ID, 10)
	g.refusal(err, payment.ReasonInvalidInput)
	g.money()
}

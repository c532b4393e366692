package e2e_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

const lndBank = "lnd-bank"

// TestNodeDownUnderHolds: nothing is refunded until LND says failed, and the same sats cannot be spent meanwhile.
func TestNodeDownUnderHolds(t *testing.T) {
	for name, down := range map[string]func(*guest, ...string){"stopped": (*guest).stop, "killed": (*guest).kill} {
		t.Run(name, func(t *testing.T) {
			g := enter(t, 17_000)
			rows, hashes := g.holds(alice, 4, 4_000)
			down(g, lndBank)
			g.settleHold(alice, hashes[0]) // while our node is away
			g.cancelHold(alice, hashes[1])
			g.offline(rows)

			began := time.Now()
			g.start(lndBank)
			t.Logf("lnd up after %v", time.Since(began))
			began = time.Now()
			rows[0] = g.ended(rows[0], payment.Settled)
			g.failed(rows[1], payment.Failed, payment.ReasonRejected)
			t.Logf("both resolved %v later", time.Since(began))
			g.charge(rows[0])
			g.money(rows[2:]...)
			g.settleHold(alice, hashes[2])
			g.cancelHold(alice, hashes[3])
			rows[2] = g.ended(rows[2], payment.Settled)
			g.charge(rows[2])
			g.failed(rows[3], payment.Failed, payment.ReasonRejected)
			g.settledOnce(rows[0])
			g.settledOnce(rows[2])
			g.money()
		})
	}
}

// offline is what a customer and an operator see while our node is away and payments are held.
func (g *guest) offline(held []ledger.Payment) {
	g.t.Helper()
	for _, row := range held {
		asked, err := g.door.Recheck(g.t.Context(), row.ID)
		if err != nil || asked.State != payment.Pending {
			g.t.Errorf("recheck without a node answers %s, %v", words(asked), err)
		}
		_, err = g.door.Abandon(g.t.Context(), row.ID)
		g.refusal(err, payment.ReasonPaymentInFlight)
	}
	g.money(held...)
	again, err := g.door.PayWallet(g.t.Context(), starter.PayWallet{
		Caller: g.caller(), WalletID: g.wallet, RecipientID: g.treasury.ID, Amount: payment.Sat(4_000).MustMsat(),
	})
	must(g.t, err)
	g.failed(again, payment.Refused, payment.ReasonInsufficientBalance)
	g.failed(g.pay(g.invoice(alice, 100)), payment.Failed, payment.ReasonNodeOffline)
	quote, err := g.door.PayAddress(g.t.Context(), starter.PayAddress{Caller: g.caller(), WalletID: g.wallet, Address: regtestAddress, Amount: 10_000})
	must(g.t, err)
	g.failed(quote, payment.Refused, payment.ReasonNodeOffline)
	g.money(held...)
}

// TestNodeKilledWhileSending: whatever had left when the node died, ledger, node and receiver agree in the end. What
// LND itself has lost (docs/decisions, "Payments that LND has lost") stays held until an operator may give it up.
func TestNodeKilledWhileSending(t *testing.T) {
	g := enter(t, 50_000)
	g.aloneOnChain()
	const payments = 12
	invoices, rows := make([]string, payments), make([]ledger.Payment, payments)
	for i := range invoices {
		invoices[i] = g.invoice(bob, 2_000)
	}
	var callers sync.WaitGroup
	for i := range payments {
		callers.Go(func() { rows[i] = g.pay(invoices[i]) })
	}
	until(t, "half of them to leave", func() error {
		live, err := g.books.Payments(t.Context(), ledger.Filter{AccountID: g.account, States: []payment.State{payment.Dispatched, payment.Pending, payment.Settled}})
		if err == nil && len(live) < payments/2 {
			err = fmt.Errorf("%d have left", len(live))
		}
		return err
	})
	g.kill(lndBank)
	g.start(lndBank)
	callers.Wait()
	lost := g.resolved(rows)
	ends := map[string]int{"lost by LND": len(lost)}
	for i, row := range rows {
		row, err := g.books.Payment(t.Context(), row.ID)
		must(t, err)
		var want payment.Msat
		if row.State == payment.Settled {
			want = row.Amount
			g.charge(row)
		}
		ends[words(row)]++
		g.paidAt(bob, invoices[i], want)
	}
	t.Log(ends)
	g.money(lost...)
	g.giveUp(lost)
	g.money()
}

// resolved asks until each payment has ended or is lost: in flight by the node's word, and on no channel.
func (g *guest) resolved(rows []ledger.Payment) (lost []ledger.Payment) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), within)
	defer cancel()
	tick := time.NewTicker(2 * time.Second) // an HTLC needs a moment to get onto its channel
	defer tick.Stop()
	for before := -1; ; before = len(lost) {
		lost = nil
		open := 0
		for _, row := range rows {
			row, err := g.door.Recheck(ctx, row.ID)
			must(g.t, err)
			if row.State.Terminal() {
				continue
			}
			open++
			known, err := g.nodes[bank].LookupPayment(ctx, row.PaymentHash)
			if err != nil || known.Status != lndclient.InFlight {
				continue
			}
			places, err := g.nodes[bank].LocateHTLCs(ctx, row.PaymentHash)
			must(g.t, err)
			if places.OnChannels == 0 {
				lost = append(lost, row)
			}
		}
		if open == len(lost) && (open == 0 || before == open) {
			return lost
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.t.Fatalf("%d payments are open, %d of them lost", open, len(lost))
		}
	}
}

// giveUp abandons what LND has lost: not before a day of blocks has passed since its expiry.
func (g *guest) giveUp(lost []ledger.Payment) {
	g.t.Helper()
	for _, row := range lost {
		_, err := g.door.Abandon(g.t.Context(), row.ID)
		g.refusal(err, payment.ReasonPaymentInFlight)
	}
	for _, row := range lost {
		height, err := g.net.Height(g.t.Context())
		must(g.t, err)
		const day = 144
		if ahead := int(row.Expiry) + day - height; ahead > 0 {
			g.mine(ahead)
		}
		given, err := g.door.Abandon(g.t.Context(), row.ID)
		must(g.t, err)
		g.failed(given, payment.Failed, payment.ReasonAbandoned)
	}
}

// TestChainRestarted: the mempool is lost with the chain's node. The transaction is broadcast again, confirms and settles.
func TestChainRestarted(t *testing.T) {
	g := enter(t, 100_000)
	g.aloneOnChain()
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 50_000})
	g.inMempool(row.TxID)
	g.stop("btcd") // a killed one forgets blocks, too
	g.start("btcd")
	until(t, "the transaction to be broadcast again", func() error {
		if _, err := g.door.Recheck(t.Context(), row.ID); err != nil {
			return err
		}
		seen, err := g.net.Mempool(t.Context())
		if err == nil && len(seen) == 0 {
			err = fmt.Errorf("the mempool is empty")
		}
		return err
	})
	g.inMempool(row.TxID)
	g.money(row)
	g.mine(1)
	row = g.ended(row, payment.Settled)
	g.charge(row)
	g.money()
	if got := g.outside(bob, row.TxID, address); got != 50_000 {
		t.Errorf("bob received %v", got)
	}
}

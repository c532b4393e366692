package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
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

// TestChainRestarted: the mempool is lost with the chain's node. The transaction is broadcast again, confirms and settles.
func TestChainRestarted(t *testing.T) {
	g := enter(t, 100_000)
	g.aloneOnChain()
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 50_000})
	g.inMempool(row.TxID)
	g.kill("btcd")
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

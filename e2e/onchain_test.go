package e2e_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// alone on the chain: nobody else mines until the test ends.
func (g *guest) aloneOnChain() {
	g.chain.Lock()
	g.t.Cleanup(g.chain.Unlock)
}

func (g *guest) address(node string) string {
	g.t.Helper()
	address, err := g.net.NewAddress(g.t.Context(), node)
	must(g.t, err)
	return address
}

func (g *guest) mine(blocks int) {
	g.t.Helper()
	for range blocks {
		g.sending.Lock()
		err := g.net.Mine(g.t.Context(), 1)
		g.sending.Unlock()
		must(g.t, err)
	}
}

// payAddress pays on-chain and returns when the transaction is broadcast.
func (g *guest) payAddress(ask starter.PayAddress) ledger.Payment {
	g.t.Helper()
	ask.Caller, ask.WalletID = g.caller(), g.wallet
	row, err := g.door.PayAddress(g.t.Context(), ask)
	must(g.t, err)
	return g.become(row.ID, payment.Pending)
}

// inMempool waits until the transaction is there.
func (g *guest) inMempool(txid string) {
	g.t.Helper()
	until(g.t, "transaction "+txid+" in the mempool", func() error {
		seen, err := g.net.Mempool(g.t.Context())
		if err == nil && !slices.Contains(seen, txid) {
			err = fmt.Errorf("it holds %v", seen)
		}
		return err
	})
}

// outOfMempool expects the transaction not to be there.
func (g *guest) outOfMempool(txid string) {
	g.t.Helper()
	seen, err := g.net.Mempool(g.t.Context())
	must(g.t, err)
	if slices.Contains(seen, txid) {
		g.t.Errorf("transaction %s is in the mempool", txid)
	}
}

// outside reads what a transaction pays to an address of a node outside, by that node's word.
func (g *guest) outside(node, txid, address string) (amount payment.Sat) {
	g.t.Helper()
	until(g.t, node+" to see "+txid, func() error {
		tx, err := g.nodes[node].LookupTransaction(g.t.Context(), txid)
		for _, out := range tx.Outputs {
			if out.Address == address {
				amount += out.Amount
			}
		}
		return err
	})
	return amount
}

// TestOnchainSettles: pending once broadcast, settled once mined, with the miner fee exact.
func TestOnchainSettles(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 100_000})
	g.inMempool(row.TxID)
	g.money(row)
	g.mine(1)
	row = g.ended(row, payment.Settled)
	g.charge(row)
	g.money()
	tx, err := g.nodes[bank].LookupTransaction(t.Context(), row.TxID)
	must(t, err)
	if row.Fee != tx.Fee.MustMsat() || row.Fee == 0 || row.Fee > row.FeeReserve {
		t.Errorf("charged a fee of %v, the miner took %v, %v were reserved", row.Fee, tx.Fee, row.FeeReserve)
	}
	if tx.Label != row.ID.String() {
		t.Errorf("the transaction's label is %q", tx.Label)
	}
	if got := g.outside(bob, row.TxID, address); got != 100_000 {
		t.Errorf("bob received %v", got)
	}
}

// TestSendAll empties the wallet: the fee comes out of the amount.
func TestSendAll(t *testing.T) {
	t.Parallel()
	g := enter(t, 150_000)
	g.aloneOnChain()
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, SendAll: true, Speed: payment.Slow})
	g.money(row)
	g.mine(1)
	row = g.ended(row, payment.Settled)
	g.charge(row)
	if g.balance != 0 || g.spent != 150_000 {
		t.Errorf("%v are left, %v spent", g.balance, g.spent)
	}
	g.money()
	if got := g.outside(bob, row.TxID, address); got.MustMsat() != row.Amount || got.MustMsat()+row.Fee != 150_000_000 {
		t.Errorf("bob received %v, the fee was %v", got, row.Fee)
	}
}

// TestOnchainBeyondBalance: the miner fee counts.
func TestOnchainBeyondBalance(t *testing.T) {
	t.Parallel()
	g := enter(t, 5_000)
	row, err := g.door.PayAddress(t.Context(), starter.PayAddress{Caller: g.caller(), WalletID: g.wallet, Address: g.address(bob), Amount: 5_000})
	must(t, err)
	g.failed(row, payment.Refused, payment.ReasonInsufficientBalance)
	row, err = g.door.PayAddress(t.Context(), starter.PayAddress{Caller: g.caller(), WalletID: g.openWallet("empty", 0), Address: g.address(bob), SendAll: true})
	must(t, err)
	row = g.become(row.ID, payment.Failed, payment.Refused)
	t.Logf("send-all of nothing: %s", words(row))
	if row.Failure.Reason != payment.ReasonInsufficientBalance {
		t.Errorf("send-all of an empty wallet ended %s", words(row))
	}
	g.money()
}

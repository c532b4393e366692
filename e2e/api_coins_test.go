package e2e_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/lightningnetwork/lnd/lnrpc"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// coins are what our node can spend on the chain now, largest first: confirmed, and leased by nobody.
func (g *guest) coins() (amounts []payment.Sat) {
	g.t.Helper()
	node, err := g.operator()
	must(g.t, err)
	defer node.Close()
	unspent, err := node.Lightning.ListUnspent(g.t.Context(), &lnrpc.ListUnspentRequest{MinConfs: 1, MaxConfs: 1_000_000})
	must(g.t, err)
	for _, coin := range unspent.GetUtxos() {
		amounts = append(amounts, payment.Sat(coin.GetAmountSat()))
	}
	slices.Sort(amounts)
	slices.Reverse(amounts)
	return amounts
}

// leaseAllBut takes our node's coins away until few of at least so much are left, by an operator's lease. LND chooses the
// largest coin first.
func (g *guest) leaseAllBut(few int, worth payment.Sat) (giveBack func()) {
	g.t.Helper()
	lease := [32]byte(randomHash())
	giveBack = func() { must(g.t, g.nodes[bank].ReleaseLeases(context.WithoutCancel(g.t.Context()), lease)) }
	g.t.Cleanup(giveBack)
	address := g.address(bank)
	for {
		left := slices.DeleteFunc(g.coins(), func(coin payment.Sat) bool { return coin < worth })
		if len(left) <= few {
			return giveBack
		}
		_, err := g.nodes[bank].FundPSBT(g.t.Context(), lndclient.FundPSBT{
			Address: address, Amount: left[0] - worth/2, SatPerVByte: 1, LockID: lease, LockFor: within, MinConfs: 1,
		})
		must(g.t, err)
	}
}

// TestAPINodeLacksCoins: with one coin for five payments at once, one is sent. The others fail clearly, and wallet and budget
// are as before; when the node has coins again, they can be paid. It runs alone: others ask the node for prices.
func TestAPINodeLacksCoins(t *testing.T) {
	const calls, amount = 5, 200_000
	c := signUp(t, calls*2*amount)
	c.balance = payment.Sat(calls * 2 * amount).MustMsat()
	c.setLimit("DAILY", calls*2*amount)
	giveBack := c.leaseAllBut(1, amount)
	pay := errand{door: payment.DoorOnchain, input: "OnChainPaymentSendInput", chain: true, to: toAddress, amount: amount}

	receivers := make([]receiver, calls)
	for i := range receivers {
		receivers[i] = pay.next(c)
	}
	answers := make([]sent, calls)
	var paid atomic.Int32
	atOnce(calls, func(i int) {
		keyed := c.byKey().once()
		answers[i] = c.answered(func() sent { return pay.asks(keyed, c.wallet, receivers[i]) })
		switch {
		case answers[i].Status == "SUCCESS":
			paid.Add(1)
		case answers[i].Status != "FAILURE" || answers[i].code() != "UNKNOWN_CLIENT_ERROR":
			t.Errorf("call %d: %+v", i, answers[i])
		}
	})
	if paid.Load() != 1 {
		t.Fatalf("%d payments were sent with one coin", paid.Load())
	}
	lucky := slices.IndexFunc(answers, func(got sent) bool { return got.Status == "SUCCESS" })
	row := c.row(answers[lucky], payment.Pending)
	c.shown(row)
	message := answers[(lucky+1)%calls].Errors[0].Message
	speaks(t, message)
	states := map[payment.State]int{} // refused: by the estimate; failed: after money and budget were reserved
	for _, row := range c.payments() {
		states[row.State]++
	}
	t.Logf("a node without coins: %s %v", message, states)

	giveBack()
	again := pay.next(c)
	got := pay.asks(c.byKey(), c.wallet, again)
	c.shown(row, c.row(got, payment.Pending))
	c.mine(1)
	for _, cost := range []payment.Msat{c.concludes(pay, answers[lucky], receivers[lucky]), c.concludes(pay, got, again)} {
		c.balance -= cost
		c.spent += cost.Ceil()
	}
	c.shown()
}

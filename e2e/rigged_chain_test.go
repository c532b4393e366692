package e2e_test

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/google/uuid"
	"github.com/lightningnetwork/lnd/lnrpc"

	"github.com/holdfast-pay/holdfast/devnet/lnd"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// steal frees the inputs that a payment has leased and spends them elsewhere, by an operator's hand at our node.
func (g *guest) steal(ctx context.Context, row payment.ID, raw []byte) error {
	lease := sha256.Sum256(append([]byte("holdfast/lease/1/"), row[:]...)) // as activities name it
	if err := g.nodes[bank].ReleaseLeases(ctx, lease); err != nil {
		return err
	}
	inputs, err := lndclient.InputsOf(raw)
	if err != nil {
		return err
	}
	address, err := g.net.NewAddress(ctx, bank)
	if err != nil {
		return err
	}
	node, err := g.operator()
	if err != nil {
		return err
	}
	defer node.Close()
	// Dear, so that the payment's own transaction cannot replace it, whatever the node's fee estimate is by now.
	order := &lnrpc.SendCoinsRequest{Addr: address, SendAll: true, SatPerVbyte: 500, Label: "stolen by the e2e test"}
	for _, in := range inputs {
		order.Outpoints = append(order.Outpoints, &lnrpc.OutPoint{TxidStr: in.TxID, OutputIndex: in.Vout})
	}
	_, err = node.Lightning.SendCoins(ctx, order)
	return err
}

// operator is at our node's own door.
func (g *guest) operator() (*lnd.Client, error) {
	env := g.net.Env()
	return lnd.Dial(env["LND_BANK_RPC"], env["LND_BANK_TLS"], env["LND_BANK_MACAROON"])
}

// TestPublishRejected: somebody spends the inputs between the signature and the first broadcast. The mempool of the real
// node says no, so nothing has left: everything comes back.
func TestPublishRejected(t *testing.T) {
	t.Parallel()
	g := enter(t, 100_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	var stolen error
	r.publish = func(ctx context.Context, raw []byte, label string) error {
		r.change(func(r *rig) { r.publish = nil })
		if stolen = g.steal(ctx, uuid.MustParse(label), raw); stolen != nil {
			return cut()
		}
		return r.Node.Publish(ctx, raw, label)
	}
	row, err := g.door.PayAddress(t.Context(), starter.PayAddress{Caller: g.caller(), WalletID: g.wallet, Address: g.address(bob), Amount: 50_000})
	must(t, err)
	row = g.become(row.ID, payment.Failed, payment.Pending)
	must(t, stolen)
	row = g.failed(row, payment.Failed, payment.ReasonPublishRejected)
	if row.TxID == "" || r.shouts != 1 {
		t.Errorf("transaction %q, %d broadcasts", row.TxID, r.shouts)
	}
	g.money()
	g.mine(1)
}

// TestBroadcastLost: the broadcast never reaches LND, so no mempool has the transaction. Asking broadcasts it again; it
// confirms and settles.
func TestBroadcastLost(t *testing.T) {
	t.Parallel()
	g := enter(t, 100_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	r.publish = func(context.Context, []byte, string) error { return cut() }
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 50_000})
	g.outOfMempool(row.TxID)
	g.money(row)
	r.change(func(r *rig) { r.publish = nil })
	_, err := g.door.Recheck(t.Context(), row.ID)
	must(t, err)
	g.inMempool(row.TxID)
	g.arrives(row, address, 50_000)
}

// TestBroadcastLostAndNobodyAsks: neither the broadcast nor the first look after it reaches LND, and there is no watcher and no
// operator. The poll broadcasts again by itself, half a minute later, and that is the last broadcast it takes.
func TestBroadcastLostAndNobodyAsks(t *testing.T) {
	t.Parallel()
	g := enter(t, 100_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	r.publish = func(ctx context.Context, raw []byte, label string) error {
		lost := false
		r.change(func(r *rig) { lost = r.shouts <= 2 })
		if lost {
			return cut()
		}
		return r.Node.Publish(ctx, raw, label)
	}
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 50_000})
	g.outOfMempool(row.TxID)
	g.inMempool(row.TxID)
	r.change(func(r *rig) {
		if r.shouts != 3 {
			t.Errorf("%d broadcasts, want the first, one at once and one by the poll", r.shouts)
		}
	})
	g.arrives(row, address, 50_000)
}

// arrives mines a payment to bob that waits in the mempool.
func (g *guest) arrives(row ledger.Payment, address string, amount payment.Sat) {
	g.t.Helper()
	g.money(row)
	g.mine(1)
	row = g.rechecked(row, payment.Settled)
	g.charge(row)
	g.money()
	if got := g.outside(bob, row.TxID, address); got != amount {
		g.t.Errorf("bob received %v", got)
	}
}

// TestBroadcastAnswerLost: LND broadcasts, and its answer does not arrive.
func TestBroadcastAnswerLost(t *testing.T) {
	t.Parallel()
	g := enter(t, 100_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	r.publish = func(ctx context.Context, raw []byte, label string) error {
		_ = r.Node.Publish(ctx, raw, label)
		return cut()
	}
	address := g.address(bob)
	row := g.payAddress(starter.PayAddress{Address: address, Amount: 50_000})
	g.inMempool(row.TxID)
	g.arrives(row, address, 50_000)
}

// TestConflict: whether the broadcast arrived is unknown, and its inputs are spent elsewhere. As long as that is only in
// the mempool, nothing is given back; once it is confirmed, ours can never be, and everything is.
func TestConflict(t *testing.T) {
	t.Parallel()
	g := enter(t, 100_000)
	g.aloneOnChain()
	r := &rig{}
	g.behind(r)
	r.publish = func(context.Context, []byte, string) error { return cut() }
	row := g.payAddress(starter.PayAddress{Address: g.address(bob), Amount: 50_000})
	must(t, g.steal(t.Context(), row.ID, row.RawTx))
	r.change(func(r *rig) { r.publish = nil })
	asked, err := g.door.Recheck(t.Context(), row.ID)
	if err != nil || asked.State.Terminal() {
		t.Errorf("with an unconfirmed conflict the payment is %s, %v", words(asked), err)
	}
	g.money(row)
	_, err = g.door.Abandon(t.Context(), row.ID)
	g.refusal(err, payment.ReasonPaymentInFlight)
	g.mine(1)
	g.failed(g.rechecked(row, payment.Failed), payment.Failed, payment.ReasonConflict)
	g.money()
}

package activities_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// emptyOutput is a node that lists a transaction which pays nothing to an address of ours: miners can make one.
type emptyOutput struct {
	lndclient.Node
	address string
}

func (e emptyOutput) ListTransactions(ctx context.Context, start int32) ([]lndclient.Transaction, error) {
	txs, err := e.Node.ListTransactions(ctx, start)
	nothing := lndclient.Transaction{TxID: "00", Confirmations: 100, BlockHeight: 1, Outputs: []lndclient.TxOutput{{Address: e.address, Ours: true}}}
	return append([]lndclient.Transaction{nothing}, txs...), err
}

// One receive that cannot be credited to its wallet must not stop the receives behind it.
func TestOddReceiveStopsNoOther(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dollars, err := h.ledger.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: h.wallet.AccountID, Name: "dollars", Currency: payment.USD})
	if err != nil {
		t.Fatal(err)
	}
	made := h.bank.MakeInvoice(700)
	odd := ledger.Invoice{Hash: made.Hash, WalletID: dollars.ID, AccountID: dollars.AccountID, Node: bank, Request: made.Request, Amount: made.Amount, ExpiresAt: h.clock.Now().Add(time.Hour)}
	if err := h.ledger.AddInvoice(t.Context(), odd); !payment.IsReason(err, payment.ReasonInvalidInput) {
		t.Fatalf("a wallet without bitcoin has an invoice: %v", err)
	}
	if err := h.ledger.AddAddress(t.Context(), ledger.Address{Address: "bcrt1x", WalletID: dollars.ID, AccountID: dollars.AccountID, Node: bank}); !payment.IsReason(err, payment.ReasonInvalidInput) {
		t.Fatalf("a wallet without bitcoin has an address: %v", err)
	}
	ledgertest.Exec(t, h.url, "ALTER TABLE invoices DISABLE TRIGGER receiver_guard") // as before the rule
	if err := h.ledger.AddInvoice(t.Context(), odd); err != nil {
		t.Fatal(err)
	}
	ledgertest.Exec(t, h.url, "ALTER TABLE invoices ENABLE TRIGGER receiver_guard")
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	watcher := h.watcher((&hints{}).hint)
	watcher.Node = emptyOutput{h.bank, address}
	h.watch(watcher, bank)

	for _, hash := range []payment.Hash{odd.Hash, h.ownInvoice(1000 * sat).Hash} {
		if err := h.bank.ReceivePayment(hash, 0); err != nil {
			t.Fatal(err)
		}
	}
	h.network.SendToAddress(address, 50_000)
	h.network.Mine(int(depth))
	eventually(t, "both are credited", func() bool { return h.balance() == balance+51_000*sat })
	if kept, err := h.ledger.Wallet(t.Context(), dollars.ID); err != nil || kept.Balance != 0 {
		t.Fatalf("%+v, %v", kept, err)
	}
	h.wantMoney(balance+51_000*sat, 0) // and the books balance: 700 sat wait in suspense
}

// lagging is a node whose wallet has not read the blocks yet that it announces.
type lagging struct {
	lndclient.Node
	behind atomic.Bool
}

func (l *lagging) Info(ctx context.Context) (lndclient.Info, error) {
	info, err := l.Node.Info(ctx)
	info.SyncedToChain = !l.behind.Load()
	return info, err
}

func (l *lagging) ListTransactions(ctx context.Context, start int32) ([]lndclient.Transaction, error) {
	if l.behind.Load() {
		return nil, nil
	}
	return l.Node.ListTransactions(ctx, start)
}

func (l *lagging) WatchTransactions(ctx context.Context, subscribed func(), _ func(lndclient.Transaction) error) error {
	return l.Node.WatchTransactions(ctx, subscribed, func(lndclient.Transaction) error { return nil })
}

// The cursor of blocks must not pass what the node's wallet has not read.
func TestCursorWaitsForAWalletThatLagsBehind(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	node := &lagging{Node: h.bank}
	node.behind.Store(true)
	watcher := h.watcher((&hints{}).hint)
	watcher.Node = node
	h.network.SendToAddress(address, 50_000)
	h.network.Mine(20)
	before := h.cursor()
	h.watch(watcher, bank)
	eventually(t, "it looks at the first block", func() bool { return h.bank.Calls(lndfake.Info) > 0 })
	h.network.Mine(3)
	eventually(t, "it has looked at some", func() bool { return h.bank.Calls(lndfake.Info) > 2 })
	if at := h.cursor(); at != before {
		t.Fatalf("the cursor went from %d to %d", before, at)
	}
	node.behind.Store(false)
	h.network.Mine(1)
	eventually(t, "credited", func() bool { return h.balance() == balance+50_000*sat })
	eventually(t, "the cursor follows", func() bool { return h.cursor() == h.network.Height()-depth+1 })
}

func (h *house) cursor() int32 {
	cursors, err := h.ledger.Cursors(context.Background(), bank)
	if err != nil {
		h.t.Error(err)
	}
	return cursors.BlockHeight
}

// A deposit that is awaited is looked at again wherever the cursor stands.
func TestAwaitedDepositIsCreditedFarBelowTheCursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	txid := h.network.SendToAddress(address, 50_000)
	if err := h.ledger.SeeDeposit(t.Context(), bank, ledger.Deposit{TxID: txid, Address: address, Amount: 50_000}); err != nil {
		t.Fatal(err)
	}
	h.network.Mine(50)
	if err := h.ledger.AdvanceBlocks(t.Context(), bank, h.network.Height()); err != nil {
		t.Fatal(err)
	}
	h.watching((&hints{}).hint)
	eventually(t, "credited", func() bool { return h.balance() == balance+50_000*sat })
}

// A deposit that its sender replaced is awaited no longer; should it confirm all the same, it is credited.
func TestReplacedDepositIsNoLongerAwaited(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	h.watching((&hints{}).hint)
	txid := h.network.SendToAddress(address, 50_000)
	awaited := func() []string {
		txids, err := h.ledger.AwaitedDeposits(context.Background(), bank)
		if err != nil {
			t.Error(err)
		}
		return txids
	}
	eventually(t, "it is awaited", func() bool { return slices.Equal(awaited(), []string{txid}) })
	h.network.Conflict(txid)
	h.network.Mine(1)
	eventually(t, "it is gone", func() bool { return len(awaited()) == 0 })
	if pending, err := h.ledger.PendingReceives(t.Context(), h.wallet.AccountID, nil, ""); err != nil || len(pending) != 0 {
		t.Fatalf("%+v, %v", pending, err)
	}
	if ok, err := h.ledger.CreditDeposit(t.Context(), bank, ledger.Deposit{TxID: txid, Address: address, Amount: 50_000, BlockHeight: 3}); err != nil || !ok {
		t.Fatalf("a deposit that came back: %v, %v", ok, err)
	}
	h.wantMoney(balance+50_000*sat, 0)
}

package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// hints collects whom the watcher woke.
type hints struct {
	mu  sync.Mutex
	ids []payment.ID
}

func (h *hints) hint(_ context.Context, id payment.ID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids = append(h.ids, id)
	return nil
}

func (h *hints) has(id payment.ID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.ids, id)
}

func (h *house) watcher(hint activities.Hint) *activities.WatchSteps {
	return &activities.WatchSteps{
		Ledger: h.ledger, Node: h.bank, Name: bank, Depth: depth, Hint: hint, Log: slog.New(slog.DiscardHandler), Shift: time.Hour,
	}
}

// watch starts a watcher, as a worker does; stop is the worker's end.
func (h *house) watch(w *activities.WatchSteps, node string) (ended <-chan error, stop func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stopping := make(chan struct{})
	stop = sync.OnceFunc(func() { close(stopping) })
	done, over := make(chan error, 1), make(chan struct{})
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.SetWorkerStopChannel(stopping)
	env.RegisterActivityWithOptions(w.WatchNode, activity.RegisterOptions{Name: step.WatchNode})
	go func() {
		defer close(over)
		_, err := env.ExecuteActivity(step.WatchNode, node)
		done <- err
	}()
	h.t.Cleanup(func() { cancel(); <-over })
	return done, stop
}

// watching starts the usual watcher.
func (h *house) watching(hint activities.Hint) (ended <-chan error, stop func()) {
	h.t.Helper()
	return h.watch(h.watcher(hint), bank)
}

func (h *house) balance() payment.Msat {
	w, err := h.ledger.Wallet(context.Background(), h.wallet.ID)
	if err != nil {
		h.t.Error(err)
	}
	return w.Balance
}

// Rule 10: what was paid while nobody watched is credited at the start, by the cursor, once.
func TestInvoicePaidWhileDownIsCreditedOnceAlsoByTwoWatchers(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 3 {
		if err := h.bank.ReceivePayment(h.ownInvoice(1000*sat).Hash, 0); err != nil {
			t.Fatal(err)
		}
	}
	foreign := h.bank.MakeInvoice(77) // an invoice of the node that is nobody's here
	if err := h.bank.ReceivePayment(foreign.Hash, 0); err != nil {
		t.Fatal(err)
	}
	var woken hints
	for range 2 {
		h.watching(woken.hint)
	}
	eventually(t, "the cursor passes all four", func() bool {
		cursors, err := h.ledger.Cursors(context.Background(), bank)
		return err == nil && cursors.SettleIndex == 4
	})
	live := h.ownInvoice(500 * sat)
	if err := h.bank.ReceivePayment(live.Hash, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the live one", func() bool { return h.balance() >= balance+3500*sat })
	ended, _ := h.watching(woken.hint) // a later start repeats nothing
	other := h.ownInvoice(1 * sat)
	if err := h.bank.ReceivePayment(other.Hash, 0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the last one", func() bool { return h.balance() >= balance+3501*sat })
	select {
	case err := <-ended:
		t.Fatalf("the watcher ended: %v", err)
	default:
	}
	h.wantMoney(balance+3501*sat, 0)
}

func TestDepositIsSeenBeforeAndCreditedAtDepthOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	var woken hints
	h.watching(woken.hint)
	h.watching(woken.hint)
	eventually(t, "both watch", func() bool {
		return h.bank.Calls(lndfake.ListTransactions) >= 2 && h.bank.Calls(lndfake.WatchTransactions) >= 2
	})

	h.network.SendToAddress(address, 50_000)
	eventually(t, "seen in the mempool", func() bool {
		deposits, err := h.ledger.PendingReceives(context.Background(), h.wallet.AccountID, nil, "")
		return err == nil && len(deposits) == 1 && deposits[0].Amount == 50_000*sat
	})
	h.network.Mine(int(depth) - 1)
	eventually(t, "the cursor follows", func() bool {
		cursors, err := h.ledger.Cursors(context.Background(), bank)
		return err == nil && cursors.BlockHeight == h.network.Height()-depth+1
	})
	h.wantMoney(balance, 0) // not deep enough
	h.network.Mine(1)
	eventually(t, "credited", func() bool { return h.balance() == balance+50_000*sat })
	h.network.Mine(2)
	eventually(t, "the cursor follows", func() bool {
		cursors, err := h.ledger.Cursors(context.Background(), bank)
		return err == nil && cursors.BlockHeight == h.network.Height()-depth+1
	})
	h.wantMoney(balance+50_000*sat, 0)
}

// A deposit below the cursor that the first look did not see is found within the reorg window.
func TestDepositBelowTheCursorIsFoundInTheReorgWindow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	h.network.SendToAddress(address, 50_000)
	h.network.Mine(5)
	if err := h.ledger.AdvanceBlocks(t.Context(), bank, h.network.Height()); err != nil {
		t.Fatal(err)
	}
	var woken hints
	h.watching(woken.hint)
	eventually(t, "credited", func() bool { return h.balance() == balance+50_000*sat })
}

// Hints go to payments that wait, and to no others.
func TestHintsGoOnlyToPendingPayments(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	held := h.peer.MakeHold(100)
	pending := h.reserved(held)
	must(t, h.steps.SendLightning, pending)
	reserved := h.reserved(h.peer.MakeInvoice(100))
	onchain, _ := h.signed(10_000 * sat)
	must(t, h.steps.PublishOnchain, onchain)

	var woken hints
	h.watching(woken.hint)
	eventually(t, "both are asked for at the start", func() bool { return woken.has(pending.ID) && woken.has(onchain.ID) })
	woken.mu.Lock()
	woken.ids = nil
	woken.mu.Unlock()
	if err := h.peer.SettleInvoice(t.Context(), held.Preimage); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the payment", func() bool { return woken.has(pending.ID) })
	h.network.Mine(1)
	eventually(t, "the block", func() bool { return woken.has(onchain.ID) })
	if woken.has(reserved.ID) {
		t.Fatal("a payment that nobody has sent was hinted")
	}
}

func TestLostAnswerIsHintedWhenItEnds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(100)
	req := h.reserved(invoice)
	h.bank.Fail(lndfake.SendPayment, lndfake.AfterEffect, lndclient.KindUnknown)
	must(t, h.steps.SendLightning, req)
	var woken hints
	h.watching(woken.hint)
	eventually(t, "asked for at the start", func() bool { return woken.has(req.ID) })
}

func TestBrokenStreamEndsTheWatcherWithAnError(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var woken hints
	ended, _ := h.watching(woken.hint)
	eventually(t, "it watches", func() bool { return h.bank.Calls(lndfake.ListTransactions) > 0 })
	h.bank.BreakStreams()
	if err := <-ended; err == nil {
		t.Fatal("a watcher that lost its node must be started again")
	}
	h.bank.Down()
	ended, _ = h.watching(woken.hint)
	if err := <-ended; err == nil {
		t.Fatal("a watcher without a node must be started again")
	}
}

func TestWatcherEndsWithTheWorkerAndAfterItsShift(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var woken hints
	ended, stop := h.watching(woken.hint)
	eventually(t, "it watches", func() bool { return h.bank.Calls(lndfake.ListTransactions) > 0 })
	stop()
	if err := <-ended; err == nil {
		t.Fatal("another worker must go on: the activity has to be retried")
	}
	short := h.watcher(woken.hint)
	short.Shift = 50 * time.Millisecond
	ended, _ = h.watch(short, bank)
	if err := <-ended; err != nil {
		t.Fatalf("after its shift: %v", err)
	}
	ended, _ = h.watch(h.watcher(woken.hint), "other")
	if err := <-ended; err == nil {
		t.Fatal("it watched a node that is not its own")
	}
}

// A hint that cannot be sent, or a ledger that says no, must not lose what arrives.
func TestCreditThatFailsIsRepeatedFromTheCursor(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.ownInvoice(1000 * sat)
	broken := h.watcher(func(context.Context, payment.ID) error { return errors.New("no Temporal") })
	lost := *broken
	closed, err := ledger.Open(t.Context(), h.url)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	lost.Ledger = closed
	if err := h.bank.ReceivePayment(invoice.Hash, 0); err != nil {
		t.Fatal(err)
	}
	ended, _ := h.watch(&lost, bank)
	if err := <-ended; err == nil {
		t.Fatal("it watched without a ledger")
	}
	h.watch(broken, bank)
	eventually(t, "credited", func() bool { return h.balance() == balance+1000*sat })
}

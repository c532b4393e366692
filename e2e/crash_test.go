package e2e_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// The tests that stop or kill a process run alone: they do not call t.Parallel.

// kill ends processes as a crash would, in order; they run again at the test's end at the latest.
func (g *guest) kill(names ...string) {
	g.t.Helper()
	g.restored(names)
	for _, name := range names {
		must(g.t, g.net.KillProcess(name))
	}
}

// stop ends processes gracefully, in order; they run again at the test's end at the latest.
func (g *guest) stop(names ...string) {
	g.t.Helper()
	g.restored(names)
	for _, name := range names {
		must(g.t, g.net.StopProcess(name))
	}
}

func (g *guest) restored(names []string) {
	g.t.Cleanup(func() { g.start(reversed(names)...) })
}

func (g *guest) start(names ...string) {
	g.t.Helper()
	for _, name := range names {
		if err := g.net.StartProcess(context.WithoutCancel(g.t.Context()), name); err != nil {
			g.t.Error(err)
		}
		if name == lndBank {
			g.revive()
		}
	}
}

// revive makes sure that our node's channel carries payments again. Once in some twenty restarts lnd 0.21 comes back with a link
// that is called active and moves nothing, until its peer is restarted too. It is not what the tests are about: the payments
// under test wait for LND's word in any case.
func (g *guest) revive() {
	g.t.Helper()
	ctx := context.WithoutCancel(g.t.Context())
	for tries := 0; ; tries++ {
		err := g.moves(ctx)
		if err == nil {
			return
		}
		g.t.Logf("the channel of %s does not carry payments (%v); its peer is restarted", lndBank, err)
		if tries == 3 {
			g.t.Errorf("the channel of %s does not come back", lndBank)
			return
		}
		if err := g.net.StopProcess("lnd-" + alice); err != nil {
			g.t.Log(err)
		}
		if err := g.net.StartProcess(ctx, "lnd-"+alice); err != nil {
			g.t.Log(err)
		}
	}
}

// moves pays one satoshi over the channel, by the operator's hand.
func (g *guest) moves(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	invoice, err := g.net.Invoice(ctx, alice, 1, "does it move?", invoiceLife)
	if err != nil {
		return nil //nolint:nilerr // alice is away as well: nothing can be said of the channel
	}
	_, err = g.net.Pay(ctx, bank, invoice, 0)
	return err
}

func reversed(names []string) []string {
	out := slices.Clone(names)
	slices.Reverse(out)
	return out
}

// holds pays n hold invoices of a node at once and returns when the receiver holds them all.
func (g *guest) holds(node string, n int, amount payment.Sat) (rows []ledger.Payment, hashes []payment.Hash) {
	g.t.Helper()
	rows, hashes, wait := g.startHolds(node, n, amount)
	wait()
	for i, row := range rows {
		rows[i] = g.become(row.ID, payment.Pending)
	}
	return rows, hashes
}

// startHolds is holds that returns as soon as the receiver holds the payments; wait ends when the callers have answers.
func (g *guest) startHolds(node string, n int, amount payment.Sat) (rows []ledger.Payment, hashes []payment.Hash, wait func()) {
	g.t.Helper()
	rows, hashes = make([]ledger.Payment, n), make([]payment.Hash, n)
	var callers sync.WaitGroup
	for i := range n {
		var invoice string
		invoice, hashes[i] = g.hold(node, amount)
		callers.Go(func() { rows[i] = g.pay(invoice) })
	}
	for _, hash := range hashes {
		g.held(node, hash)
	}
	return rows, hashes, callers.Wait
}

// settledOnce expects a payment to have been sent once and settled once.
func (g *guest) settledOnce(row ledger.Payment) {
	g.t.Helper()
	timeline, err := g.books.Timeline(context.WithoutCancel(g.t.Context()), row.ID)
	must(g.t, err)
	times := 0
	for _, event := range timeline {
		if event.Name == "settled" {
			times++
		}
	}
	if times != 1 || row.Send.Attempt != 1 {
		g.t.Errorf("payment %s was settled %d times, fenced %d times", row.ID, times, row.Send.Attempt)
	}
}

// TestWorkerKilledUnderHolds: after the send and before its answer is recorded. What happens meanwhile is found afterwards.
func TestWorkerKilledUnderHolds(t *testing.T) {
	g := enter(t, 50_000)
	rows, hashes, wait := g.startHolds(alice, 4, 4_000)
	g.kill(workerProcess)
	wait()
	for i, row := range rows {
		rows[i] = g.become(row.ID, payment.Dispatched)
	}
	g.settleHold(alice, hashes[0])
	g.settleHold(alice, hashes[1])
	g.cancelHold(alice, hashes[2])
	g.cancelHold(alice, hashes[3])
	g.money(rows...)
	began := time.Now()
	g.start(workerProcess)
	for i, row := range rows[:2] {
		rows[i] = g.ended(row, payment.Settled)
		g.settledOnce(rows[i])
		g.charge(rows[i])
	}
	for _, row := range rows[2:] {
		g.failed(row, payment.Failed, payment.ReasonRejected)
	}
	t.Logf("worker started to all recovered: %v", time.Since(began))
	g.money()
}

// TestWorkerKilledAgainAndAgain: payments of every kind go on while the worker is killed. Each ends, and pays at most once.
func TestWorkerKilledAgainAndAgain(t *testing.T) {
	g, other := enter(t, 400_000), enter(t, 0)
	g.aloneOnChain()
	const payments, rounds = 30, 7
	invoices, addresses, rows := make([]string, payments), make([]string, payments), make([]ledger.Payment, payments)
	for i := range payments {
		switch i % 10 {
		case 7:
			invoices[i] = other.receive(1_000).Request
		case 3, 9: // every tenth twice: 6 transactions
			addresses[i] = g.address(bob)
		default:
			invoices[i] = g.invoice(bob, 1_000)
		}
	}
	callers := inTurns(payments, 6, func(i int) { rows[i] = g.persist(fmt.Sprintf("order-%d", i), invoices[i], addresses[i]) })
	g.killWorkers(rounds)
	callers.Wait()
	began := time.Now()
	for i, row := range rows {
		if addresses[i] != "" {
			g.become(row.ID, payment.Pending, payment.Failed, payment.Refused)
		}
	}
	g.mine(1)
	for i, row := range rows {
		row = g.become(row.ID, payment.Settled, payment.Failed, payment.Refused)
		var got, want payment.Msat
		if row.State == payment.Settled {
			want = row.Amount
			g.charge(row)
		} else {
			t.Logf("payment %d ended %s", i, words(row))
		}
		switch {
		case addresses[i] != "" && row.State == payment.Settled:
			got = g.outside(bob, row.TxID, addresses[i]).MustMsat()
		case row.Kind == payment.Lightning:
			got = g.received(bob, invoices[i])
		case row.Kind == payment.Intraledger:
			got = want
			other.balance += want
		}
		if got != want {
			t.Errorf("payment %d is %s and the receiver has %v", i, words(row), got)
		}
	}
	t.Logf("last kill to the last end: %v", time.Since(began))
	g.untouched(payments)
	other.money()
}

// inTurns makes n calls by some callers at once.
func inTurns(n, callers int, call func(i int)) *sync.WaitGroup {
	turn := make(chan int, n)
	for i := range n {
		turn <- i
	}
	close(turn)
	var working sync.WaitGroup
	for range callers {
		working.Go(func() {
			for i := range turn {
				call(i)
			}
		})
	}
	return &working
}

// killWorkers kills the worker every second and starts it again.
func (g *guest) killWorkers(rounds int) {
	g.t.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for range rounds {
		<-tick.C
		g.kill(workerProcess)
		g.start(workerProcess)
	}
}

// TestExpiresBeforeSend: the invoice was good when the payment was asked for, and is not when the worker sends it.
func TestExpiresBeforeSend(t *testing.T) {
	g := enter(t, 10_000)
	g.stop(workerProcess)
	invoice, err := g.net.Invoice(t.Context(), alice, 1_000, "e2e", 3*time.Second)
	must(t, err)
	row := g.pay(invoice)
	if row.State != payment.Pending {
		t.Errorf("without a worker the answer is %s", words(row))
	}
	g.lapse(invoice)
	g.start(workerProcess)
	g.failed(row, payment.Failed, payment.ReasonInvoiceExpired)
	g.untouched(1)
}

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

const (
	temporalServer = "temporal"
	postgresServer = "postgres"
)

// TestTemporalKilled: calls fail closed while it is away, replays of what has ended are still answered, and what is held
// goes on when it is back.
func TestTemporalKilled(t *testing.T) {
	g := enter(t, 50_000)
	done := g.keyed("done", g.invoice(alice, 1_000))
	paid := g.ended(g.ask(done), payment.Settled)
	g.charge(paid)
	invoice, hash := g.hold(alice, 4_000)
	heldAsk := g.keyed("held", invoice)
	row := g.become(g.ask(heldAsk).ID, payment.Pending)
	g.held(alice, hash)

	g.kill(temporalServer)
	g.settleHold(alice, hash)
	fresh := g.keyed("fresh", g.invoice(alice, 2_000))
	began := time.Now()
	_, err := g.door.PayInvoice(t.Context(), fresh)
	t.Logf("without Temporal a call answers after %v", time.Since(began))
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("without Temporal a call takes %v", took)
	}
	g.refusal(err, payment.ReasonOutcomeUnknown)
	if replay := g.ask(done); replay.ID != paid.ID || replay.State != payment.Settled {
		t.Errorf("the replay of an ended payment answers %s", words(replay))
	}
	g.money(row)

	began = time.Now()
	g.start(temporalServer)
	row = g.ended(row, payment.Settled)
	t.Logf("Temporal started to the held payment settled: %v", time.Since(began))
	g.settledOnce(row)
	g.charge(row)
	if replay := g.persist("held", invoice, ""); replay.ID != row.ID || replay.State != payment.Settled {
		t.Errorf("the replay answers %s", words(replay))
	}
	g.charge(g.ended(g.persist("fresh", fresh.Invoice, ""), payment.Settled))
	g.untouched(3)
}

// TestReceivesWhileDown: an invoice and a deposit are paid while the worker and Temporal are away, and credited once.
func TestReceivesWhileDown(t *testing.T) {
	g := enter(t, 0)
	g.aloneOnChain()
	invoice := g.receive(3_000)
	address, err := g.door.CreateAddress(t.Context(), g.account, g.wallet)
	must(t, err)
	g.kill(workerProcess, temporalServer)
	_, err = g.net.Pay(t.Context(), alice, invoice.Request, 0)
	must(t, err)
	_, err = g.net.Send(t.Context(), alice, address, 25_000)
	must(t, err)
	g.mine(8) // deeper than the window of reorganisations
	g.money()
	began := time.Now()
	g.start(temporalServer, workerProcess)
	g.credited(28_000_000)
	t.Logf("started to credited: %v", time.Since(began))
	g.kill(workerProcess) // the watcher reads everything from the cursors again
	g.start(workerProcess)
	g.receives() // which proves that it has come so far
	g.money()
}

// TestReceivesWhileTheHouseIsDown: a deposit is mined deep while everything of ours is away, LND too, and an invoice is paid when only
// LND is back. Both are credited, once. (In this order: lnd 0.21 that is ended right after a payment may lose its channel.)
func TestReceivesWhileTheHouseIsDown(t *testing.T) {
	g := enter(t, 0)
	g.aloneOnChain()
	invoice := g.receive(3_000)
	address, err := g.door.CreateAddress(t.Context(), g.account, g.wallet)
	must(t, err)
	g.kill(workerProcess, apiProcess, temporalServer, postgresServer)
	g.stop(lndBank)
	_, err = g.net.Send(t.Context(), alice, address, 25_000)
	must(t, err)
	g.mine(8) // deeper than the window of reorganisations
	g.start(lndBank)
	_, err = g.net.Pay(t.Context(), alice, invoice.Request, 0)
	must(t, err)
	began := time.Now()
	g.start(postgresServer, temporalServer, workerProcess, apiProcess)
	g.credited(28_000_000)
	t.Logf("started to credited: %v", time.Since(began))
	g.receives() // the watcher has come so far
	g.money()
}

// receives pays one more invoice and waits for its credit.
func (g *guest) receives() {
	g.t.Helper()
	_, err := g.net.Pay(g.t.Context(), alice, g.receive(1_000).Request, 0)
	must(g.t, err)
	g.credited(1_000_000)
}

// TestPostgresRestarted under load: calls fail closed, nothing is lost, nothing is paid twice.
func TestPostgresRestarted(t *testing.T) {
	g := enter(t, 100_000)
	g.underLoad(24, func(last string) {
		must(t, g.net.StopProcess(postgresServer))
		_, err := g.door.PayInvoice(t.Context(), g.keyed("while away", last))
		g.refusal(err, payment.ReasonUnavailable)
	})
}

// TestPostgresKilled under load: what was acknowledged is there when it is back, and nothing is paid twice (rule 13).
func TestPostgresKilled(t *testing.T) {
	g := enter(t, 100_000)
	g.underLoad(16, func(string) { g.kill(postgresServer) })
}

// underLoad has four callers pay invoices, each until it has an answer, and ends Postgres after a third of them. It is started
// again, and all are settled once. The end is told the last invoice.
func (g *guest) underLoad(payments int, end func(last string)) {
	g.t.Helper()
	invoices, rows := make([]string, payments), make([]ledger.Payment, payments)
	for i := range invoices {
		invoices[i] = g.invoice(bob, 1_000)
	}
	turn := make(chan int)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for i := range turn {
				rows[i] = g.persist(fmt.Sprintf("order-%d", i), invoices[i], "")
			}
		})
	}
	for i := range payments {
		turn <- i
		if i == payments/3 {
			end(invoices[payments-1])
			g.start(postgresServer)
		}
	}
	close(turn)
	g.start(temporalServer) // it may end itself without its database
	callers.Wait()
	for i, row := range rows {
		g.charge(g.ended(row, payment.Settled))
		g.paidAt(bob, invoices[i], 1_000_000)
	}
	g.untouched(payments)
}

// TestTerminatedByOperator: Temporal's terminate runs no compensation. The workflow is started again for the row.
func TestTerminatedByOperator(t *testing.T) {
	t.Parallel()
	g := enter(t, 20_000)
	rows, hashes := g.holds(alice, 3, 4_000)
	for _, row := range rows {
		must(t, g.temporal.TerminateWorkflow(t.Context(), row.ID.String(), "", "e2e: an operator's mistake"))
	}
	g.settleHold(alice, hashes[0]) // nobody is there to hear it
	g.money(rows...)
	_, err := g.door.Recheck(t.Context(), rows[0].ID)
	g.refusal(err, payment.ReasonUnavailable)
	for _, row := range rows[:2] {
		again, err := g.door.Resume(t.Context(), row)
		if err != nil || !again {
			t.Errorf("started again: %t, %v", again, err)
		}
	}
	rows[0] = g.ended(rows[0], payment.Settled)
	g.settledOnce(rows[0])
	g.charge(rows[0])
	g.cancelHold(alice, hashes[1])
	g.failed(rows[1], payment.Failed, payment.ReasonRejected)

	// The last one is left to the schedule, which takes payments that are a minute old.
	g.settleHold(alice, hashes[2])
	schedule := g.temporal.ScheduleClient().GetHandle(t.Context(), workflows.ReconcileID)
	tick := time.NewTicker(3 * time.Second)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		row, err := g.books.Payment(ctx, rows[2].ID)
		must(t, err)
		if row.State.Terminal() {
			break
		}
		select {
		case <-tick.C:
			must(t, schedule.Trigger(ctx, client.ScheduleTriggerOptions{}))
		case <-ctx.Done():
			t.Fatal(errors.Join(errors.New("the schedule has not repaired the payment"), ctx.Err()))
		}
	}
	rows[2] = g.ended(rows[2], payment.Settled)
	g.settledOnce(rows[2])
	g.charge(rows[2])
	g.money()
}

package e2e_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

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

// TestPostgresKilled under load: what was acknowledged is there when it is back, and nothing is paid twice (rule 13).
func TestPostgresKilled(t *testing.T) {
	g := enter(t, 100_000)
	const payments = 16
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
		if i == payments/2 {
			g.kill(postgresServer)
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

package activities_test

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// Random interleavings of the steps of one on-chain payment: bumps and abandons at any time, crashes at any call to LND, zombies,
// lost answers, a mempool that forgets, somebody who broadcasts an old transaction again or spends the inputs elsewhere, blocks.
// Whatever happens, the payment ends as the chain says, at the fee of the transaction that was mined.
func TestChainMachineEndsAsTheChainSays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		own := *h // a chain of its own: no fault of another game is left
		m := &chainMachine{house: &own, rt: rt}
		m.start()
		rt.Repeat(map[string]func(*rapid.T){
			"publish":   func(*rapid.T) { m.hear(<-m.run(context.Background(), "publish")) },
			"ask":       func(*rapid.T) { m.hear(<-m.run(context.Background(), "ask")) },
			"bump":      func(*rapid.T) { m.hear(<-m.run(context.Background(), "bump")) },
			"bump 2":    func(*rapid.T) { m.hear(<-m.run(context.Background(), "bump")) },
			"abandon":   m.abandon,
			"crash":     m.crash,
			"lose":      m.loseAnswer,
			"zombie":    m.zombie,
			"wake":      m.wake,
			"act on":    m.actOn,
			"drop":      m.drop,
			"broadcast": m.broadcastOld,
			"steal":     m.steal,
			"mine":      m.mine,
			"restart":   m.restart,
			"":          m.check,
		})
		m.finish()
	})
}

// chainMachine is one on-chain payment.
type chainMachine struct {
	*house
	rt      *rapid.T
	req     payment.Request
	words   []step.Word // terminal ones, to be acted on at any time
	zombies []*zombie
	stolen  string // the transaction of somebody who spends the inputs elsewhere
}

func (m *chainMachine) start() {
	m.network = lndfake.New(lndfake.WithClock(m.clock.Now))
	m.bank = m.network.AddNode(bank)
	m.steps = m.stepsOn(m.bank)
	m.bank.Deposit(3_000_000)
	m.customer()
	m.req, _ = m.signed(100_000 * sat)
}

func (m *chainMachine) run(ctx context.Context, name string) <-chan result[step.Word] {
	switch name {
	case "publish":
		return going(ctx, m.steps.PublishOnchain, m.req)
	case "abandon":
		return going(ctx, m.steps.AbandonOnchain, m.req)
	case "bump":
		rate := rapid.Uint64Range(2, 60).Draw(m.rt, "sat/vB")
		return going(ctx, func(ctx context.Context, req payment.Request) (step.Word, error) {
			bumped, err := m.steps.BumpOnchain(ctx, step.BumpInput{Request: req, SatPerVByte: rate})
			return bumped.Word, err
		}, m.req)
	default:
		return going(ctx, m.steps.AskOnchain, m.req)
	}
}

func (m *chainMachine) step(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"publish", "ask", "bump", "bump", "abandon"}).Draw(rt, "step")
}

func (m *chainMachine) hear(got result[step.Word]) {
	if got.err != nil || !got.out.Terminal() {
		return
	}
	m.words = append(m.words, got.out)
	if rapid.Bool().Draw(m.rt, "at once") {
		m.obey(got.out)
	}
}

// obey is what the saga does. Evidence about an earlier attempt voids nothing.
func (m *chainMachine) obey(word step.Word) {
	row := m.row(m.req.ID)
	if row.State == payment.Settled && word.Status == step.NotPaid && word.Attempt != row.Send.Attempt {
		return
	}
	m.conclude(m.req, word)
}

func (m *chainMachine) actOn(rt *rapid.T) {
	if len(m.words) == 0 {
		rt.Skip("nothing heard")
	}
	m.obey(m.words[rapid.IntRange(0, len(m.words)-1).Draw(rt, "word")])
}

func (m *chainMachine) abandon(rt *rapid.T) {
	if rapid.IntRange(0, 2).Draw(rt, "rarely") > 0 {
		rt.Skip("not now") // there is no way back
	}
	m.hear(<-m.run(context.Background(), "abandon"))
}

func (m *chainMachine) call(rt *rapid.T) (lndfake.Call, lndfake.When) {
	call := rapid.SampledFrom([]lndfake.Call{
		lndfake.Publish, lndfake.Publish, lndfake.SignPSBT, lndfake.LookupTransaction, lndfake.ListTransactions, lndfake.NewAddress,
	}).Draw(rt, "call")
	return call, rapid.SampledFrom([]lndfake.When{lndfake.BeforeEffect, lndfake.AfterEffect}).Draw(rt, "when")
}

// crash kills the worker at a call to LND.
func (m *chainMachine) crash(rt *rapid.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gate := m.bank.Block(m.call(rt))
	defer gate.Release()
	done := m.run(ctx, m.step(rt))
	select {
	case <-gate.Reached():
		cancel()
		<-done
	case got := <-done:
		m.hear(got)
	}
}

func (m *chainMachine) loseAnswer(rt *rapid.T) {
	call, when := m.call(rt)
	m.bank.Fail(call, when, rapid.SampledFrom([]lndclient.ErrorKind{lndclient.KindUnknown, lndclient.KindUnavailable}).Draw(rt, "kind"))
	m.hear(<-m.run(context.Background(), m.step(rt)))
}

// zombie leaves a step asleep at a call to LND.
func (m *chainMachine) zombie(rt *rapid.T) {
	if len(m.zombies) == 3 {
		rt.Skip("enough")
	}
	ctx, cancel := context.WithCancel(context.Background())
	z := &zombie{gate: m.bank.Block(m.call(rt)), cut: cancel}
	z.done = m.run(ctx, m.step(rt))
	select {
	case <-z.gate.Reached():
		m.zombies = append(m.zombies, z)
	case got := <-z.done:
		cancel()
		z.gate.Release()
		m.hear(got)
	}
}

func (m *chainMachine) wake(rt *rapid.T) {
	if len(m.zombies) == 0 {
		rt.Skip("none")
	}
	i := rapid.IntRange(0, len(m.zombies)-1).Draw(rt, "which")
	z := m.zombies[i]
	m.zombies = slices.Delete(m.zombies, i, i+1)
	z.gate.Release()
	m.hear(<-z.done)
	z.cut()
}

func (m *chainMachine) restart(rt *rapid.T) {
	m.bank.Down()
	m.hear(<-m.run(context.Background(), m.step(rt)))
	m.bank.Up()
}

// some is a transaction of the payment, all of which may be out there once they are stored and the payment has left.
func (m *chainMachine) some(rt *rapid.T) ledger.PaymentTransaction {
	txs := m.txs(m.req.ID)
	return txs[rapid.IntRange(0, len(txs)-1).Draw(rt, "transaction")]
}

// drop is a mempool that forgets.
func (m *chainMachine) drop(rt *rapid.T) { m.network.Drop(m.some(rt).TxID) }

// broadcastOld is somebody who has kept a transaction that has left.
func (m *chainMachine) broadcastOld(rt *rapid.T) {
	row := m.row(m.req.ID)
	if row.Send.Attempt == 0 || row.State.Terminal() {
		rt.Skip("nothing has left, or it is over")
	}
	_ = m.bank.Publish(context.Background(), m.some(rt).Raw, "") // the mempool may say no
}

// steal spends the inputs elsewhere, too dear to be replaced.
func (m *chainMachine) steal(rt *rapid.T) {
	if m.stolen != "" || m.mined() != "" || rapid.IntRange(0, 5).Draw(rt, "rarely") > 0 || m.row(m.req.ID).Send.Attempt == 0 {
		rt.Skip("not now")
	}
	txs := m.txs(m.req.ID)
	waiting := slices.IndexFunc(txs, func(tx ledger.PaymentTransaction) bool { return m.network.InMempool(tx.TxID) })
	if waiting < 0 {
		rt.Skip("nothing waits")
	}
	m.stolen = m.network.Conflict(txs[waiting].TxID)
}

func (m *chainMachine) mine(rt *rapid.T) {
	if rapid.IntRange(0, 2).Draw(rt, "rarely") > 0 {
		rt.Skip("not now")
	}
	m.network.Mine(1)
}

// mined is which transaction has spent the inputs, "" if none has.
func (m *chainMachine) mined() string {
	found := ""
	all := []string{m.stolen}
	for _, tx := range m.txs(m.req.ID) {
		all = append(all, tx.TxID)
	}
	for _, txid := range all {
		if txid == "" || m.network.Confirmations(txid) == 0 {
			continue
		}
		if found != "" {
			m.rt.Fatalf("both %s and %s are mined", found, txid)
		}
		found = txid
	}
	return found
}

// check is what holds after every step: what is over is over by the chain's word, at our depth.
func (m *chainMachine) check(*rapid.T) {
	row, txid := m.row(m.req.ID), m.mined()
	if !row.State.Terminal() || row.State == payment.Failed && row.Send.Attempt == 0 && txid == "" { // nothing had left
		return
	}
	if row.State == payment.Failed && row.Failure.Reason == payment.ReasonPublishRejected && row.Send.Attempt == 1 && txid == m.stolen {
		return // the first broadcast met the thief
	}
	if txid == "" || m.network.Confirmations(txid) < depth {
		m.rt.Fatalf("%s (%+v), and %q has %d confirmations", row.State, row.Failure, txid, m.network.Confirmations(txid))
	}
	txs := m.txs(m.req.ID)
	i := slices.IndexFunc(txs, func(tx ledger.PaymentTransaction) bool { return tx.TxID == txid })
	paid := i >= 0 && txs[i].Pays()
	if paid != (row.State == payment.Settled) || paid && (row.TxID != txid || row.Fee != txs[i].Fee) {
		m.rt.Fatalf("%s at %v by %s (%+v); mined was %s", row.State, row.Fee, row.TxID, row.Failure, txid)
	}
}

func (m *chainMachine) finish() {
	for _, z := range m.zombies {
		z.gate.Release()
		m.hear(<-z.done)
		z.cut()
	}
	const rounds = 30
	for range rounds {
		row := m.row(m.req.ID)
		if row.State.Terminal() {
			break
		}
		m.hear(<-m.run(context.Background(), "publish"))
		m.network.Mine(1)
	}
	m.check(m.rt)
	row := m.row(m.req.ID)
	switch row.State {
	case payment.Settled:
		m.wantMoney(balance-row.Amount-row.Fee+row.FeeOverage, 0)
	case payment.Failed:
		m.wantMoney(balance, 0)
	default:
		m.rt.Fatalf("it never ends: %s, %d transactions, mined %q", row.State, len(m.txs(m.req.ID)), m.mined())
	}
}

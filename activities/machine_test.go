package activities_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// Random interleavings of the steps of one invoice's payments: crashes at any call to LND, zombies that wake up late, lost
// answers, restarts of LND, words that are acted on late and twice. LND itself would pay a failed hash again if asked.
func TestMachinePaysAtMostOnceAndGivesBackOnlyWhatIsNeverPaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := &machine{house: h, rt: rt}
		m.start()
		rt.Repeat(map[string]func(*rapid.T){
			"send":     m.send,
			"follow":   m.follow,
			"abandon":  m.abandon,
			"crash":    m.crash,
			"lose":     m.loseAnswer,
			"zombie":   m.zombie,
			"wake":     m.wake,
			"act on":   m.actOn,
			"clock":    m.clockOn,
			"settle":   m.settle,
			"cancel":   m.cancel,
			"restart":  m.restart,
			"send 2":   m.send,
			"wake 2":   m.wake,
			"zombie 2": m.zombie,
			"":         m.check,
		})
		m.finish()
	})
}

// machine is one invoice and all payments that a customer makes of it.
type machine struct {
	*house
	rt      *rapid.T
	invoice lndfake.MadeInvoice
	reqs    []payment.Request // the last one is current
	words   []heard           // terminal words, to be acted on at any time
	zombies []*zombie
	decided bool
}

type heard struct {
	req  payment.Request
	word step.Word
}

type zombie struct {
	req  payment.Request
	gate *lndfake.Gate
	cut  context.CancelFunc
	done <-chan result[step.Word]
}

func (m *machine) start() {
	m.customer()
	m.invoice = m.peer.MakeHold(1000)
	plans := rapid.SliceOfN(rapid.SampledFrom([]lndfake.Plan{
		lndfake.Fails(payment.ReasonTimeout), lndfake.Fails(payment.ReasonNoRoute), lndfake.Holds(sat),
	}), 6, 6).Draw(m.rt, "plans")
	m.bank.Plan(m.invoice.Hash, plans...)
	m.reqs = []payment.Request{m.reserved(m.invoice)}
}

func (m *machine) current() payment.Request { return m.reqs[len(m.reqs)-1] }

func (m *machine) run(ctx context.Context, name string) <-chan result[step.Word] {
	switch name {
	case "follow":
		return going(ctx, m.steps.FollowLightning, m.current())
	case "abandon":
		return going(ctx, m.steps.AbandonLightning, m.current())
	default:
		return going(ctx, m.steps.SendLightning, m.current())
	}
}

func (m *machine) hear(req payment.Request, got result[step.Word]) {
	if got.err != nil || !got.out.Terminal() {
		return
	}
	m.words = append(m.words, heard{req, got.out})
	if rapid.Bool().Draw(m.rt, "at once") {
		m.obey(heard{req, got.out})
	}
}

// renew is the customer who tries the invoice again after a payment of it was given back.
func (m *machine) renew() {
	if m.row(m.current().ID).State == payment.Failed {
		m.reqs = append(m.reqs, m.reserved(m.invoice))
	}
}

func (m *machine) send(*rapid.T) {
	m.renew()
	m.hear(m.current(), <-m.run(context.Background(), "send"))
}

func (m *machine) follow(*rapid.T)  { m.hear(m.current(), <-m.run(context.Background(), "follow")) }
func (m *machine) abandon(*rapid.T) { m.hear(m.current(), <-m.run(context.Background(), "abandon")) }

func (m *machine) call(rt *rapid.T) (lndfake.Call, lndfake.When) {
	call := rapid.SampledFrom([]lndfake.Call{
		lndfake.SendPayment, lndfake.SendPayment, lndfake.SendPayment, lndfake.LookupPayment, lndfake.FollowPayment,
	}).Draw(rt, "call")
	return call, rapid.SampledFrom([]lndfake.When{lndfake.BeforeEffect, lndfake.BeforeEffect, lndfake.AfterEffect}).Draw(rt, "when")
}

// crash kills the worker at a call to LND.
func (m *machine) crash(rt *rapid.T) {
	m.renew()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	gate := m.bank.Block(m.call(rt))
	defer gate.Release() // should it not be reached, it stops nobody later
	done := m.run(ctx, rapid.SampledFrom([]string{"send", "follow", "abandon"}).Draw(rt, "step"))
	select {
	case <-gate.Reached():
		cancel()
		<-done // whatever it says, nobody hears it
	case got := <-done:
		m.hear(m.current(), got)
	}
}

func (m *machine) loseAnswer(rt *rapid.T) {
	call, when := m.call(rt)
	m.bank.Fail(call, when, rapid.SampledFrom([]lndclient.ErrorKind{lndclient.KindUnknown, lndclient.KindUnavailable}).Draw(rt, "kind"))
	m.send(rt)
}

// zombie leaves a step asleep at a call to LND.
func (m *machine) zombie(rt *rapid.T) {
	if len(m.zombies) == 3 {
		rt.Skip("enough")
	}
	m.renew()
	ctx, cancel := context.WithCancel(context.Background())
	z := &zombie{req: m.current(), gate: m.bank.Block(m.call(rt)), cut: cancel}
	z.done = m.run(ctx, rapid.SampledFrom([]string{"send", "follow", "abandon"}).Draw(rt, "step"))
	select {
	case <-z.gate.Reached():
		m.zombies = append(m.zombies, z)
	case got := <-z.done:
		cancel()
		z.gate.Release()
		m.hear(z.req, got)
	}
}

// wake lets a zombie go on; its word counts like any other.
func (m *machine) wake(rt *rapid.T) {
	if len(m.zombies) == 0 {
		rt.Skip("none")
	}
	i := rapid.IntRange(0, len(m.zombies)-1).Draw(rt, "which")
	z := m.zombies[i]
	m.zombies = slices.Delete(m.zombies, i, i+1)
	z.gate.Release()
	m.hear(z.req, <-z.done)
	z.cut()
}

// actOn does what the saga does by a terminal word, at any time later.
func (m *machine) actOn(rt *rapid.T) {
	if len(m.words) == 0 {
		rt.Skip("nothing heard")
	}
	m.obey(m.words[rapid.IntRange(0, len(m.words)-1).Draw(rt, "word")])
}

// obey settles or gives back. Stale evidence against a settled payment is a loud error of the ledger; against any other
// one it changes nothing.
func (m *machine) obey(one heard) {
	row := m.row(one.req.ID)
	if row.State == payment.Settled && one.word.Status == step.NotPaid && one.word.Attempt != row.Send.Attempt {
		return
	}
	m.conclude(one.req, one.word)
}

// clockOn moves time past every deadline: calls that are under way are cut off by then, as their contexts do.
func (m *machine) clockOn(*rapid.T) {
	for _, z := range m.zombies {
		z.cut()
		<-z.done
		z.gate.Release()
	}
	m.zombies = nil
	m.pastDeadline()
}

func (m *machine) settle(rt *rapid.T) {
	if rapid.IntRange(0, 3).Draw(rt, "rarely") > 0 {
		rt.Skip("not now") // it ends the game
	}
	if m.peer.SettleInvoice(context.Background(), m.invoice.Preimage) != nil {
		rt.Skip("not there yet")
	}
	m.decided = true
}

func (m *machine) cancel(rt *rapid.T) {
	if m.decided || rapid.IntRange(0, 3).Draw(rt, "rarely") > 0 {
		rt.Skip("not now")
	}
	m.decided = m.peer.CancelInvoice(context.Background(), m.invoice.Hash) == nil
}

// restart has LND away for one step.
func (m *machine) restart(rt *rapid.T) {
	m.bank.Down()
	m.send(rt)
	m.bank.Up()
}

// truth is what LND has on the invoice, past all faults.
func (m *machine) truth() (lndclient.Payment, error) {
	all, err := m.bank.ListPayments(context.Background(), 0, 1_000_000)
	for _, known := range all {
		if known.Hash == m.invoice.Hash {
			return known, err
		}
	}
	return lndclient.Payment{}, lndclient.ErrNotFound
}

// check is what holds after every step.
func (m *machine) check(*rapid.T) {
	known, err := m.truth()
	settled, live := 0, 0
	for _, req := range m.reqs {
		switch m.row(req.ID).State {
		case payment.Settled:
			settled++
		case payment.Failed:
		default:
			live++
		}
	}
	switch {
	case settled+live > 1:
		m.rt.Fatalf("%d settled and %d live payments of one invoice", settled, live)
	case settled == 1 && (err != nil || known.Status != lndclient.Succeeded):
		m.rt.Fatalf("settled, and LND says %+v, %v", known, err)
	case settled+live == 0 && err == nil && known.Status != lndclient.Failed:
		m.rt.Fatalf("everything was given back, and LND says %s", known.Status)
	}
}

// finish lets everything that may still move move, then brings every payment to its end.
func (m *machine) finish() {
	var waking sync.WaitGroup
	for _, z := range m.zombies {
		waking.Go(func() { z.gate.Release(); <-z.done; z.cut() })
	}
	waking.Wait()
	m.zombies = nil
	m.check(nil)
	for range 20 {
		if m.row(m.current().ID).State.Terminal() {
			break
		}
		m.pastDeadline()
		got := <-m.run(context.Background(), "send")
		_ = m.peer.SettleInvoice(context.Background(), m.invoice.Preimage) // if it is there, and not canceled
		if got.err == nil && got.out.Terminal() {
			m.obey(heard{m.current(), got.out})
		}
	}
	if row := m.row(m.current().ID); !row.State.Terminal() {
		m.rt.Fatalf("the payment has no end: %s, %+v", row.State, row.Send)
	}
	m.check(nil)
	m.wantBooks()
}

// wantBooks: the wallet has lost what LND paid, once, or nothing.
func (m *machine) wantBooks() {
	known, err := m.truth()
	want := balance
	if err == nil && known.Status == lndclient.Succeeded {
		want -= known.Amount + known.Fee
	}
	m.wantMoney(want, 0)
}

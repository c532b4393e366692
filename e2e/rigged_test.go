package e2e_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/workflows"
)

// rig is our real node behind a line that a test can cut: a call that does not arrive, or an answer that does not.
type rig struct {
	lndclient.Node
	mu      sync.Mutex
	send    func(ctx context.Context, order lndclient.SendPayment) (lndclient.Payment, error) // nil: the real call
	publish func(ctx context.Context, raw []byte, label string) error                         // nil: the real call
	silent  bool                                                                              // lookups are not answered
	sends   int
	shouts  int // broadcasts
}

// cut is silence: the call may have arrived, or not.
func cut() error { return &lndclient.Error{Kind: lndclient.KindUnknown, Call: "cut"} }

// change sets the line under its lock.
func (r *rig) change(how func(*rig)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	how(r)
}

func (r *rig) SendPayment(ctx context.Context, order lndclient.SendPayment) (lndclient.Payment, error) {
	r.mu.Lock()
	r.sends++
	send := r.send
	r.mu.Unlock()
	if send == nil {
		send = r.Node.SendPayment
	}
	return send(ctx, order)
}

func (r *rig) Publish(ctx context.Context, raw []byte, label string) error {
	r.mu.Lock()
	r.shouts++
	publish := r.publish
	r.mu.Unlock()
	if publish == nil {
		publish = r.Node.Publish
	}
	return publish(ctx, raw, label)
}

func (r *rig) LookupPayment(ctx context.Context, hash payment.Hash) (lndclient.Payment, error) {
	r.mu.Lock()
	silent := r.silent
	r.mu.Unlock()
	if silent {
		return lndclient.Payment{}, cut()
	}
	return r.Node.LookupPayment(ctx, hash)
}

func (r *rig) FollowPayment(ctx context.Context, hash payment.Hash) (lndclient.Payment, error) {
	if _, err := r.LookupPayment(ctx, hash); err != nil {
		return lndclient.Payment{}, err
	}
	return r.Node.FollowPayment(ctx, hash)
}

// quick shortens what a test would wait for.
func quick() activities.Timing {
	return activities.Timing{Call: 2 * time.Second, Margin: time.Second, Follow: time.Second, Pathfinding: 30 * time.Second}
}

// behind lets the guest pay through our node behind a rig. The sagas run on the worker as ever; the node's steps run in
// the test, on a queue of their own. Nobody watches that node, so what has happened there is learned by asking.
func (g *guest) behind(r *rig) {
	g.t.Helper()
	name := "rigged-" + uuid.NewString()
	r.Node = g.nodes[bank]
	steps := g.steps(name)
	steps.Node, steps.Timing = r, quick()
	w := worker.New(g.temporal, workflows.NodeQueue(name), worker.Options{DisableWorkflowWorker: true, WorkerStopTimeout: 10 * time.Second})
	for name, do := range map[string]any{
		step.SendLightning: steps.SendLightning, step.FollowLightning: steps.FollowLightning, step.AbandonLightning: steps.AbandonLightning,
		step.EstimateOnchain: steps.EstimateOnchain, step.SignOnchain: steps.SignOnchain, step.PublishOnchain: steps.PublishOnchain,
		step.AskOnchain: steps.AskOnchain, step.FollowOnchain: steps.FollowOnchain, step.AbandonOnchain: steps.AbandonOnchain, step.BumpOnchain: steps.BumpOnchain,
		step.ReleaseInputs: steps.ReleaseInputs,
	} {
		w.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	must(g.t, w.Start())
	g.t.Cleanup(w.Stop)
	g.useDoor(name)
}

// useDoor lets the guest's payments go through another node.
func (g *guest) useDoor(node string) {
	own := *g.house
	own.door = starter.New(g.temporal, g.books, starter.DefaultConfig(lndclient.Regtest, []string{node}), quiet())
	g.house = &own
	g.compared = append(g.compared, node)
}

// rechecked asks as an operator until the payment has ended in a state.
func (g *guest) rechecked(row ledger.Payment, want payment.State) ledger.Payment {
	g.t.Helper()
	until(g.t, "payment "+row.ID.String()+" to end", func() error {
		g.sending.RLock()
		defer g.sending.RUnlock()
		_, err := g.door.Recheck(g.t.Context(), row.ID)
		if err != nil {
			return err
		}
		row, err = g.books.Payment(g.t.Context(), row.ID)
		if err == nil && !row.State.Terminal() {
			err = payment.Errorf(payment.ReasonInternal, "it is %s", words(row))
		}
		return err
	})
	return g.ended(row, want)
}

// sent expects how often the payment was fenced and how often LND was really asked.
func (g *guest) sent(r *rig, row ledger.Payment, attempts int) {
	g.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if row.Send.Attempt != attempts || r.sends != attempts {
		g.t.Errorf("%d attempts fenced, %d sends; want %d", row.Send.Attempt, r.sends, attempts)
	}
}

// TestAnswerLost: LND pays, and its answer does not arrive. Nothing is refunded, nothing is sent again.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	r := &rig{}
	g.behind(r)
	r.send = func(ctx context.Context, order lndclient.SendPayment) (lndclient.Payment, error) {
		_, _ = r.Node.SendPayment(ctx, order)
		return lndclient.Payment{}, cut()
	}
	invoice := g.invoice(bob, 4_000)
	row := g.become(g.pay(invoice).ID, payment.Dispatched, payment.Pending)
	g.money(row)
	row = g.rechecked(row, payment.Settled)
	g.sent(r, row, 1)
	g.charge(row)
	g.money()
	g.paidAt(bob, invoice, 4_000_000)
}

// TestCallLost: the call never reaches LND. It is sent again once the first call can no longer arrive, and pays once.
func TestCallLost(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	r := &rig{}
	g.behind(r)
	r.send = func(context.Context, lndclient.SendPayment) (lndclient.Payment, error) {
		r.change(func(r *rig) { r.send = nil })
		return lndclient.Payment{}, cut()
	}
	invoice := g.invoice(bob, 4_000)
	row := g.become(g.pay(invoice).ID, payment.Dispatched, payment.Pending)
	g.money(row)
	row = g.rechecked(row, payment.Settled)
	g.sent(r, row, 2)
	g.charge(row)
	g.money()
	g.paidAt(bob, invoice, 4_000_000)
}

// TestCallLostThenAbandoned: LND has certainly never had the payment; an operator may give it up.
func TestCallLostThenAbandoned(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	r := &rig{}
	g.behind(r)
	r.send = func(context.Context, lndclient.SendPayment) (lndclient.Payment, error) {
		return lndclient.Payment{}, cut()
	}
	invoice := g.invoice(bob, 4_000)
	row := g.become(g.pay(invoice).ID, payment.Dispatched, payment.Pending)
	_, err := g.door.Abandon(t.Context(), row.ID)
	g.refusal(err, payment.ReasonPaymentInFlight) // the call may still arrive
	g.money(row)
	until(t, "the call to be dead", func() error {
		given, err := g.door.Abandon(t.Context(), row.ID)
		row = given
		return err
	})
	g.failed(row, payment.Failed, payment.ReasonAbandoned)
	g.money()
	g.paidAt(bob, invoice, 0)
}

// TestSilenceUnderHold: the answer is lost and LND does not answer for a while, as if it were cut off from us. Nothing is
// given back until it says failed.
func TestSilenceUnderHold(t *testing.T) {
	t.Parallel()
	g := enter(t, 4_100)
	r := &rig{}
	g.behind(r)
	r.send = func(ctx context.Context, order lndclient.SendPayment) (lndclient.Payment, error) {
		_, _ = r.Node.SendPayment(ctx, order)
		r.change(func(r *rig) { r.silent = true })
		return lndclient.Payment{}, cut()
	}
	invoice, hash := g.hold(bob, 4_000)
	row := g.become(g.pay(invoice).ID, payment.Dispatched, payment.Pending)
	g.held(bob, hash)
	asked, err := g.door.Recheck(t.Context(), row.ID)
	if err != nil || asked.State.Terminal() {
		t.Errorf("with a silent node the payment is %s, %v", words(asked), err)
	}
	_, err = g.door.Abandon(t.Context(), row.ID)
	g.refusal(err, payment.ReasonPaymentInFlight)
	g.failed(g.pay(g.invoice(alice, 4_000)), payment.Refused, payment.ReasonInsufficientBalance) // not the same sats again
	g.money(row)
	g.cancelHold(bob, hash)
	g.money(row)
	r.change(func(r *rig) { r.silent = false })
	row = g.rechecked(row, payment.Failed)
	g.sent(r, row, 1)
	g.money()
}

package e2e_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// TestSteerInFlight: an operator may ask again, and may not give up what can still be paid.
func TestSteerInFlight(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	invoice, hash := g.hold(alice, 3_000)
	row := g.become(g.pay(invoice).ID, payment.Pending)
	g.held(alice, hash)

	asked, err := g.door.Recheck(t.Context(), row.ID)
	if err != nil || asked.State != payment.Pending {
		t.Errorf("recheck answers %s, %v", words(asked), err)
	}
	_, err = g.door.Abandon(t.Context(), row.ID)
	g.refusal(err, payment.ReasonPaymentInFlight)
	g.money(row)

	g.settleHold(alice, hash)
	row = g.ended(row, payment.Settled)
	g.charge(row)
	for name, steer := range map[string]func(context.Context, payment.ID) (ledger.Payment, error){"recheck": g.door.Recheck, "abandon": g.door.Abandon} {
		asked, err := steer(t.Context(), row.ID)
		if err != nil || asked.State != payment.Settled {
			t.Errorf("%s of a settled payment answers %s, %v", name, words(asked), err)
		}
		_, err = steer(t.Context(), uuid.New())
		g.refusal(err, payment.ReasonPaymentNotFound)
	}
	g.money()
}

// TestReadPayments: await, watch, get and list, and that another owner sees nothing.
func TestReadPayments(t *testing.T) {
	t.Parallel()
	g, other := enter(t, 10_000), enter(t, 0)
	invoice, hash := g.hold(alice, 2_000)
	row := g.become(g.pay(invoice).ID, payment.Pending)
	g.held(alice, hash)

	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if got, err := g.door.Await(short, g.account, row.ID); err != nil || got.State != payment.Pending {
		t.Errorf("await out of time answers %s, %v", words(got), err)
	}
	_, err := g.door.Get(t.Context(), other.account, row.ID)
	g.refusal(err, payment.ReasonPaymentNotFound)
	_, err = g.door.Await(t.Context(), other.account, row.ID)
	g.refusal(err, payment.ReasonPaymentNotFound)
	g.refusal(g.door.Watch(t.Context(), other.account, row.ID, func(ledger.Payment) error { return nil }), payment.ReasonPaymentNotFound)
	if rows, err := g.door.List(t.Context(), ledger.Filter{AccountID: other.account}); err != nil || len(rows) != 0 {
		t.Errorf("another owner lists %d payments, %v", len(rows), err)
	}

	var seen []payment.State
	err = g.door.Watch(t.Context(), g.account, row.ID, func(row ledger.Payment) error {
		if seen = append(seen, row.State); len(seen) == 1 {
			return g.net.Settle(t.Context(), alice, hash.String())
		}
		return nil
	})
	if err != nil || !slices.Equal(seen, []payment.State{payment.Pending, payment.Settled}) {
		t.Errorf("watched %v, %v", seen, err)
	}
	broken := errors.New("enough")
	if err := g.door.Watch(t.Context(), g.account, row.ID, func(ledger.Payment) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a watcher's own error comes back as %v", err)
	}
	rows, err := g.door.List(t.Context(), ledger.Filter{AccountID: g.account, States: []payment.State{payment.Settled}})
	if err != nil || len(rows) != 1 || rows[0].ID != row.ID {
		t.Errorf("the owner lists %d payments, %v", len(rows), err)
	}
	timeline, err := g.books.Timeline(t.Context(), row.ID)
	must(t, err)
	var names []string
	for _, event := range timeline {
		names = append(names, event.Name)
	}
	if len(names) < 4 || names[0] != "reserved" || names[1] != "dispatched" || names[len(names)-1] != "settled" || !slices.Contains(names, "in_flight") {
		t.Errorf("the timeline is %v", names)
	}
	g.charge(g.become(row.ID, payment.Settled))
	g.money()
}

// TestNodeWithoutWorker: nothing serves the payment's node. It waits, and an operator may give it up.
func TestNodeWithoutWorker(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	g.useDoor("ghost-" + uuid.NewString())
	row := g.become(g.pay(g.invoice(alice, 3_000)).ID, payment.Reserved)
	g.money(row)
	given, err := g.door.Abandon(t.Context(), row.ID)
	must(t, err)
	g.failed(given, payment.Failed, payment.ReasonAbandoned)
	g.money()
}

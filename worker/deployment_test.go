package worker_test

import (
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/worker"
)

// A new build takes over: what may wait for days goes on under it, and the old one may leave.
func TestBuildsFollowPromotion(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	if got := f.statuses(); got != "" {
		t.Errorf("before any worker: %s", got)
	}
	for _, build := range []string{"", "nobody"} {
		if err := worker.Promote(t.Context(), f.temporal, build); !payment.IsReason(err, payment.ReasonInvalidInput) {
			t.Errorf("promoting %q: %v", build, err)
		}
	}
	stopOne := f.run("one")
	f.promote("one")
	f.await("readiness", func() bool { return f.door.Served(t.Context()) == nil })
	held := f.peer.MakeHold(5_000)
	waiting := f.pay(held.Request)
	if waiting.State != payment.Pending || f.buildOf(waiting.ID.String()) != "one" {
		t.Fatalf("%s on build %q", waiting.State, f.buildOf(waiting.ID.String()))
	}

	f.run("two")
	f.await("build two", func() bool { return f.statuses() == "one current, two waiting" })
	if row := f.pay(f.peer.MakeInvoice(1_000).Request); row.State != payment.Settled || f.buildOf(row.ID.String()) != "one" {
		t.Errorf("before the promotion: %s on build %q", row.State, f.buildOf(row.ID.String()))
	}
	f.promote("two")
	f.await("new payments on build two", func() bool {
		row := f.pay(f.peer.MakeInvoice(1_000).Request)
		return row.State == payment.Settled && f.buildOf(row.ID.String()) == "two"
	})
	stopOne()

	if err := f.peer.SettleInvoice(t.Context(), held.Preimage); err != nil {
		t.Fatal(err)
	}
	f.await("the held payment", func() bool { return f.state(waiting.ID) == payment.Settled })
	f.await("its workflow on build two", func() bool { return f.buildOf(waiting.ID.String()) == "two" })
	if err := f.door.Served(t.Context()); err != nil {
		t.Errorf("with build two: %v", err)
	}
	if got := f.statuses(); !strings.HasSuffix(got, "two current") {
		t.Errorf("in the end: %s", got)
	}

	f.run("")
	f.promote(worker.NoBuild)
	f.await("new payments without a build", func() bool {
		row := f.pay(f.peer.MakeInvoice(1_000).Request)
		return row.State == payment.Settled && f.buildOf(row.ID.String()) == ""
	})
	ledgertest.Balanced(t, f.books)
}

package ledger_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// What has ended is not counted; what has not is, by kind and state, with the age of the oldest.
func TestLive(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := ledgertest.New(t, ledger.WithClock(func() time.Time { return now }))
	ctx := t.Context()
	if live := must[[]ledger.Live](t)(l.Live(ctx)); len(live) != 0 {
		t.Fatalf("nothing is in flight: %+v", live)
	}
	w := ledgertest.Funded(t, l, 100_000*sat)
	for range 3 {
		mustPayment(t, payment.Reserved)(l.Reserve(ctx, lightning(w, payment.KeyID{}, 10*sat, sat)))
		now = now.Add(time.Minute)
	}
	mustPayment(t, payment.Reserved)(l.Reserve(ctx, onchain(w, payment.KeyID{}, 1000*sat, sat)))
	mustPayment(t, payment.Refused)(l.Reserve(ctx, lightning(w, payment.KeyID{}, 1_000_000*sat, sat)))
	gone := lightning(w, payment.KeyID{}, 10*sat, sat)
	mustPayment(t, payment.Reserved)(l.Reserve(ctx, gone))
	mustPayment(t, payment.Failed)(l.Void(ctx, gone, payment.Failure{Reason: payment.ReasonCanceled}, 0))
	want := []ledger.Live{
		{Kind: payment.Lightning, State: payment.Reserved, Count: 3, Oldest: 3 * time.Minute},
		{Kind: payment.Onchain, State: payment.Reserved, Count: 1},
	}
	live := must[[]ledger.Live](t)(l.Live(ctx))
	if len(live) != len(want) {
		t.Fatalf("got %+v, want %+v", live, want)
	}
	for i := range want {
		if got := live[i]; got.Kind != want[i].Kind || got.State != want[i].State || got.Count != want[i].Count || (got.Oldest-want[i].Oldest).Abs() > time.Millisecond {
			t.Errorf("got %+v, want %+v", got, want[i])
		}
	}
	if err := l.Ping(ctx); err != nil {
		t.Error(err)
	}
}

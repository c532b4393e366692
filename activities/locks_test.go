package activities_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// A refusal is a result, so that the workflow does not ask for ever; only a ledger that is away is asked again.
func TestLockSteps(t *testing.T) {
	t.Parallel()
	books := ledgertest.New(t)
	steps := &activities.LedgerSteps{Ledger: books}
	key := ledgertest.NewKey(t, books, uuid.New(), map[payment.Window]payment.Sat{payment.Daily: 100})
	in := step.LockInput{ID: payment.NewID(), KeyID: key.ID, Amount: 100, HoldFor: time.Hour}
	wants := func(got step.Lock, err error, state payment.LockState, reason payment.Reason) {
		t.Helper()
		if err != nil || got.State != state || (got.Failure == nil) != (reason == "") || got.Failure != nil && got.Failure.Reason != reason {
			t.Fatalf("got %+v, %v; want %s %s", got, err, state, reason)
		}
	}
	for range 2 { // an attempt that was lost and is made again
		got, err := steps.LockBudget(t.Context(), in)
		wants(got, err, payment.LockHeld, "")
	}
	other := in
	other.ID = payment.NewID()
	got, err := steps.LockBudget(t.Context(), other)
	wants(got, err, payment.LockRefused, payment.ReasonBudgetExceeded)
	other.KeyID = uuid.New()
	got, err = steps.LockBudget(t.Context(), other)
	wants(got, err, payment.LockRefused, payment.ReasonKeyNotFound)
	got, err = steps.AskLock(t.Context(), other.ID)
	wants(got, err, payment.LockRefused, "")
	got, err = steps.AskLock(t.Context(), in.ID)
	wants(got, err, payment.LockHeld, "")
	for range 2 {
		got, err = steps.ReleaseLock(t.Context(), in.ID)
		wants(got, err, payment.LockReleased, "")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := steps.LockBudget(ended, other); !payment.IsReason(err, payment.ReasonUnavailable) {
		t.Errorf("%v", err)
	}
}

// Locks whose workflow is lost are released by the upkeep, some time after their end.
func TestKeepLedgerReleasesLostLocks(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	books := ledgertest.New(t, ledger.WithClock(func() time.Time { return now }))
	key := ledgertest.NewKey(t, books, uuid.New(), nil)
	upkeep := &activities.UpkeepSteps{Ledger: books, Log: slog.New(slog.DiscardHandler)}
	lost, recorded := payment.NewID(), payment.NewID()
	for _, id := range []payment.ID{lost, recorded} {
		if _, err := books.LockBudget(t.Context(), id, key.ID, 10, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if err := books.RecordSpend(t.Context(), key.ID, recorded, 10, "tx"); err != nil {
		t.Fatal(err)
	}
	for _, tick := range []struct {
		after time.Duration
		want  payment.LockState
	}{{time.Minute, payment.LockHeld}, {90 * time.Second, payment.LockReleased}} {
		now = now.Add(tick.after)
		must(t, plain(func(ctx context.Context) (struct{}, error) { return struct{}{}, upkeep.KeepLedger(ctx) }), 0)
		if l, err := books.Lock(t.Context(), lost); err != nil || l.State != tick.want {
			t.Fatalf("after %v: %+v, %v", tick.after, l, err)
		}
	}
	if l, err := books.Lock(t.Context(), recorded); err != nil || l.State != payment.LockRecorded {
		t.Fatalf("%+v, %v", l, err)
	}
	ledgertest.Balanced(t, books)
}

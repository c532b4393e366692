package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// plain gives an activity without input one.
func plain[Out any](fn func(context.Context) (Out, error)) func(context.Context, int) (Out, error) {
	return func(ctx context.Context, _ int) (Out, error) { return fn(ctx) }
}

func (h *house) upkeep(resume activities.Resume) *activities.UpkeepSteps {
	return &activities.UpkeepSteps{Ledger: h.ledger, Resume: resume, Ensure: func(context.Context) error { return nil }, OrphanAfter: time.Minute, Log: slog.New(slog.DiscardHandler)}
}

func TestRepairLooksOnlyAtOldPaymentsThatAreNotOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ended := h.reserved(h.peer.MakeInvoice(100))
	h.conclude(ended, must(t, h.steps.SendLightning, ended))
	orphan, running := h.reserved(h.peer.MakeInvoice(100)), h.reserved(h.peer.MakeInvoice(100))
	h.clock.Advance(2 * time.Minute)
	h.reserved(h.peer.MakeInvoice(100)) // too young

	var looked []payment.ID
	repaired := must(t, plain(h.upkeep(func(_ context.Context, row ledger.Payment) (bool, error) {
		looked = append(looked, row.ID)
		return row.ID == orphan.ID, nil
	}).RepairOrphans), 0)
	slices.SortFunc(looked, compareID)
	want := []payment.ID{orphan.ID, running.ID}
	slices.SortFunc(want, compareID)
	if !slices.Equal(looked, want) || repaired.Looked != 2 || !slices.Equal(repaired.Restarted, []payment.ID{orphan.ID}) {
		t.Fatalf("looked at %v, want %v; repaired %+v", looked, want, repaired)
	}
}

func compareID(a, b payment.ID) int { return strings.Compare(a.String(), b.String()) }

// One orphan that cannot be started again keeps no other waiting, however many held payments there are.
func TestRepairGoesOnAfterOneThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const many = 1001 // more than two pages
	for range many {
		h.reserved(h.peer.MakeInvoice(1))
	}
	h.clock.Advance(2 * time.Minute)
	looked := map[payment.ID]bool{}
	var first, last payment.ID
	repaired := must(t, plain(h.upkeep(func(_ context.Context, row ledger.Payment) (bool, error) {
		if len(looked) == 0 {
			first = row.ID
		}
		last, looked[row.ID] = row.ID, true
		if row.ID == first {
			return false, errors.New("no")
		}
		return len(looked) == many, nil
	}).RepairOrphans), 0)
	if len(looked) != many || repaired.Looked != many {
		t.Errorf("looked at %d payments, says %d, want %d", len(looked), repaired.Looked, many)
	}
	if !slices.Equal(repaired.Failed, []payment.ID{first}) || !slices.Equal(repaired.Restarted, []payment.ID{last}) {
		t.Errorf("failed %v, restarted %v; want %v, %v", repaired.Failed, repaired.Restarted, first, last)
	}
}

func TestKeepLedgerLeavesTheBooksBalanced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(100))
	h.conclude(req, must(t, h.steps.SendLightning, req))
	h.clock.Advance(500 * 24 * time.Hour)
	upkeep := h.upkeep(nil)
	for range 2 {
		must(t, plain(func(ctx context.Context) (struct{}, error) { return struct{}{}, upkeep.KeepLedger(ctx) }), 0)
	}
	h.wantMoney(balance-101*sat, 0)
	if spent, err := h.ledger.Spending(t.Context(), h.key.ID); err != nil || spent.Windows[3].Spent != 0 {
		t.Fatalf("%+v, %v", spent, err)
	}
}

package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
)

// retention is how long a spend stays in the table after the longest window has forgotten it.
const retention = 400 * 24 * time.Hour

// keepDeliveries is how long it can be looked up what became of a callback.
const keepDeliveries = 30 * 24 * time.Hour

// Resume starts the workflow of a payment again if it has none.
type Resume func(ctx context.Context, row ledger.Payment) (restarted bool, err error)

// UpkeepSteps are the chores of the whole house.
type UpkeepSteps struct {
	Ledger *ledger.Ledger
	Resume Resume
	// Ensure starts what runs once in the fleet, the watchers and the dispatcher of callbacks, where somebody has ended it.
	Ensure func(context.Context) error
	// OrphanAfter is how old a payment that is not terminal must be before its workflow is looked for.
	OrphanAfter time.Duration
	Log         *slog.Logger
}

// RepairOrphans looks for payments that are not terminal and have no open workflow, and starts it again; watchers as well.
// What cannot be started keeps no other waiting: it is named in the result, logged, and tried again by the next run.
func (u *UpkeepSteps) RepairOrphans(ctx context.Context) (step.Repaired, error) {
	defer heartbeating(ctx)()
	var repaired step.Repaired
	ensured := u.Ensure(ctx)
	for row, err := range u.Ledger.UnresolvedOlderThan(ctx, u.OrphanAfter) {
		if err != nil {
			return repaired, err
		}
		repaired.Looked++
		restarted, err := u.Resume(ctx, row)
		if ctx.Err() != nil {
			return repaired, ctx.Err()
		}
		if err != nil {
			u.Log.ErrorContext(ctx, "the workflow of a payment could not be looked for or started", "payment_id", row.ID.String(), "node", row.Node, "error", err)
			repaired.Failed = append(repaired.Failed, row.ID)
		}
		if restarted {
			repaired.Restarted = append(repaired.Restarted, row.ID)
		}
	}
	return repaired, ensured
}

// lockGrace is how long after its end a lock is left to its workflow.
const lockGrace = time.Minute

// KeepLedger advances the sums of idle budgets, releases locks whose workflow is lost, retires old spends, forgets callbacks that
// ended long ago and rolls the system accounts up.
func (u *UpkeepSteps) KeepLedger(ctx context.Context) error {
	defer heartbeating(ctx)()
	const batch = 1000
	if _, err := u.Ledger.AdvanceBudgets(ctx, batch); err != nil {
		return err
	}
	if n, err := u.Ledger.ReleaseExpiredLocks(ctx, lockGrace, batch); err != nil {
		return err
	} else if n > 0 {
		u.Log.WarnContext(ctx, "budget locks were released that had lost their workflow", "locks", n)
	}
	if _, err := u.Ledger.RetireSpends(ctx, retention); err != nil {
		return err
	}
	if _, err := u.Ledger.ForgetDeliveries(ctx, keepDeliveries); err != nil {
		return err
	}
	return u.Ledger.SnapshotSystemAccounts(ctx)
}

package ledger

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// AdvanceBudgets retires expired spends of up to batch budgets that have some, of keys and of accounts, so that the next
// verdict of an idle one finds little to do. It answers how many it looked at: 0 means that none is left behind.
func (l *Ledger) AdvanceBudgets(ctx context.Context, batch int) (int, error) {
	now, err := l.now(ctx)
	if err != nil {
		return 0, err
	}
	budgets, err := l.q.BudgetsToAdvance(ctx, db.BudgetsToAdvanceParams{Now: now, MaxRows: int32(batch)})
	if err != nil {
		return 0, coded(err)
	}
	for _, id := range budgets {
		if _, err := l.q.AdvanceBudget(ctx, db.AdvanceBudgetParams{KeyID: id, Given: l.given()}); err != nil {
			return 0, coded(err)
		}
	}
	return len(budgets), nil
}

// MinSpendAge is how old a spend must be to be forgotten: past the longest window, with a margin.
const MinSpendAge = 366 * 24 * time.Hour

// RetireSpends deletes resolved spends older than a duration, which no window counts any more, and answers how many. The
// payments and their events stay. Errors: ReasonInvalidInput below MinSpendAge.
func (l *Ledger) RetireSpends(ctx context.Context, olderThan time.Duration) (int, error) {
	if olderThan < MinSpendAge {
		return 0, payment.Errorf(payment.ReasonInvalidInput, "Spends must be kept for at least %d days.", int(MinSpendAge.Hours()/24))
	}
	now, err := l.now(ctx)
	if err != nil {
		return 0, err
	}
	const batch = 5000
	for total := 0; ; {
		gone, err := l.q.ForgetSpends(ctx, db.ForgetSpendsParams{OlderThan: now.Add(-olderThan), Batch: batch})
		total += int(gone)
		if err != nil || gone == 0 {
			return total, coded(err)
		}
	}
}

// SnapshotSystemAccounts rolls the balances of the system accounts up, so that reading them stays cheap.
func (l *Ledger) SnapshotSystemAccounts(ctx context.Context) error {
	return coded(l.q.SnapshotSystemAccounts(ctx, l.given()))
}

// NodeBalance is what a node holds for customers by the books, in msat: all that was received less all that was sent.
func (l *Ledger) NodeBalance(ctx context.Context, node string) (payment.Msat, error) {
	balance, err := l.q.NodeBalance(ctx, node)
	return payment.Msat(balance), coded(err)
}

func (l *Ledger) now(ctx context.Context) (time.Time, error) {
	if given := l.given(); given != nil {
		return *given, nil
	}
	now, err := l.q.DatabaseNow(ctx)
	return now, coded(err)
}

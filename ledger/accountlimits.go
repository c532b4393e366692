package ledger

import (
	"context"
	"slices"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// SetAccountLimit bounds what an account moves for a purpose in a rolling window, fees included, counted from when the
// account got its first limit for it. The zero account sets what accounts opened from now on begin with. Errors:
// ReasonAccountNotFound, ReasonInvalidAmount (not above zero, or above MaxSat), ReasonInvalidInput (unknown purpose or window).
func (l *Ledger) SetAccountLimit(ctx context.Context, account payment.AccountID, purpose payment.Purpose, window payment.Window, limit payment.Sat) error {
	if err := limitInRange(limit); err != nil {
		return err
	}
	return l.setAccountLimit(ctx, account, purpose, window, (*int64)(&limit))
}

// RemoveAccountLimit lifts a limit; one that was never set is no error. Errors: ReasonAccountNotFound, ReasonInvalidInput.
func (l *Ledger) RemoveAccountLimit(ctx context.Context, account payment.AccountID, purpose payment.Purpose, window payment.Window) error {
	return l.setAccountLimit(ctx, account, purpose, window, nil)
}

func (l *Ledger) setAccountLimit(ctx context.Context, account payment.AccountID, purpose payment.Purpose, window payment.Window, sat *int64) error {
	number, err := windowNo(window)
	if err != nil {
		return err
	}
	if !slices.Contains(payment.Purposes(), purpose) {
		return payment.Errorf(payment.ReasonInvalidInput, "Unknown purpose %q: use withdrawal, internal_send or convert.", purpose)
	}
	ok, err := l.q.SetAccountLimit(ctx, db.SetAccountLimitParams{
		AccountID: orNullID(account), Purpose: string(purpose), WindowNo: number, Sat: sat,
	})
	if err == nil && !ok {
		return payment.Errorf(payment.ReasonAccountNotFound, "There is no account %s. Check its id.", account)
	}
	return coded(err)
}

// AccountSpendings is what an account has moved, exact at this moment, for each purpose that has ever been limited.
func (l *Ledger) AccountSpendings(ctx context.Context, account payment.AccountID) ([]AccountSpending, error) {
	rows, err := l.q.AccountSpendings(ctx, db.AccountSpendingsParams{AccountID: account, Given: l.given()})
	var out []AccountSpending
	for _, row := range rows {
		if last := len(out) - 1; last < 0 || out[last].Purpose != payment.Purpose(row.Purpose) {
			out = append(out, AccountSpending{Purpose: payment.Purpose(row.Purpose)})
		}
		of := &out[len(out)-1]
		of.Reserved = payment.Sat(row.ReservedSat)
		of.Windows[row.WindowNo-1] = windowSpending(db.SpendingsRow{
			WindowNo: row.WindowNo, Limited: row.Limited, LimitSat: row.LimitSat, SpentSat: row.SpentSat, FreesAt: row.FreesAt,
		})
	}
	return out, coded(err)
}

// NewAccountLimits are the limits that new accounts begin with.
func (l *Ledger) NewAccountLimits(ctx context.Context) ([]AccountLimit, error) {
	rows, err := l.q.AccountLimitDefaults(ctx)
	out := make([]AccountLimit, len(rows))
	for i, row := range rows {
		out[i] = AccountLimit{Purpose: payment.Purpose(row.Purpose), Window: payment.Windows()[row.WindowNo-1], Limit: payment.Sat(row.LimitSat)}
	}
	return out, coded(err)
}

package ledger

import (
	"context"
	"slices"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

func noKey() *payment.Error { return payment.Errorf(payment.ReasonKeyNotFound, "API key not found.") }

// CreateKey stores a key and opens its budget, without limits. secretHash is SHA-256 of the secret, which the ledger never
// sees. A known id answers the key as it is. Errors: ReasonKeyNotFound if that is another owner's.
func (l *Ledger) CreateKey(ctx context.Context, k Key, secretHash [32]byte) (Key, error) {
	if err := l.OpenAccount(ctx, k.AccountID); err != nil {
		return Key{}, err
	}
	err := l.q.CreateKey(ctx, db.CreateKeyParams{
		ID: k.ID, AccountID: k.AccountID, Name: k.Name, SecretHash: secretHash[:], Given: l.given(), ExpiresAt: orNullTime(k.ExpiresAt),
	})
	if err != nil {
		return Key{}, coded(err)
	}
	known, err := l.Key(ctx, k.ID)
	if err == nil && known.AccountID != k.AccountID {
		return Key{}, noKey()
	}
	return known, err
}

// Key reads one. Errors: ReasonKeyNotFound.
func (l *Ledger) Key(ctx context.Context, id payment.KeyID) (Key, error) {
	row, err := l.q.Key(ctx, id)
	return keyOf(row), found(err, noKey())
}

// KeyBySecret finds the key of a secret by its SHA-256. Errors: ReasonKeyNotFound.
func (l *Ledger) KeyBySecret(ctx context.Context, secretHash [32]byte) (Key, error) {
	row, err := l.q.KeyBySecret(ctx, secretHash[:])
	return keyOf(row), found(err, noKey())
}

// Keys lists an account's keys, oldest first; the zero account lists all.
func (l *Ledger) Keys(ctx context.Context, account payment.AccountID) ([]Key, error) {
	rows, err := l.q.Keys(ctx, orNullID(account))
	out := make([]Key, len(rows))
	for i, row := range rows {
		out[i] = keyOf(row)
	}
	return out, coded(err)
}

// RevokeKey ends a key at once and for good. Errors: ReasonKeyNotFound, also for another owner's key.
func (l *Ledger) RevokeKey(ctx context.Context, account payment.AccountID, id payment.KeyID) error {
	changed, err := l.q.RevokeKey(ctx, db.RevokeKeyParams{ID: id, AccountID: account, Given: l.given()})
	if err == nil && changed == 0 {
		return noKey()
	}
	return coded(err)
}

// SetLimit bounds what a key spends in a rolling window, history included. Errors: ReasonKeyNotFound (also for another
// owner's key), ReasonInvalidAmount (not above zero, or above MaxSat), ReasonInvalidInput (unknown window).
func (l *Ledger) SetLimit(ctx context.Context, account payment.AccountID, key payment.KeyID, window payment.Window, limit payment.Sat) error {
	if limit <= 0 || limit > payment.MaxSat {
		return payment.Errorf(payment.ReasonInvalidAmount, "A limit must be above zero and at most %v.", payment.MaxSat)
	}
	return l.setLimit(ctx, account, key, window, (*int64)(&limit))
}

// RemoveLimit lifts a limit; one that was never set is no error. Errors: ReasonKeyNotFound, ReasonInvalidInput.
func (l *Ledger) RemoveLimit(ctx context.Context, account payment.AccountID, key payment.KeyID, window payment.Window) error {
	return l.setLimit(ctx, account, key, window, nil)
}

func (l *Ledger) setLimit(ctx context.Context, account payment.AccountID, key payment.KeyID, window payment.Window, sat *int64) error {
	index := slices.Index(payment.Windows(), window)
	if index < 0 {
		return payment.Errorf(payment.ReasonInvalidInput, "Unknown window %q: use daily, weekly, monthly or annual.", window)
	}
	ok, err := l.q.SetLimit(ctx, db.SetLimitParams{AccountID: account, KeyID: key, WindowNo: int32(index) + 1, Sat: sat})
	if err == nil && !ok {
		return noKey()
	}
	return coded(err)
}

// Spending is what a key has spent in every window, exact at this moment, in sat. Errors: ReasonKeyNotFound.
func (l *Ledger) Spending(ctx context.Context, key payment.KeyID) (Spending, error) {
	rows, err := l.q.Spending(ctx, db.SpendingParams{KeyID: key, Given: l.given()})
	if err != nil {
		return Spending{}, coded(err)
	}
	out := Spending{KeyID: key}
	if len(rows) != len(out.Windows) {
		return Spending{}, noKey()
	}
	for i, row := range rows {
		w := WindowSpending{Window: payment.Windows()[i], Limit: payment.Sat(row.LimitSat), Limited: row.Limited, Spent: payment.Sat(row.SpentSat)}
		if row.Limited {
			w.Remaining = max(w.Limit-w.Spent, 0)
		}
		if row.FreesAt.Unix() != 0 {
			w.FreesAt = row.FreesAt
		}
		out.Windows[i], out.Reserved = w, payment.Sat(row.ReservedSat)
	}
	return out, nil
}

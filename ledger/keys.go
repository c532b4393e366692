package ledger

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

func noKey() *payment.Error {
	return payment.Errorf(payment.ReasonKeyNotFound, "API key not found. Check its id.")
}

// CreateKey stores a key with its scopes (none: READ and WRITE) and opens its budget, without limits. secretHash is SHA-256
// of the secret, which the ledger never sees. A known id answers the key as it is. Errors: ReasonKeyNotFound if that is
// another owner's, ReasonInvalidInput (unknown scope, name too long, 100 keys that are not revoked).
func (l *Ledger) CreateKey(ctx context.Context, k Key, secretHash [32]byte) (Key, error) {
	scopes, err := scopesOf(k.Scopes)
	if err != nil {
		return Key{}, err
	}
	if utf8.RuneCountInString(k.Name) > maxKeyName {
		return Key{}, payment.Errorf(payment.ReasonInvalidInput, "The name of an API key must have at most %d characters.", maxKeyName)
	}
	if err := l.OpenAccount(ctx, k.AccountID); err != nil {
		return Key{}, err
	}
	err = l.q.CreateKey(ctx, db.CreateKeyParams{
		ID: k.ID, AccountID: k.AccountID, Name: k.Name, SecretHash: secretHash[:], Scopes: scopes, Given: l.given(), ExpiresAt: orNullTime(k.ExpiresAt),
	})
	if err != nil {
		return Key{}, coded(err)
	}
	return l.OwnKey(ctx, k.AccountID, k.ID)
}

const maxKeyName = 200

// scopesOf puts scopes into their order, each once.
func scopesOf(asked []payment.Scope) ([]string, error) {
	if len(asked) == 0 {
		asked = []payment.Scope{payment.ScopeRead, payment.ScopeWrite}
	}
	for _, s := range asked {
		if !slices.Contains(payment.Scopes(), s) {
			return nil, payment.Errorf(payment.ReasonInvalidInput, "Unknown scope %q: use READ, RECEIVE or WRITE.", s)
		}
	}
	var out []string
	for _, s := range payment.Scopes() {
		if slices.Contains(asked, s) {
			out = append(out, string(s))
		}
	}
	return out, nil
}

// OwnKey reads a key of an account. Errors: ReasonKeyNotFound, also for another owner's.
func (l *Ledger) OwnKey(ctx context.Context, account payment.AccountID, id payment.KeyID) (Key, error) {
	k, err := l.Key(ctx, id)
	if err == nil && k.AccountID != account {
		return Key{}, noKey()
	}
	return k, err
}

// TouchKeys records when keys were last used, in one statement; a time never goes back. Unknown keys are passed over.
func (l *Ledger) TouchKeys(ctx context.Context, used map[payment.KeyID]time.Time) error {
	if len(used) == 0 {
		return nil
	}
	arg := db.TouchKeysParams{Ids: make([]uuid.UUID, 0, len(used)), Times: make([]time.Time, 0, len(used))}
	for id, at := range used {
		arg.Ids = append(arg.Ids, id)
		arg.Times = append(arg.Times, at.Truncate(time.Microsecond))
	}
	return coded(l.q.TouchKeys(ctx, arg))
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

// maxRevoked bounds how many revoked keys NewestKeys lists.
const maxRevoked = 100

// NewestKeys lists an account's keys that are not revoked, of which there are at most 100, and its 100 newest revoked ones,
// oldest first.
func (l *Ledger) NewestKeys(ctx context.Context, account payment.AccountID) ([]Key, error) {
	rows, err := l.q.NewestKeys(ctx, db.NewestKeysParams{AccountID: account, MaxRevoked: maxRevoked})
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
	if err := limitInRange(limit); err != nil {
		return err
	}
	return l.setLimit(ctx, account, key, window, (*int64)(&limit))
}

// RemoveLimit lifts a limit; one that was never set is no error. Errors: ReasonKeyNotFound, ReasonInvalidInput.
func (l *Ledger) RemoveLimit(ctx context.Context, account payment.AccountID, key payment.KeyID, window payment.Window) error {
	return l.setLimit(ctx, account, key, window, nil)
}

func (l *Ledger) setLimit(ctx context.Context, account payment.AccountID, key payment.KeyID, window payment.Window, sat *int64) error {
	number, err := windowNo(window)
	if err != nil {
		return err
	}
	ok, err := l.q.SetLimit(ctx, db.SetLimitParams{AccountID: account, KeyID: key, WindowNo: number, Sat: sat})
	if err == nil && !ok {
		return noKey()
	}
	return coded(err)
}

func limitInRange(limit payment.Sat) error {
	if limit <= 0 || limit > payment.MaxSat {
		return payment.Errorf(payment.ReasonInvalidAmount, "A limit must be above zero and at most %v.", payment.MaxSat)
	}
	return nil
}

// windowNo is the place of a window in the arrays of the table budgets, from 1.
func windowNo(window payment.Window) (int32, error) {
	index := slices.Index(payment.Windows(), window)
	if index < 0 {
		return 0, payment.Errorf(payment.ReasonInvalidInput, "Unknown window %q: use daily, weekly, monthly or annual.", window)
	}
	return int32(index) + 1, nil
}

// Spending is what a key has spent in every window, exact at this moment, in sat. Errors: ReasonKeyNotFound.
func (l *Ledger) Spending(ctx context.Context, key payment.KeyID) (Spending, error) {
	rows, err := l.q.Spending(ctx, db.SpendingParams{KeyID: key, Given: l.given()})
	if err != nil {
		return Spending{}, coded(err)
	}
	if len(rows) != len(Spending{}.Windows) {
		return Spending{}, noKey()
	}
	out := Spending{KeyID: key}
	for _, row := range rows {
		out.read(db.SpendingsRow{
			KeyID: key, WindowNo: row.WindowNo, Limited: row.Limited, LimitSat: row.LimitSat, SpentSat: row.SpentSat, FreesAt: row.FreesAt,
			ReservedSat: row.ReservedSat,
		})
	}
	return out, nil
}

// Spendings is Spending of several keys in one statement. Unknown keys are left out.
func (l *Ledger) Spendings(ctx context.Context, keys []payment.KeyID) (map[payment.KeyID]Spending, error) {
	rows, err := l.q.Spendings(ctx, db.SpendingsParams{KeyIds: keys, Given: l.given()})
	if err != nil {
		return nil, coded(err)
	}
	out := make(map[payment.KeyID]Spending, len(keys))
	for _, row := range rows {
		of := out[row.KeyID]
		of.KeyID = row.KeyID
		of.read(row)
		out[row.KeyID] = of
	}
	return out, nil
}

// read takes over what a row says about one window.
func (s *Spending) read(row db.SpendingsRow) {
	s.Windows[row.WindowNo-1], s.Reserved = windowSpending(row), payment.Sat(row.ReservedSat)
}

func windowSpending(row db.SpendingsRow) WindowSpending {
	w := WindowSpending{Window: payment.Windows()[row.WindowNo-1], Limit: payment.Sat(row.LimitSat), Limited: row.Limited, Spent: payment.Sat(row.SpentSat)}
	if row.Limited {
		w.Remaining = max(w.Limit-w.Spent, 0)
	}
	if row.FreesAt.Unix() != 0 {
		w.FreesAt = row.FreesAt
	}
	return w
}

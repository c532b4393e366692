package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// Lock is a spend of a key without a payment of ours: a core API has reserved it, and sends by itself.
type Lock struct {
	ID            payment.ID // the ephemeral id
	KeyID         payment.KeyID
	Amount        payment.Sat // fees included: what the caller may spend
	State         payment.LockState
	TransactionID string // the caller's, once recorded
	CreatedAt     time.Time
	ExpiresAt     time.Time
	ResolvedAt    time.Time // zero while held
}

// Verdict is whether an amount would fit, and the spending that says so.
type Verdict struct {
	Allowed  bool
	Spending Spending
}

// maxTransactionID is the longest transaction id of a caller, in bytes.
const maxTransactionID = 255

func noLock() *payment.Error {
	return payment.Errorf(payment.ReasonLockNotFound, "There is no such lock or transaction. Check its id.")
}

func keyInactive() *payment.Error {
	return payment.Errorf(payment.ReasonKeyInactive, "This API key is revoked or has expired. Create a new one.")
}

// CheckLimit tells whether the key may spend an amount now. It changes nothing: what is allowed now may be refused a
// moment later. Errors: ReasonInvalidAmount, ReasonKeyNotFound, ReasonKeyInactive.
func (l *Ledger) CheckLimit(ctx context.Context, key payment.KeyID, amount payment.Sat) (Verdict, error) {
	if err := lockable(amount); err != nil {
		return Verdict{}, err
	}
	if err := l.active(ctx, key); err != nil {
		return Verdict{}, err
	}
	spending, err := l.Spending(ctx, key)
	if err != nil {
		return Verdict{}, err
	}
	out := Verdict{Allowed: true, Spending: spending}
	for _, w := range spending.Windows {
		out.Allowed = out.Allowed && (!w.Limited || w.Spent+amount <= w.Limit)
	}
	return out, nil
}

func (l *Ledger) active(ctx context.Context, id payment.KeyID) error {
	key, err := l.Key(ctx, id)
	if err != nil {
		return err
	}
	now, err := l.now(ctx)
	if err == nil && (!key.RevokedAt.IsZero() || !key.ExpiresAt.IsZero() && !key.ExpiresAt.After(now)) {
		return keyInactive()
	}
	return err
}

// LockBudget checks every window and reserves an amount, in one transaction. It is idempotent by id: a known lock is
// answered as it is. Errors: ReasonBudgetExceeded (with the numbers), ReasonKeyInactive, ReasonKeyNotFound,
// ReasonInvalidAmount, ReasonInvalidInput (no time), ReasonIdempotencyConflict (the id has another key or amount).
func (l *Ledger) LockBudget(ctx context.Context, id payment.ID, key payment.KeyID, amount payment.Sat, holdFor time.Duration) (Lock, error) {
	if err := lockable(amount); err != nil {
		return Lock{}, err
	}
	if holdFor <= 0 {
		return Lock{}, payment.Errorf(payment.ReasonInvalidInput, "A lock must be held for some time.")
	}
	refusal, err := l.q.LockBudget(ctx, db.LockBudgetParams{KeyID: key, ID: id, Sat: int64(amount), HoldFor: holdFor, Given: l.given()})
	if err != nil {
		return Lock{}, coded(err)
	}
	var failure *payment.Failure
	if err := json.Unmarshal(refusal, &failure); err != nil {
		return Lock{}, coded(err)
	}
	if failure != nil {
		return Lock{}, lockRefusal(*failure)
	}
	return l.Lock(ctx, id)
}

// lockRefusal words what budget_lock refuses.
func lockRefusal(failure payment.Failure) *payment.Error {
	switch {
	case failure.Reason == payment.ReasonKeyNotFound:
		return noKey()
	case failure.Reason == payment.ReasonKeyInactive:
		return keyInactive()
	case failure.Budget == nil:
		return payment.Errorf(payment.ReasonInternal, "The ledger refused the lock without saying why. Report it with the time.")
	}
	short := failure.Budget
	then := "It is more than the limit itself: spend less, or have the owner raise the limit."
	if !short.FreesAt.IsZero() {
		then = "Enough frees up at " + short.FreesAt.UTC().Format("2006-01-02 15:04:05 UTC") + "."
	}
	failure.Message = fmt.Sprintf("The %s limit of this API key is %v: %v spent, %v remaining, %v needed. %s",
		short.Window, short.Limit, short.Spent, short.Remaining, short.Needed, then)
	return &payment.Error{Failure: failure}
}

// Lock reads one by its ephemeral id. Errors: ReasonLockNotFound.
func (l *Ledger) Lock(ctx context.Context, id payment.ID) (Lock, error) {
	row, err := l.q.BudgetLock(ctx, id)
	return Lock{
		ID: row.EphemeralID, KeyID: row.KeyID, Amount: payment.Sat(row.AmountSat), State: payment.LockState(row.State),
		TransactionID: orZero(row.TransactionID), CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, ResolvedAt: orZero(row.ResolvedAt),
	}, found(err, noLock())
}

// RecordSpend says that money has been spent, and counts whatever the limits say. With the id of a lock it binds that to
// the caller's transaction; one that was released meanwhile counts again, from now on. With the zero id it counts a
// transaction that had no lock. A repeated call is answered like the first. A key that was revoked since still counts.
//
// Errors: ReasonLockNotFound (also for another key's lock), ReasonLockConflict (another amount or transaction, or
// reversed), ReasonKeyNotFound, ReasonInvalidAmount, ReasonInvalidInput (transaction id).
func (l *Ledger) RecordSpend(ctx context.Context, key payment.KeyID, id payment.ID, amount payment.Sat, transaction string) error {
	if err := lockable(amount); err != nil {
		return err
	}
	if err := transactionID(transaction); err != nil {
		return err
	}
	outcome, err := l.q.RecordSpend(ctx, db.RecordSpendParams{
		KeyID: key, ID: orNullID(id), Sat: int64(amount), TransactionID: transaction, Given: l.given(),
	})
	if err != nil {
		return coded(err)
	}
	return lockOutcome(outcome, payment.LockRecorded)
}

// ReverseSpend gives a lock or a recorded transaction back, once; a repeated call changes nothing. It is named by the
// caller's transaction id or by its ephemeral id. Errors: ReasonLockNotFound, ReasonLockConflict (several keys have a
// transaction of that id), ReasonInvalidInput.
func (l *Ledger) ReverseSpend(ctx context.Context, ref string) error {
	if err := transactionID(ref); err != nil {
		return err
	}
	id, err := uuid.Parse(ref)
	outcome, err := l.q.ReverseSpend(ctx, db.ReverseSpendParams{Ref: ref, RefID: uuid.NullUUID{UUID: id, Valid: err == nil}, Given: l.given()})
	if err != nil {
		return coded(err)
	}
	return lockOutcome(outcome, payment.LockReversed)
}

// ReleaseLock gives a lock back that was never recorded, and answers how any lock stands; LockRefused if there is none.
func (l *Ledger) ReleaseLock(ctx context.Context, id payment.ID) (payment.LockState, error) {
	state, err := l.q.ReleaseLock(ctx, db.ReleaseLockParams{ID: id, Given: l.given()})
	if state == "" {
		state = string(payment.LockRefused)
	}
	return payment.LockState(state), coded(err)
}

// ReleaseExpiredLocks releases up to batch locks that were to end longer ago than a grace, for those whose workflow is
// lost, and answers how many it met.
func (l *Ledger) ReleaseExpiredLocks(ctx context.Context, grace time.Duration, batch int) (int, error) {
	ids, err := l.q.ExpiredLocks(ctx, db.ExpiredLocksParams{Given: l.given(), Grace: grace, MaxRows: int32(batch)})
	if err != nil {
		return 0, coded(err)
	}
	for i, id := range ids {
		if _, err := l.ReleaseLock(ctx, id); err != nil {
			return i, err
		}
	}
	return len(ids), nil
}

// lockOutcome is the error for what budget_record and budget_reverse answer instead of the state that was wanted.
func lockOutcome(outcome string, want payment.LockState) error {
	conflict := func(text string) error { return payment.Errorf(payment.ReasonLockConflict, "%s", text) }
	switch outcome {
	case string(want):
		return nil
	case "no key":
		return noKey()
	case "no lock":
		return noLock()
	case "amount":
		return conflict("The amount is not the one that was locked or recorded before. Repeat the call with the first amount.")
	case "transaction":
		return conflict("The lock or the transaction is bound already, to another one. Use one lock for one transaction.")
	case string(payment.LockReversed):
		return conflict("This was reversed before, and stays so. Record a new transaction under a new id.")
	case "several":
		return conflict("More than one API key has a transaction of this id. Reverse it by the ephemeral id of its lock.")
	default:
		return payment.Errorf(payment.ReasonInternal, "The ledger answered %q. Report it with the time.", outcome)
	}
}

func lockable(amount payment.Sat) error {
	if amount <= 0 || amount > payment.MaxSat {
		return payment.Errorf(payment.ReasonInvalidAmount, "The amount must be above zero and at most %v.", payment.MaxSat)
	}
	return nil
}

func transactionID(id string) error {
	if id == "" || len(id) > maxTransactionID || !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
		return payment.Errorf(payment.ReasonInvalidInput,
			"Give the id of your transaction: UTF-8 without zero bytes, at most %d bytes.", maxTransactionID)
	}
	return nil
}

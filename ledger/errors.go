package ledger

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast-pay/holdfast/payment"
)

// SQLSTATEs that our functions raise.
const (
	stateNoPayment     = "HF001"
	stateContradiction = "HF002" // what is asked contradicts what is recorded
	stateOtherBody     = "HF003" // same id or idempotency key, other fingerprint
	stateTooMany       = "HF006" // of callback endpoints
	stateTooManyKeys   = "HF007"
	stateNoBitcoin     = "HF008"
	stateDeadlock      = "40P01"
)

// ErrNotSetUp is the cause where the database lacks what migrations make, or a right. Its text is for operators.
var ErrNotSetUp = errors.New("the ledger's database is not set up: run `holdfast migrate up`")

func isNoRows(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// violates reports whether err says that a constraint of this name was hurt.
func violates(err error, constraint string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.ConstraintName == constraint
}

// unavailable is for what the server has rolled back, or was never sent.
func unavailable(err error) *payment.Error {
	return payment.Errorf(payment.ReasonUnavailable, "The ledger is not reachable, nothing was changed; try again.").Because(err)
}

// unanswered is for a call of which nobody knows whether it was committed.
func unanswered(err error) *payment.Error {
	return payment.Errorf(payment.ReasonUnavailable, "The ledger did not answer. A change may have been made: look before you repeat it.").Because(err)
}

func badURL(err error) *payment.Error {
	return payment.Errorf(payment.ReasonInvalidInput, "The database URL cannot be read: use postgres://user:password@host:port/database.").Because(err)
}

// coded turns what pgx answers into a *payment.Error; driver text only ever becomes its cause.
func coded(err error) error {
	if err == nil {
		return nil
	}
	if already, ok := errors.AsType[*payment.Error](err); ok {
		return already
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok { // no answer of the server: connection, pool or context
		if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting || pgconn.SafeToRetry(err) {
			return unavailable(err)
		}
		return unanswered(err)
	}
	switch pg.Code {
	case stateNoPayment:
		return noPayment().Because(err)
	case stateContradiction:
		return payment.Errorf(payment.ReasonInternal, "The payment's record contradicts this step; an operator must look at it.").Because(err)
	case stateOtherBody:
		return otherBody().Because(err)
	case stateTooMany:
		return payment.Errorf(payment.ReasonInvalidInput, "An account has at most ten callback endpoints. Delete one first.").Because(err)
	case stateTooManyKeys:
		return payment.Errorf(payment.ReasonInvalidInput, "An account has at most 100 API keys. Revoke one first: an expired key counts until it is revoked.").Because(err)
	case stateNoBitcoin:
		return noBitcoin().Because(err)
	case "42P01", "42883", "22023", "42501", "28000": // no table, no function, no role, no right: not migrated
		return payment.Errorf(payment.ReasonUnavailable, "The payment service is being set up. Try again later.").Because(fmt.Errorf("%w: %w", ErrNotSetUp, err))
	case "55P03", "57014", stateDeadlock, "40001": // lock or statement timeout, deadlock, serialization: all rolled back
		return unavailable(err)
	}
	switch pg.Code[:2] {
	case "08", "53", "57": // connection, resources, operator intervention
		return unavailable(err)
	}
	return payment.Errorf(payment.ReasonInternal, "The ledger could not do this, nothing was changed. Report it with the time.").Because(err)
}

func noPayment() *payment.Error {
	return payment.Errorf(payment.ReasonPaymentNotFound, "There is no such payment. Check its id.")
}

func otherBody() *payment.Error {
	return payment.Errorf(payment.ReasonIdempotencyConflict, "This idempotency key was used for another request. Use a new key for a new payment.")
}

func noBitcoin() *payment.Error {
	return payment.Errorf(payment.ReasonInvalidInput, "This wallet holds no bitcoin and cannot receive them. Use a BTC wallet.")
}

// found answers missing when there is no row.
func found(err error, missing *payment.Error) error {
	if isNoRows(err) {
		return missing
	}
	return coded(err)
}

package activities

import (
	"context"
	"errors"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// LockBudget reserves for a lock. A refusal is a result: asking again would not change it.
func (l *LedgerSteps) LockBudget(ctx context.Context, in step.LockInput) (step.Lock, error) {
	lock, err := l.Ledger.LockBudget(ctx, in.ID, in.KeyID, in.Amount, in.HoldFor)
	refusal, coded := errors.AsType[*payment.Error](err)
	switch {
	case err == nil:
		return step.Lock{State: lock.State}, nil
	case coded && refusal.Reason != payment.ReasonUnavailable && refusal.Reason != payment.ReasonInternal:
		return step.Lock{State: payment.LockRefused, Failure: &refusal.Failure}, nil
	default:
		return step.Lock{}, err
	}
}

// AskLock tells how a lock stands.
func (l *LedgerSteps) AskLock(ctx context.Context, id payment.ID) (step.Lock, error) {
	lock, err := l.Ledger.Lock(ctx, id)
	if payment.IsReason(err, payment.ReasonLockNotFound) {
		return step.Lock{State: payment.LockRefused}, nil
	}
	return step.Lock{State: lock.State}, err
}

// ReleaseLock gives a lock back that was never recorded, and tells how it stands.
func (l *LedgerSteps) ReleaseLock(ctx context.Context, id payment.ID) (step.Lock, error) {
	state, err := l.Ledger.ReleaseLock(ctx, id)
	return step.Lock{State: state}, err
}

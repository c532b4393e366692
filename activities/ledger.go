package activities

import (
	"context"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// LedgerSteps are the transactions of a saga. Each is one call, idempotent by payment id.
type LedgerSteps struct {
	Ledger *ledger.Ledger
}

// Reserve holds amount and fee reserve on the wallet and in the key's budget, or stores a refusal.
func (l *LedgerSteps) Reserve(ctx context.Context, req payment.Request) (payment.Outcome, error) {
	return outcomeOf(req, func() (ledger.Payment, error) { return l.Ledger.Reserve(ctx, req) })
}

// Transfer reserves and settles a payment between two wallets.
func (l *LedgerSteps) Transfer(ctx context.Context, req payment.Request) (payment.Outcome, error) {
	return outcomeOf(req, func() (ledger.Payment, error) { return l.Ledger.Transfer(ctx, req) })
}

// Settle posts the hold at the actual cost.
func (l *LedgerSteps) Settle(ctx context.Context, in step.SettleInput) (payment.Outcome, error) {
	row, err := l.Ledger.Settle(ctx, in.ID, in.Fee)
	return row.Outcome(), err
}

// Void gives the hold and the budget back, unless a newer attempt was fenced since the evidence: then it answers the row
// as it is.
func (l *LedgerSteps) Void(ctx context.Context, in step.VoidInput) (payment.Outcome, error) {
	row, err := l.Ledger.Void(ctx, in.Request, in.Failure, in.Attempt)
	return row.Outcome(), err
}

// outcomeOf turns the refusals that have no row of their own into an outcome: asking again would not change them.
func outcomeOf(req payment.Request, call func() (ledger.Payment, error)) (payment.Outcome, error) {
	row, err := call()
	if payment.IsReason(err, payment.ReasonIdempotencyConflict) || payment.IsReason(err, payment.ReasonInvalidInput) {
		failure := failureOf(err)
		return payment.Outcome{ID: req.ID, State: payment.Refused, Failure: &failure, Amount: req.Amount}, nil
	}
	return row.Outcome(), err
}

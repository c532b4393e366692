package starter

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// defaultHold is how long a lock waits to be recorded unless Config says otherwise.
const defaultHold = 15 * time.Minute

// LockBudget reserves an amount of a key's budget for a payment that the caller sends by itself, and answers the lock's
// ephemeral id. A workflow owns the lock: it is recorded or reversed, or released after Config.HoldLocks.
//
// Errors: ReasonBudgetExceeded (with the numbers), ReasonKeyNotFound, ReasonKeyInactive, ReasonInvalidAmount,
// ReasonUnavailable: there is no lock, or one that is given back because nobody learns of it.
func (s *Starter) LockBudget(ctx context.Context, key payment.KeyID, amount payment.Sat) (payment.ID, error) {
	if amount <= 0 || amount > payment.MaxSat {
		return payment.ID{}, payment.Errorf(payment.ReasonInvalidAmount, "The amount must be above zero and at most %v.", payment.MaxSat)
	}
	owned, err := s.ledger.Key(ctx, key)
	if err != nil {
		return payment.ID{}, err
	}
	in := step.LockInput{ID: payment.NewID(), KeyID: key, Amount: amount, HoldFor: s.cfg.HoldLocks}
	lock, err := s.startLock(ctx, client.StartWorkflowOptions{
		ID:                       workflows.LockID(in.ID),
		TaskQueue:                workflows.PaymentsQueue,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    workflows.LockAttributes(owned.AccountID, in),
		StaticSummary:            workflows.LockSummary(in, owned.Name),
		Priority:                 temporal.Priority{FairnessKey: owned.AccountID.String()},
	}, in)
	switch {
	case err != nil:
		s.forsake(ctx, in.ID)
		return payment.ID{}, payment.Errorf(payment.ReasonUnavailable, "The payment service did not answer in time. No budget is taken; try again.").Because(err)
	case lock.Failure != nil:
		return payment.ID{}, &payment.Error{Failure: *lock.Failure}
	case lock.State != payment.LockHeld:
		return payment.ID{}, payment.Errorf(payment.ReasonUnavailable, "The lock was given back before it could be answered. Try again.")
	}
	return in.ID, nil
}

func (s *Starter) startLock(ctx context.Context, options client.StartWorkflowOptions, in step.LockInput) (step.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	handle, err := s.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: s.temporal.NewWithStartWorkflowOperation(options, workflows.BudgetLock, in),
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: workflows.UpdateLocked, UpdateName: workflows.UpdateLocked, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	var lock step.Lock
	if err == nil {
		err = handle.Get(ctx, &lock)
	}
	return lock, err
}

// forsake cancels the workflow of a lock that nobody has learnt of: it gives the budget back at once. Should that not
// arrive either, it does so when the lock's time is over.
func (s *Starter) forsake(ctx context.Context, id payment.ID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), steerTime)
	defer cancel()
	if err := s.temporal.CancelWorkflow(ctx, workflows.LockID(id), ""); err != nil {
		s.log.Debug("a lock that nobody knows of is left to its time", "lock", id.String(), "error", err)
	}
}

// steerTime bounds what is told to a lock's workflow: it does without, later.
const steerTime = 2 * time.Second

// RecordSpend says that money has been spent: see ledger.RecordSpend, which also lists the errors. It writes the ledger
// itself, one idempotent transaction; the lock's workflow learns of it and ends.
func (s *Starter) RecordSpend(ctx context.Context, key payment.KeyID, lock payment.ID, amount payment.Sat, transaction string) error {
	if err := s.ledger.RecordSpend(ctx, key, lock, amount, transaction); err != nil {
		return err
	}
	if lock != uuid.Nil {
		s.lockResolved(ctx, lock)
	}
	return nil
}

// ReverseSpend gives a lock or a recorded transaction back, once: see ledger.ReverseSpend, which also lists the errors.
func (s *Starter) ReverseSpend(ctx context.Context, ref string) error {
	if err := s.ledger.ReverseSpend(ctx, ref); err != nil {
		return err
	}
	if lock, err := uuid.Parse(ref); err == nil { // what was recorded has no workflow any more
		s.lockResolved(ctx, lock)
	}
	return nil
}

// lockResolved is a hint: a workflow that misses it finds the lock resolved when its time is over.
func (s *Starter) lockResolved(ctx context.Context, id payment.ID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), steerTime)
	defer cancel()
	err := s.temporal.SignalWorkflow(ctx, workflows.LockID(id), "", workflows.SignalLockResolved, nil)
	if _, ended := errors.AsType[*serviceerror.NotFound](err); err != nil && !ended {
		s.log.Debug("a lock's workflow was not told", "lock", id.String(), "error", err)
	}
}

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Names by which the workflow of a budget lock is addressed.
const (
	UpdateLocked       = "locked"   // no input -> step.Lock: held or refused
	SignalLockResolved = "resolved" // no input: recorded or reversed, ask
)

// LockID is the workflow id of a lock.
func LockID(id payment.ID) string { return "lock-" + id.String() }

// LockAttributes are the search attributes of a lock at its start. Only the status changes later.
func LockAttributes(account payment.AccountID, in step.LockInput) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		AttrStatus.ValueSet("new"), AttrKind.ValueSet("lock"), AttrAccount.ValueSet(account.String()),
		AttrKey.ValueSet(in.KeyID.String()), AttrAmount.ValueSet(int64(in.Amount)),
	)
}

// BudgetLock owns one budget lock from its reservation to its end: a core API sends by itself, then records or reverses.
// What is never recorded is released when its time is over, so that a crash of anybody leaks nothing.
func BudgetLock(ctx workflow.Context, in step.LockInput) (step.Lock, error) {
	lock := budgetLock{in: in, resolved: workflow.GetSignalChannel(ctx, SignalLockResolved)}
	if err := workflow.SetUpdateHandler(ctx, UpdateLocked, lock.onLocked); err != nil {
		return step.Lock{}, err
	}
	if err := lock.record(ctx, step.LockBudget, "reserve the key's budget", in); err != nil {
		return step.Lock{}, err
	}
	if lock.state.State == payment.LockHeld {
		if err := lock.wait(ctx); err != nil {
			return step.Lock{}, err
		}
	}
	// No caller is turned away: whoever asks late is told how it stands.
	err := workflow.Await(detached(ctx), func() bool { return workflow.AllHandlersFinished(ctx) })
	return lock.state, err
}

type budgetLock struct {
	in       step.LockInput
	state    step.Lock
	answered bool
	resolved workflow.ReceiveChannel
}

// onLocked answers as soon as the ledger has held or refused.
func (l *budgetLock) onLocked(ctx workflow.Context) (step.Lock, error) {
	err := workflow.Await(detached(ctx), func() bool { return l.answered })
	return l.state, err
}

// wait lasts until the lock is recorded or reversed. When its time is over, or somebody cancels the workflow because
// nobody knows of the lock, it is released; the ledger leaves one that was recorded meanwhile as it is.
func (l *budgetLock) wait(ctx workflow.Context) error {
	timer := workflow.NewTimer(ctx, l.in.HoldFor) // fails at once when the workflow is cancelled
	for l.state.State == payment.LockHeld {
		release := false
		workflow.NewSelector(ctx).
			AddFuture(timer, func(workflow.Future) { release = true }).
			AddReceive(l.resolved, func(c workflow.ReceiveChannel, _ bool) { drain(c) }). // many hints are one
			Select(ctx)
		name, summary := step.AskLock, "ask how the lock stands"
		if release {
			name, summary = step.ReleaseLock, "release what was never recorded"
		}
		if err := l.record(ctx, name, summary, l.in.ID); err != nil {
			return err
		}
	}
	return nil
}

// record runs one transaction in the ledger and tells how the lock stands since.
func (l *budgetLock) record(ctx workflow.Context, name, summary string, input any) error {
	ctx = inLedger(detached(ctx), summary)
	var now step.Lock
	if err := workflow.ExecuteLocalActivity(ctx, name, input).Get(ctx, &now); err != nil {
		return err
	}
	was := l.state.State
	l.state, l.answered = now, true
	if was == now.State {
		return nil
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, AttrStatus.ValueSet(string(l.state.State))); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes were not updated", "lock", l.in.ID.String(), "error", err)
	}
	workflow.SetCurrentDetails(ctx, l.details(ctx))
	return nil
}

func (l *budgetLock) details(ctx workflow.Context) string {
	now := workflow.Now(ctx).UTC()
	text := fmt.Sprintf("**%s** since %s\n", l.state.State, now.Format("2006-01-02 15:04:05 UTC"))
	switch {
	case l.state.Failure != nil:
		text += fmt.Sprintf("\n%s: %s\n", l.state.Failure.Reason, l.state.Failure.Message)
	case l.state.State == payment.LockHeld:
		text += fmt.Sprintf("\nWaits to be recorded or reversed; it is released at %s.\n", now.Add(l.in.HoldFor).Format("15:04:05 UTC"))
	}
	return text
}

// LockSummary is the one line that names a lock in the workflow list.
func LockSummary(in step.LockInput, keyName string) string {
	return fmt.Sprintf("locks %v of key '%s'", in.Amount, keyName)
}

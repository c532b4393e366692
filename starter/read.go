package starter

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// watchEvery is how often Watch and Await read the row: a read by primary key.
const watchEvery = 100 * time.Millisecond

// Get reads a payment of an account; the zero account reads any, for operators. Errors: ReasonPaymentNotFound, ReasonUnavailable.
func (s *Starter) Get(ctx context.Context, account payment.AccountID, id payment.ID) (ledger.Payment, error) {
	row, err := s.ledger.Payment(ctx, id)
	if err == nil && account != (payment.AccountID{}) && row.AccountID != account {
		return ledger.Payment{}, payment.Errorf(payment.ReasonPaymentNotFound, "There is no payment %s. Check its id.", id)
	}
	return row, err
}

// List reads payments, newest first.
func (s *Starter) List(ctx context.Context, filter ledger.Filter) ([]ledger.Payment, error) {
	return s.ledger.Payments(ctx, filter)
}

// Watch calls seen with the payment now and after every change, until it is terminal, ctx ends, or seen returns an error.
// Errors: those of Get, ctx and seen.
func (s *Starter) Watch(ctx context.Context, account payment.AccountID, id payment.ID, seen func(ledger.Payment) error) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var last ledger.Payment
	for {
		row, err := s.Get(ctx, account, id)
		if err != nil {
			return err
		}
		if row.State != last.State || row.TxID != last.TxID || row.Expiry != last.Expiry {
			if err := seen(row); err != nil {
				return err
			}
		}
		if row.State.Terminal() {
			return nil
		}
		last = row
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Await waits until the payment is terminal or ctx ends, and gives the last row seen; running out of time is no error.
func (s *Starter) Await(ctx context.Context, account payment.AccountID, id payment.ID) (ledger.Payment, error) {
	var last ledger.Payment
	err := s.Watch(ctx, account, id, func(row ledger.Payment) error { last = row; return nil })
	if ctx.Err() != nil && last.ID == id {
		return last, nil
	}
	return last, err
}

// Recheck asks LND or the chain now, for an operator. Errors: see Answers and errors.
func (s *Starter) Recheck(ctx context.Context, id payment.ID) (ledger.Payment, error) {
	return s.steer(ctx, id, workflows.UpdateRecheck)
}

// Abandon gives a payment up where nothing can have left or can ever arrive; otherwise it is an error that says why not. An
// on-chain transaction that has left is taken back: the payment stays pending until that, or the payment after all, confirms.
// Errors: see Answers and errors.
func (s *Starter) Abandon(ctx context.Context, id payment.ID) (ledger.Payment, error) {
	return s.steer(ctx, id, workflows.UpdateAbandon)
}

func (s *Starter) steer(ctx context.Context, id payment.ID, update string, args ...any) (ledger.Payment, error) {
	row, err := s.ledger.Payment(ctx, id)
	if err != nil || row.State.Terminal() {
		return row, err
	}
	handle, err := s.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id.String(), UpdateName: update, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		if refused.Type() == workflows.RefusedEnded {
			return s.ledger.Payment(ctx, id)
		}
		text := refused.Message()
		if refused.Type() == workflows.RefusedNotSafe {
			text += " Wait until LND or the chain has the last word."
		}
		return row, payment.Errorf(reasonOfRefusal(refused.Type()), "%s", text).Because(err)
	}
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		if row, readErr := s.ledger.Payment(ctx, id); readErr == nil && row.State.Terminal() {
			return row, nil
		}
		return row, payment.Errorf(payment.ReasonUnavailable, "The payment has lost its workflow, which reconcile starts again within a minute. Try again then.").Because(err)
	}
	if err != nil {
		return row, payment.Errorf(payment.ReasonUnavailable, "The payment service did not answer in time. Try again.").Because(err)
	}
	return s.ledger.Payment(ctx, id)
}

// Hint tells a payment's saga that something changed. A saga that has ended needs no hint.
func (s *Starter) Hint(ctx context.Context, id payment.ID) error {
	err := s.temporal.SignalWorkflow(ctx, id.String(), "", workflows.SignalNews, nil)
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return nil
	}
	return err
}

package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// CallbackSteps tell callback endpoints what has happened: at least once, each message with an id that does not change.
type CallbackSteps struct {
	Ledger  *ledger.Ledger
	Client  *callback.Client
	Secrets callback.Secrets
	Now     func() time.Time
	Log     *slog.Logger
}

// giveUpAfter is how old an event is when a failed attempt to tell of it is the last one.
const giveUpAfter = 3 * 24 * time.Hour

// takenFor is how long after an attempt a delivery is left to its workflow: longer than the pause before the next attempt.
const takenFor = 2 * time.Hour

// TellCallback makes one attempt, and answers when the delivery has ended: told, or given up because the endpoint is gone, was
// deleted, or has failed for three days. Else it fails, so that it is asked again.
func (c *CallbackSteps) TellCallback(ctx context.Context, in step.Callback) (step.Told, error) {
	defer heartbeating(ctx)()
	d, err := c.Ledger.Delivery(ctx, in.ID)
	switch {
	case payment.IsReason(err, payment.ReasonNotFound): // it ended long ago
		return step.Told{State: string(ledger.DeliveryGivenUp), Why: "it is not known any more"}, nil
	case err != nil:
		return step.Told{}, err
	case d.State != ledger.DeliveryDue:
		return told(d), nil
	case d.URL == "":
		return c.ended(ctx, d, ledger.DeliveryGivenUp, "the endpoint was deleted")
	}
	answer, err := c.attempt(ctx, d)
	switch {
	case err != nil:
		return step.Told{}, err
	case answer.Delivered():
		return c.ended(ctx, d, ledger.DeliveryDelivered, "")
	case answer.Gone():
		return c.ended(ctx, d, ledger.DeliveryGivenUp, "the endpoint is gone: "+answer.Why)
	case c.Now().Sub(d.CreatedAt) >= giveUpAfter:
		return c.ended(ctx, d, ledger.DeliveryGivenUp, "it failed for three days; last: "+answer.Why)
	}
	if err := c.Ledger.RecordDelivery(ctx, d.ID, ledger.DeliveryDue, answer.Why, takenFor); err != nil {
		return step.Told{}, err
	}
	return step.Told{}, temporal.NewApplicationErrorWithOptions(answer.Why, "NOT_TAKEN",
		temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
}

// attempt composes the message of what the ledger says, signs and posts it.
func (c *CallbackSteps) attempt(ctx context.Context, d ledger.Delivery) (callback.Answer, error) {
	call := callback.Call{ID: d.ID, URL: d.URL, At: c.Now()}
	if d.EndpointID != uuid.Nil {
		if !c.Secrets.Set() {
			return callback.Answer{Why: "this worker has no HOLDFAST_CALLBACK_SECRET"}, nil // never unsigned to who expects a signature
		}
		call.Secret = c.Secrets.Of(d.EndpointID)
	}
	about, err := c.Ledger.Transaction(ctx, d.AccountID, d.TransactionID)
	if err != nil {
		return callback.Answer{}, err
	}
	if call.Body, err = callback.Compose(d, about); err != nil {
		return callback.Answer{}, err
	}
	return c.Client.Send(ctx, call)
}

// DropCallback gives a delivery up for an operator.
func (c *CallbackSteps) DropCallback(ctx context.Context, in step.Callback) (step.Told, error) {
	d, err := c.Ledger.Delivery(ctx, in.ID)
	if err != nil {
		return step.Told{}, err
	}
	if d.State != ledger.DeliveryDue {
		return told(d), nil
	}
	return c.ended(ctx, d, ledger.DeliveryGivenUp, "an operator gave it up")
}

// ended records the end of a delivery. If another attempt ended it meanwhile, that one counts.
func (c *CallbackSteps) ended(ctx context.Context, d ledger.Delivery, state ledger.DeliveryState, why string) (step.Told, error) {
	if err := c.Ledger.RecordDelivery(ctx, d.ID, state, why, takenFor); err != nil {
		return step.Told{}, err
	}
	if state == ledger.DeliveryGivenUp {
		c.Log.WarnContext(ctx, "callback given up", "callback", d.ID.String(), "account", d.AccountID.String(), "event", d.Event, "why", why)
	}
	d, err := c.Ledger.Delivery(ctx, d.ID)
	return told(d), err
}

func told(d ledger.Delivery) step.Told {
	return step.Told{State: string(d.State), Attempts: d.Attempts, Why: d.LastError, After: d.ResolvedAt.Sub(d.CreatedAt)}
}

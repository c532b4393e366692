package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// CallbacksQueue is the queue of deliveries to callback endpoints: strangers' servers must not take the slots of payments.
const CallbacksQueue = "callbacks"

// DispatcherID is the workflow id of the one dispatcher of callbacks.
const DispatcherID = "callbacks"

// CallbackID is the workflow id of a delivery.
func CallbackID(id payment.ID) string { return "callback-" + id.String() }

// CallbackAttributes are the search attributes of a delivery at its start. Only the status changes later.
func CallbackAttributes(account payment.AccountID) temporal.SearchAttributes {
	return temporal.NewSearchAttributes(AttrStatus.ValueSet("due"), AttrKind.ValueSet("callback"), AttrAccount.ValueSet(account.String()))
}

// DeliverCallback tells one endpoint of one event. The step is retried, 5 s, then twice as long each time up to an hour, without
// a limit here: it gives up by itself when the event is old and an attempt has failed, so that an outage of ours is none of the
// endpoint's. Waiting adds nothing to the history.
func DeliverCallback(ctx workflow.Context, in step.Callback) (step.Told, error) {
	var told step.Told
	err := workflow.ExecuteActivity(toEndpoint(ctx, "post the message until it is taken"), step.TellCallback, in).Get(ctx, &told)
	if temporal.IsCanceledError(err) { // by an operator: nobody else cancels
		ctx = detached(ctx)
		err = workflow.ExecuteActivity(toEndpoint(ctx, "give it up"), step.DropCallback, in).Get(ctx, &told)
	}
	if err != nil {
		return told, err
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, AttrStatus.ValueSet(told.State)); err != nil {
		workflow.GetLogger(ctx).Warn("search attributes were not updated", "callback", in.ID.String(), "error", err)
	}
	return told, nil
}

func toEndpoint(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           CallbacksQueue,
		Summary:             summary,
		StartToCloseTimeout: 30 * time.Second,
		HeartbeatTimeout:    5 * time.Second, // a killed worker is noticed soon
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    5 * time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    time.Hour,
		},
	})
}

// DispatchCallbacks keeps one dispatcher alive, wherever in the fleet: the activity starts a DeliverCallback for every delivery
// that is due. A new run every day keeps the history short.
func DispatchCallbacks(ctx workflow.Context) error {
	const day = 24 * time.Hour
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           WatchersQueue,
		StartToCloseTimeout: day + time.Hour,
		HeartbeatTimeout:    6 * time.Second,
		Summary:             "start what callback endpoints are to be told",
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    time.Second,
			BackoffCoefficient: 1.5,
			MaximumInterval:    5 * time.Second,
		},
	})
	if err := workflow.ExecuteActivity(ctx, step.DispatchCallbacks).Get(ctx, nil); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, DispatchCallbacks)
}

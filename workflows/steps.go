package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Every step is retried without end and without a schedule-to-close limit: a step that gives up would leave a payment
// without an owner. A step returns an error only when its context is cancelled.

// always is the schedule-to-close limit of a local activity: left out, it would be the start-to-close limit.
const always = 100 * 365 * 24 * time.Hour

// inLedger runs one SQL transaction as a local activity.
func inLedger(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout:    15 * time.Second,
		ScheduleToCloseTimeout: always,
		Summary:                summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    200 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    30 * time.Second,
		},
	})
}

// onNode runs a call to one LND node, on the queue of the workers that hold its credentials.
func onNode(ctx workflow.Context, node, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           NodeQueue(node),
		StartToCloseTimeout: 30 * time.Second,
		HeartbeatTimeout:    5 * time.Second, // a killed worker is noticed soon
		Summary:             summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    500 * time.Millisecond,
			BackoffCoefficient: 2,
			MaximumInterval:    30 * time.Second,
		},
	})
}

// onNodeBriefly is a call to one LND node that gives up after some seconds: somebody waits for the answer, and no money depends on it.
func onNodeBriefly(ctx workflow.Context, node, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              NodeQueue(node),
		StartToCloseTimeout:    4 * time.Second,
		ScheduleToCloseTimeout: 6 * time.Second,
		Summary:                summary,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: 2 * time.Second},
	})
}

// following asks again and again until the word is terminal. An attempt without one ends in a benign error, so that
// waiting for days adds nothing to the history.
func following(ctx workflow.Context, node, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           NodeQueue(node),
		StartToCloseTimeout: 30 * time.Second,
		HeartbeatTimeout:    5 * time.Second,
		WaitForCancellation: true, // an abandon must know that no attempt is under way
		Summary:             summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    30 * time.Second,
			BackoffCoefficient: 2,
			MaximumInterval:    15 * time.Minute,
		},
	})
}

// detached is a context that goes on when the workflow is cancelled.
func detached(ctx workflow.Context) workflow.Context {
	out, _ := workflow.NewDisconnectedContext(ctx) // never cancelled: the step must end by itself
	return out
}

// call runs a step on a node. After a cancel none is even scheduled: Temporal would schedule it and then ask to cancel it.
func call(ctx workflow.Context, name string, input, out any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return workflow.ExecuteActivity(ctx, name, input).Get(ctx, out)
}

func sendLightning(ctx workflow.Context, req payment.Request) (word step.Word, err error) {
	ctx = onNode(ctx, req.Node, "send through "+req.Node)
	err = call(ctx, step.SendLightning, req, &word)
	return word, err
}

func closeInvoice(ctx workflow.Context, req payment.Request) (closed step.Closed, err error) {
	ctx = onNode(ctx, req.Node, "cancel our invoice in "+req.Node+", so that nobody outside can pay it too")
	err = call(ctx, step.CloseInvoice, req, &closed)
	return closed, err
}

func estimateOnchain(ctx workflow.Context, req payment.Request) (quote step.Quote, err error) {
	ctx = onNode(ctx, req.Node, "estimate the miner fee")
	err = call(ctx, step.EstimateOnchain, req, &quote)
	return quote, err
}

func signOnchain(ctx workflow.Context, req payment.Request, satPerVByte uint64) (signed step.Signed, err error) {
	ctx = workflow.WithWaitForCancellation(onNode(ctx, req.Node, "fund, sign and store the transaction"), true) // or it would lease what is released
	err = call(ctx, step.SignOnchain, step.SignInput{Request: req, SatPerVByte: satPerVByte}, &signed)
	return signed, err
}

func publishOnchain(ctx workflow.Context, req payment.Request) (word step.Word, err error) {
	ctx = onNode(ctx, req.Node, "broadcast the stored transaction")
	err = call(ctx, step.PublishOnchain, req, &word)
	return word, err
}

func releaseInputs(ctx workflow.Context, req payment.Request) error {
	ctx = onNode(ctx, req.Node, "release the inputs")
	return call(ctx, step.ReleaseInputs, req.ID, nil)
}

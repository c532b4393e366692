package worker

import (
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/workflows"
)

// Callbacks is how callback endpoints are called.
type Callbacks struct {
	// Secrets of the endpoints. Without a master secret endpoints are not called.
	Secrets callback.Secrets
	// Inside allows http and addresses of this machine and its network: for development.
	Inside bool
}

const (
	// callbackSlots bounds the calls of strangers' servers that one process makes at once; each lasts up to callback.Timeout.
	callbackSlots = 64
	// perEndpoint bounds the deliveries to one endpoint that are with Temporal.
	perEndpoint = 100
)

// callbacks is the worker of the queue of deliveries: payments never wait for its slots.
func (c Config) callbacks(options worker.Options) worker.Worker {
	options.MaxConcurrentActivityExecutionSize = callbackSlots
	w := worker.New(c.Temporal, workflows.CallbacksQueue, options)
	registerCallbacks(w, &activities.CallbackSteps{
		Ledger: c.Ledger, Client: callback.NewClient(c.Callbacks.Inside), Secrets: c.Callbacks.Secrets, Now: time.Now, Log: c.Log,
	})
	return w
}

func (c Config) dispatchSteps() *activities.DispatchSteps {
	return &activities.DispatchSteps{
		Ledger: c.Ledger, Start: c.Starter.StartDelivery, Every: time.Second, PerLine: perEndpoint, Log: c.Log, Shift: 24 * time.Hour,
	}
}

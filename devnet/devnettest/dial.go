package devnettest

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
)

// Dial connects to Temporal once it answers and knows the namespace and these search attributes everywhere: it starts a workflow
// that nobody serves with them, and ends it. Address and log are its own; the other options are the caller's.
func (c *Core) Dial(ctx context.Context, options client.Options, attributes temporal.SearchAttributes) (client.Client, error) {
	const pause, ready = 100 * time.Millisecond, "ready"
	options.HostPort, options.Logger = c.Temporal, log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		dialled, err := client.DialContext(ctx, options)
		if err == nil {
			_, err = dialled.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: ready, TaskQueue: "nobody", TypedSearchAttributes: attributes}, "Nobody")
			if err == nil {
				err = dialled.TerminateWorkflow(ctx, ready, "", ready)
			}
			if err == nil {
				return dialled, nil
			}
			dialled.Close()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// heartbeating tells Temporal that this attempt is alive until the returned function is called.
func heartbeating(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(done) }
}

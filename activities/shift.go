package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
)

// shiftOf is for activities that run once in the fleet and long: it ends with its time, with a worker that stops, or with the
// activity itself. Temporal then starts the next shift, here or elsewhere.
func shiftOf(ctx context.Context, length time.Duration) (context.Context, context.CancelFunc) {
	shift, cancel := context.WithTimeout(ctx, length)
	go func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			cancel()
		case <-shift.Done():
		}
	}()
	return shift, cancel
}

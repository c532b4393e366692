package activities

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/holdfast-pay/holdfast/ledger"
)

// StartDelivery starts the workflow of a delivery unless it runs already.
type StartDelivery func(ctx context.Context, d ledger.Delivery) error

// DispatchSteps start the deliveries that are due, in one process of the fleet at a time.
type DispatchSteps struct {
	Ledger  *ledger.Ledger
	Start   StartDelivery
	Every   time.Duration // between two looks when the database does not tell of news
	PerLine int           // deliveries to one endpoint that have a workflow at once; the others wait in the ledger
	Log     *slog.Logger
	Shift   time.Duration // how long one activity dispatches before it ends by itself
}

// errStops ends the shift of a worker that is stopping; Temporal starts it again elsewhere.
var errStops = errors.New("this worker is stopping")

// DispatchCallbacks runs until its shift ends, the ledger or Temporal fails, or the worker stops; Temporal then starts it again,
// here or elsewhere. Two at once, when one was thought dead, start nothing twice.
func (s *DispatchSteps) DispatchCallbacks(ctx context.Context) error {
	defer heartbeating(ctx)()
	shift, cancel := shiftOf(ctx, s.Shift)
	defer cancel()
	changes := ledger.NewChanges(s.Ledger, s.Every, s.Log)
	wake, done := changes.Subscribe(ledger.AnyTopic)
	defer done()
	both, running := errgroup.WithContext(shift)
	both.Go(func() error { return changes.Run(running) })
	both.Go(func() error { return s.dispatch(running, wake) })
	err := both.Wait()
	switch {
	case errors.Is(shift.Err(), context.DeadlineExceeded):
		return nil // the shift is over
	case shift.Err() != nil:
		return errStops
	default:
		return err
	}
}

// dispatch looks when there may be something, and every so often; not more often than ten times a second, since news are of
// everything that moves.
func (s *DispatchSteps) dispatch(ctx context.Context, wake <-chan struct{}) error {
	const rest = 100 * time.Millisecond
	look := time.NewTicker(s.Every)
	defer look.Stop()
	pause := time.NewTicker(rest)
	defer pause.Stop()
	after := uuid.UUID{}
	for {
		var err error
		if after, err = s.round(ctx, after); err != nil {
			return err
		}
		if after != uuid.Nil {
			continue
		}
		select {
		case <-wake:
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// round starts some of what is due, of the lines after one, and answers the line to go on after: zero when it has come to the
// last. So every line has its turn, however much others have.
func (s *DispatchSteps) round(ctx context.Context, after uuid.UUID) (uuid.UUID, error) {
	const batch = 200
	due, err := s.Ledger.DeliveriesToStart(ctx, ledger.DeliveryBatch{After: after, PerLine: s.PerLine, Limit: batch})
	if err != nil || len(due) == 0 {
		return uuid.Nil, err
	}
	started, err := s.startAll(ctx, due)
	if taken := s.Ledger.TakeDeliveries(ctx, started, takenFor); taken != nil || err != nil {
		return uuid.Nil, errors.Join(err, taken)
	}
	if len(due) < batch {
		return uuid.Nil, nil
	}
	return due[len(due)-1].Line, nil
}

// startAll answers those that have a workflow now. One that cannot be started does not keep the others.
func (s *DispatchSteps) startAll(ctx context.Context, due []ledger.Delivery) (started []uuid.UUID, err error) {
	const sideBySide = 8
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for _, d := range due {
		group.Go(func() error {
			failed := s.Start(ctx, d)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = errors.Join(err, failed)
				return nil
			}
			started = append(started, d.ID)
			return nil
		})
	}
	_ = group.Wait() // what fails is in err
	return started, err
}

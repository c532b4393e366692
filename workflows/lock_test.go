package workflows_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

const hold = 15 * time.Minute

// lockRow is the ledger's row of one lock. Its steps are as idempotent and conditional as the real ones.
type lockRow struct {
	mu      sync.Mutex
	state   payment.LockState
	refuses *payment.Failure
	away    map[string]int // so many calls of a step fail first
}

func (r *lockRow) call(name string) (step.Lock, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away[name] > 0 {
		r.away[name]--
		return step.Lock{}, errAway
	}
	switch {
	case name == step.LockBudget && r.refuses != nil:
		return step.Lock{State: payment.LockRefused, Failure: r.refuses}, nil
	case name == step.LockBudget && r.state == "":
		r.state = payment.LockHeld
	case name == step.ReleaseLock && r.state == payment.LockHeld:
		r.state = payment.LockReleased
	}
	return step.Lock{State: r.state}, nil
}

// caller does what a core API does: it changes the row, whatever the workflow knows.
func (r *lockRow) becomes(state payment.LockState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == payment.LockHeld {
		r.state = state
	}
}

// on registers the steps wherever a test or a recording needs them.
func (r *lockRow) on(register func(name string, fn any)) {
	register(step.LockBudget, func(context.Context, step.LockInput) (step.Lock, error) { return r.call(step.LockBudget) })
	register(step.AskLock, func(context.Context, payment.ID) (step.Lock, error) { return r.call(step.AskLock) })
	register(step.ReleaseLock, func(context.Context, payment.ID) (step.Lock, error) { return r.call(step.ReleaseLock) })
}

func lockInput() step.LockInput {
	return step.LockInput{ID: payment.NewID(), KeyID: payment.NewID(), Amount: 5000, HoldFor: hold}
}

func newLock(t *testing.T, row *lockRow) (*testsuite.TestWorkflowEnvironment, *recorder) {
	t.Helper()
	env, seen := newChore(t)
	row.on(func(name string, fn any) { register(env, name, fn) })
	return env, seen
}

// runLock runs a lock to its end and answers it, its caller's answer, and how long it took.
func runLock(t *testing.T, env *testsuite.TestWorkflowEnvironment) (end, told step.Lock, took time.Duration) {
	t.Helper()
	begun := env.Now()
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(workflows.UpdateLocked, "caller", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(err error) { t.Error(err) },
			OnComplete: func(result any, err error) {
				if err != nil {
					t.Error(err)
				}
				told, _ = result.(step.Lock)
			},
		})
	}, 0)
	env.ExecuteWorkflow("BudgetLock", lockInput())
	if err := env.GetWorkflowResult(&end); err != nil {
		t.Fatal(err)
	}
	return end, told, env.Now().Sub(begun)
}

func wantSteps(t *testing.T, seen *recorder, steps ...string) {
	t.Helper()
	if got := seen.trace(); !slices.Equal(got, steps) {
		t.Errorf("steps:\n got %q\nwant %q", got, steps)
	}
}

func TestLockRecordedBeforeItsEnd(t *testing.T) {
	for _, state := range []payment.LockState{payment.LockRecorded, payment.LockReversed} {
		t.Run(string(state), func(t *testing.T) {
			row := &lockRow{}
			env, seen := newLock(t, row)
			env.RegisterDelayedCallback(func() {
				row.becomes(state)
				env.SignalWorkflow(workflows.SignalLockResolved, nil)
			}, 7*time.Minute)
			end, told, took := runLock(t, env)
			if end.State != state || told.State != payment.LockHeld || took > 8*time.Minute {
				t.Errorf("ended %s after %v, told %s", end.State, took, told.State)
			}
			wantSteps(t, seen, "LockBudget", "AskLock")
			if !slices.Equal(seen.statuses, []string{"held", string(state)}) {
				t.Errorf("statuses %q", seen.statuses)
			}
		})
	}
}

// A crash of the caller leaks nothing.
func TestLockNeverRecorded(t *testing.T) {
	env, seen := newLock(t, &lockRow{})
	end, told, took := runLock(t, env)
	if end.State != payment.LockReleased || told.State != payment.LockHeld || took < hold || took > hold+time.Minute {
		t.Errorf("ended %s after %v, told %s", end.State, took, told.State)
	}
	wantSteps(t, seen, "LockBudget", "ReleaseLock")
}

// A crash of ours between the record and the signal changes nothing: the ledger keeps what was recorded.
func TestLockRecordedAndNeverTold(t *testing.T) {
	row := &lockRow{}
	env, seen := newLock(t, row)
	env.RegisterDelayedCallback(func() { row.becomes(payment.LockRecorded) }, time.Minute)
	end, _, _ := runLock(t, env)
	if end.State != payment.LockRecorded {
		t.Errorf("ended %s", end.State)
	}
	wantSteps(t, seen, "LockBudget", "ReleaseLock")
}

// A signal is a hint to ask: neither many of them nor early ones end a lock that is held.
func TestLockSignalsAreHints(t *testing.T) {
	row := &lockRow{}
	env, seen := newLock(t, row)
	hint := func() { env.SignalWorkflow(workflows.SignalLockResolved, nil) }
	env.RegisterDelayedCallback(func() { hint(); hint(); hint() }, time.Minute)
	env.RegisterDelayedCallback(func() { row.becomes(payment.LockRecorded); hint(); hint() }, 5*time.Minute)
	end, _, took := runLock(t, env)
	if end.State != payment.LockRecorded || took > 6*time.Minute {
		t.Errorf("ended %s after %v", end.State, took)
	}
	asks := 0
	for _, did := range seen.trace() {
		if did == "AskLock" {
			asks++
		}
		if did == "ReleaseLock" {
			t.Error("released by a hint")
		}
	}
	if asks < 2 || asks > 5 {
		t.Errorf("asked %d times", asks)
	}
}

func TestLockRefused(t *testing.T) {
	row := &lockRow{refuses: refusal(payment.ReasonBudgetExceeded)}
	env, seen := newLock(t, row)
	end, told, took := runLock(t, env)
	if end.State != payment.LockRefused || told.Failure == nil || told.Failure.Reason != payment.ReasonBudgetExceeded || took > time.Second {
		t.Errorf("ended %+v after %v, told %+v", end, took, told)
	}
	wantSteps(t, seen, "LockBudget")
}

// A lock of which its caller never learnt is cancelled: it gives the budget back at once.
func TestLockCancelled(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "later": time.Minute} {
		t.Run(name, func(t *testing.T) {
			env, seen := newLock(t, &lockRow{})
			env.RegisterDelayedCallback(env.CancelWorkflow, after)
			end, _, took := runLock(t, env)
			if end.State != payment.LockReleased || took > 2*time.Minute {
				t.Errorf("ended %s after %v", end.State, took)
			}
			wantSteps(t, seen, "LockBudget", "ReleaseLock")
		})
	}
}

func TestLockWithTheLedgerAway(t *testing.T) {
	row := &lockRow{away: map[string]int{step.LockBudget: 3, step.ReleaseLock: 9}}
	env, seen := newLock(t, row)
	end, told, _ := runLock(t, env)
	if end.State != payment.LockReleased || told.State != payment.LockHeld {
		t.Errorf("ended %s, told %s", end.State, told.State)
	}
	wantSteps(t, seen, "LockBudget", "ReleaseLock")
	for _, o := range seen.local {
		if o.ScheduleToCloseTimeout < 365*day || o.StartToCloseTimeout > time.Minute || o.Summary == "" {
			t.Errorf("options %+v", o)
		}
	}
}

// lockPlays are the histories to record.
func lockPlays() []play {
	short := lockInput()
	short.HoldFor = 2 * time.Second
	hint := func(ctx context.Context, c *cast) error {
		return c.temporal.SignalWorkflow(ctx, c.id, "", workflows.SignalLockResolved, nil)
	}
	held := func(ctx context.Context, c *cast) error { return c.update(ctx, workflows.UpdateLocked) }
	scene := func(file string, in step.LockInput, row *lockRow, moves ...func(context.Context, *cast) error) play {
		return play{file: file, workflow: "BudgetLock", req: base(""), input: in, steps: func(c *cast) { row.on(c.on) },
			drive: func(ctx context.Context, c *cast) error {
				for _, move := range moves {
					if err := move(ctx, c); err != nil {
						return err
					}
				}
				return c.end(ctx)
			}}
	}
	recorded := &lockRow{}
	record := func(context.Context, *cast) error { recorded.becomes(payment.LockRecorded); return nil }
	return []play{
		scene("lock-recorded", lockInput(), recorded, held, hint, record, hint),
		scene("lock-released", short, &lockRow{}, held),
		scene("lock-refused", short, &lockRow{refuses: refusal(payment.ReasonBudgetExceeded)}),
		scene("lock-canceled", lockInput(), &lockRow{}, held, func(ctx context.Context, c *cast) error {
			return c.temporal.CancelWorkflow(ctx, c.id, "")
		}),
	}
}

package workflows_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// endpoint is a stranger's server: what it answers each time, the last again and again.
type endpoint struct {
	answers []step.Told // State due: not taken
	asked   []time.Time
	dropped int
}

func (e *endpoint) tell(now time.Time) (step.Told, error) {
	answer := e.answers[min(len(e.asked), len(e.answers)-1)]
	e.asked = append(e.asked, now)
	if answer.State == "due" {
		return step.Told{}, temporal.NewApplicationErrorWithOptions(answer.Why, "NOT_TAKEN",
			temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
	}
	return answer, nil
}

func (e *endpoint) on(register func(name string, fn any), now func() time.Time) {
	register(step.TellCallback, func(context.Context, step.Callback) (step.Told, error) { return e.tell(now()) })
	register(step.DropCallback, func(context.Context, step.Callback) (step.Told, error) {
		e.dropped++
		return step.Told{State: "given_up", Why: "an operator gave it up"}, nil
	})
}

var (
	notTaken  = step.Told{State: "due", Why: "it answered HTTP 500"}
	delivered = step.Told{State: "delivered"}
	gone      = step.Told{State: "given_up", Why: "the endpoint is gone"}
)

func TestCallbackIsRetriedUntilItIsTaken(t *testing.T) {
	env, seen := newChore(t)
	e := &endpoint{answers: []step.Told{notTaken, notTaken, notTaken, delivered}}
	e.on(func(name string, fn any) { register(env, name, fn) }, env.Now)
	env.ExecuteWorkflow("DeliverCallback", step.Callback{ID: payment.NewID()})
	var told step.Told
	if err := env.GetWorkflowResult(&told); err != nil || told != delivered {
		t.Fatalf("%+v, %v", told, err)
	}
	var pauses []time.Duration
	for i := 1; i < len(e.asked); i++ {
		pauses = append(pauses, e.asked[i].Sub(e.asked[i-1]).Round(time.Second))
	}
	if want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}; !slices.Equal(pauses, want) {
		t.Errorf("pauses %v, want %v", pauses, want)
	}
	if !slices.Equal(seen.statuses, []string{"delivered"}) || e.dropped != 0 {
		t.Errorf("statuses %q, dropped %d", seen.statuses, e.dropped)
	}
	for _, did := range seen.scheduled {
		if did.options.TaskQueue != workflows.CallbacksQueue || did.options.ScheduleToCloseTimeout != 0 || did.options.HeartbeatTimeout == 0 || did.options.Summary == "" {
			t.Errorf("%s: %+v", did.name, did.options)
		}
	}
	wantSteps(t, seen, "TellCallback")
}

// A dead endpoint is asked for days, at most an hour apart, and that it is given up is a result. The workflow sets no end of its
// own: while all of ours is down nobody is given up.
func TestCallbackIsGivenUpAfterDays(t *testing.T) {
	env, seen := newChore(t)
	begun := env.Now()
	e := &endpoint{answers: []step.Told{notTaken}}
	register(env, step.TellCallback, func(context.Context, step.Callback) (step.Told, error) {
		if env.Now().Sub(begun) >= 3*day {
			e.answers = []step.Told{{State: "given_up", Why: "it failed for three days"}}
		}
		return e.tell(env.Now())
	})
	env.ExecuteWorkflow("DeliverCallback", step.Callback{ID: payment.NewID()})
	var told step.Told
	if err := env.GetWorkflowResult(&told); err != nil || told.State != "given_up" || told.Why == "" {
		t.Fatalf("%+v, %v", told, err)
	}
	if took := env.Now().Sub(begun); took < 3*day || took > 3*day+2*time.Hour {
		t.Errorf("given up after %v", took)
	}
	for i := 1; i < len(e.asked); i++ {
		if pause := e.asked[i].Sub(e.asked[i-1]); pause > time.Hour+time.Minute {
			t.Errorf("a pause of %v", pause)
		}
	}
	if n := len(e.asked); n < 72 || n > 90 {
		t.Errorf("%d attempts", n)
	}
	if !slices.Equal(seen.statuses, []string{"given_up"}) {
		t.Errorf("statuses %q", seen.statuses)
	}
	wantSteps(t, seen, "TellCallback")
}

func TestCallbackToAnEndpointThatIsGone(t *testing.T) {
	env, seen := newChore(t)
	e := &endpoint{answers: []step.Told{gone}}
	e.on(func(name string, fn any) { register(env, name, fn) }, env.Now)
	env.ExecuteWorkflow("DeliverCallback", step.Callback{ID: payment.NewID()})
	var told step.Told
	if err := env.GetWorkflowResult(&told); err != nil || told != gone || len(e.asked) != 1 {
		t.Errorf("%+v, %v after %d attempts", told, err, len(e.asked))
	}
	if !slices.Equal(seen.statuses, []string{"given_up"}) {
		t.Errorf("statuses %q", seen.statuses)
	}
}

// An operator's cancel gives it up, in the ledger too.
func TestCallbackCancelled(t *testing.T) {
	env, _ := newChore(t)
	e := &endpoint{answers: []step.Told{notTaken}}
	e.on(func(name string, fn any) {
		if name == step.TellCallback {
			calls := 0
			fn = func(context.Context, step.Callback) (step.Told, error) {
				if calls++; calls > 5 { // the test environment goes on retrying what was cancelled
					return step.Told{}, temporal.NewCanceledError()
				}
				return e.tell(env.Now())
			}
		}
		register(env, name, fn)
	}, env.Now)
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	env.ExecuteWorkflow("DeliverCallback", step.Callback{ID: payment.NewID()})
	var told step.Told
	if err := env.GetWorkflowResult(&told); err != nil || told.State != "given_up" || e.dropped != 1 {
		t.Errorf("%+v, %v, dropped %d", told, err, e.dropped)
	}
}

func TestDispatcherGoesOn(t *testing.T) {
	env, seen := newChore(t)
	register(env, step.DispatchCallbacks, func(context.Context) error { return nil })
	env.ExecuteWorkflow("DispatchCallbacks")
	if again, ok := errors.AsType[*workflow.ContinueAsNewError](env.GetWorkflowError()); !ok || again.WorkflowType.Name != "DispatchCallbacks" {
		t.Errorf("ended with %v", env.GetWorkflowError())
	}
	if o := seen.scheduled[0].options; o.TaskQueue != workflows.WatchersQueue || o.HeartbeatTimeout == 0 || o.HeartbeatTimeout > 10*time.Second {
		t.Errorf("options %+v", o)
	}
}

// callbackPlays are the histories to record.
func callbackPlays() []play {
	scene := func(file string, drive func(context.Context, *cast) error, answers ...step.Told) play {
		e := &endpoint{answers: answers}
		return play{file: file, workflow: "DeliverCallback", req: base(""), input: step.Callback{ID: payment.NewID()}, drive: drive,
			steps: func(c *cast) { e.on(c.on, time.Now) }}
	}
	dispatch := func(c *cast) {
		runs := 0
		c.on(step.DispatchCallbacks, func(ctx context.Context) error {
			if runs++; runs == 1 {
				return nil
			}
			_, err := waits(ctx)
			return err
		})
	}
	return []play{
		scene("callback-delivered", nil, delivered),
		scene("callback-retried", nil, notTaken, delivered),
		scene("callback-given-up", nil, gone),
		scene("callback-canceled", func(ctx context.Context, c *cast) error {
			if err := c.temporal.CancelWorkflow(ctx, c.id, ""); err != nil {
				return err
			}
			return c.end(ctx)
		}, notTaken),
		{file: "dispatchcallbacks", workflow: "DispatchCallbacks", req: base(""), steps: dispatch, firstRun: true, drive: secondRun, noInput: true},
	}
}

package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

const testNode = "bank"

// saga is one workflow in Temporal's test environment, which skips time, with a ledger of one row and steps that answer
// what the test says.
type saga struct {
	t     *testing.T
	env   *testsuite.TestWorkflowEnvironment
	req   payment.Request
	books *books
	seen  *recorder
	begun time.Time
	told  *reply // to an operator who disturbed it

	mu    sync.Mutex
	asked map[string]int // calls of node steps, by name
}

func newSaga(t *testing.T, req payment.Request) *saga {
	t.Helper()
	t.Parallel()
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	s := &saga{
		t: t, env: suite.NewTestWorkflowEnvironment(), req: req,
		books: newBooks(req), seen: &recorder{}, asked: map[string]int{},
	}
	s.env.SetWorkerOptions(worker.Options{DisableRegistrationAliasing: true, Interceptors: []interceptor.WorkerInterceptor{s.seen}})
	s.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: req.ID.String(), TaskQueue: workflows.PaymentsQueue})
	s.env.SetTestTimeout(10 * time.Second) // of real time: longer than a busy machine pauses
	s.env.SetOnActivityCanceledListener(func(info *activity.Info) { s.seen.cancel(info.ActivityType.Name, info.ActivityID) })
	registerWorkflows(s.env)
	register(s.env, step.Reserve, func(_ context.Context, in payment.Request) (payment.Outcome, error) { return s.books.reserve(in) })
	register(s.env, step.Transfer, func(_ context.Context, in payment.Request) (payment.Outcome, error) { return s.books.transfer(in) })
	register(s.env, step.Settle, func(_ context.Context, in step.SettleInput) (payment.Outcome, error) { return s.books.settle(in) })
	register(s.env, step.Void, func(_ context.Context, in step.VoidInput) (payment.Outcome, error) { return s.books.void(in) })
	for _, name := range []string{
		step.SendLightning, step.FollowLightning, step.AbandonLightning, step.PublishOnchain, step.AskOnchain, step.FollowOnchain, step.AbandonOnchain,
	} {
		s.says(name, s.unexpected(name))
	}
	return s
}

// unexpected is a call that the test has not scripted. It ends the saga, so that the test ends too.
func (s *saga) unexpected(name string) answer {
	return func() (step.Word, error) {
		s.t.Errorf("unexpected call of %s", name)
		return s.notPaid(payment.ReasonInternal)()
	}
}

// registerWorkflows names the workflows as worker/register.go does.
func registerWorkflows(w worker.WorkflowRegistry) {
	for name, fn := range map[string]any{
		"Lightning": workflows.Lightning, "Onchain": workflows.Onchain, "Intraledger": workflows.Intraledger,
		"CreateInvoice": workflows.CreateInvoice, "CreateAddress": workflows.CreateAddress,
		"WatchNode": workflows.WatchNode, "Reconcile": workflows.Reconcile, "ReconcileNode": workflows.ReconcileNode, "BudgetLock": workflows.BudgetLock,
		"DeliverCallback": workflows.DeliverCallback, "DispatchCallbacks": workflows.DispatchCallbacks,
		"CancelInvoice": workflows.CancelInvoice, "ProbeFee": workflows.ProbeFee, "EstimateFee": workflows.EstimateFee,
	} {
		w.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name})
	}
}

func register(w worker.ActivityRegistry, name string, fn any) {
	w.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name, DisableAlreadyRegisteredCheck: true})
}

// answer is what one call of a step says.
type answer func() (step.Word, error)

// says scripts a step that answers with a word: one answer per call, the last one again and again. Like the real steps,
// it says what a terminal row says before anything else, and a Follow step fails until its word is terminal.
func (s *saga) says(name string, answers ...answer) {
	register(s.env, name, func(ctx context.Context, _ payment.Request) (step.Word, error) {
		if s.seen.isCancelled(activity.GetInfo(ctx).ActivityID) { // the test environment goes on retrying it
			return step.Word{}, temporal.NewNonRetryableApplicationError("cancelled", "CANCELLED", nil)
		}
		s.mu.Lock()
		call := s.asked[name]
		s.asked[name]++
		s.mu.Unlock()
		word, ended := s.books.ended()
		var err error
		if !ended {
			word, err = answers[min(call, len(answers)-1)]()
		}
		if follows := name == step.FollowLightning || name == step.FollowOnchain; follows && err == nil && !word.Terminal() {
			err = errors.New("not final yet")
		}
		return word, err
	})
}

// times a node step was called, attempts included.
func (s *saga) times(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// flying is LND or the mempool having it: fenced once, pending.
func (s *saga) flying() (step.Word, error) {
	if _, attempt := s.books.now(); attempt == 0 {
		s.books.fence()
	}
	s.books.pending()
	return step.Word{Status: step.InFlight, Expiry: 840_000, TxID: s.books.txid, Note: "1 HTLC in flight until block 840000"}, nil
}

func (s *saga) paid(fee payment.Msat) answer {
	return func() (step.Word, error) {
		if _, attempt := s.books.now(); attempt == 0 {
			s.books.fence()
		}
		return step.Word{Status: step.Paid, Fee: fee, TxID: s.books.txid}, nil
	}
}

// notPaid is a terminal no about the latest fence.
func (s *saga) notPaid(reason payment.Reason) answer {
	return func() (step.Word, error) {
		_, attempt := s.books.now()
		return step.Word{Status: step.NotPaid, Failure: &payment.Failure{Reason: reason, Message: "no"}, Attempt: attempt}, nil
	}
}

// sentThenNo is a send that was fenced and came to nothing.
func (s *saga) sentThenNo(reason payment.Reason) answer {
	return func() (step.Word, error) {
		s.books.fence()
		return s.notPaid(reason)()
	}
}

func away() (step.Word, error) { return step.Word{}, errAway }

// during lets something happen to the workflow while a step runs; it has happened when the step's answer arrives.
func during(event func(), then answer) answer {
	return func() (step.Word, error) {
		event()
		return then()
	}
}

// at does something after a time of the workflow.
func (s *saga) at(after time.Duration, do func()) { s.env.RegisterDelayedCallback(do, after) }

func (s *saga) hint()   { s.env.SignalWorkflow(workflows.SignalNews, nil) }
func (s *saga) cancel() { s.env.CancelWorkflow() }

// reply is what became of an update.
type reply struct {
	accepted bool
	rejected error
	done     bool
	outcome  payment.Outcome
	err      error
	took     time.Duration // of the workflow's time, since it began
}

var updateIDs = struct {
	sync.Mutex
	last int
}{}

// update asks the saga something; the reply is filled in when it answers.
func (s *saga) update(name string, args ...any) *reply {
	updateIDs.Lock()
	updateIDs.last++
	id := fmt.Sprint(name, updateIDs.last)
	updateIDs.Unlock()
	out := &reply{}
	s.env.UpdateWorkflow(name, id, &testsuite.TestUpdateCallback{
		OnAccept: func() { out.accepted = true },
		OnReject: func(err error) {
			out.rejected = err
			s.seen.add("rejected %s", name)
		},
		OnComplete: func(result any, err error) {
			out.done, out.err, out.took = true, err, s.env.Now().Sub(s.begun)
			if outcome, ok := result.(payment.Outcome); ok {
				out.outcome = outcome
			}
			if err != nil {
				s.seen.add("told %s: refused", name)
				return
			}
			s.seen.add("told %s: %s", name, out.outcome.State)
		},
	}, args...)
	return out
}

// run executes the saga to its end, which must be a result that agrees with a terminal row: whatever happens.
func (s *saga) run(name string) payment.Outcome {
	s.t.Helper()
	s.begun = s.env.Now()
	s.env.ExecuteWorkflow(name, s.req)
	if !s.env.IsWorkflowCompleted() {
		s.t.Fatal("the workflow did not end")
	}
	var out payment.Outcome
	if err := s.env.GetWorkflowResult(&out); err != nil {
		s.t.Fatalf("a saga must end with a result, not with: %v\nsteps: %v", err, s.seen.trace())
	}
	state, _ := s.books.now()
	if !state.Terminal() {
		s.t.Errorf("the saga ended although its row is %q", state)
	}
	if out.State != state {
		s.t.Errorf("the saga says %q, the row %q", out.State, state)
	}
	for _, did := range s.seen.scheduled {
		if did.options.TaskQueue != workflows.NodeQueue(testNode) {
			s.t.Errorf("%s was scheduled on queue %q", did.name, did.options.TaskQueue)
		}
	}
	return out
}

// wants compares the steps that were taken.
func (s *saga) wants(steps ...string) {
	s.t.Helper()
	if got := s.seen.trace(); !slices.Equal(got, steps) {
		s.t.Errorf("steps:\n got %q\nwant %q", got, steps)
	}
}

// wantsInOrder compares the order of some steps, where what is between them depends on which of two answers is faster.
func (s *saga) wantsInOrder(steps ...string) {
	s.t.Helper()
	rest := steps
	for _, did := range s.seen.trace() {
		if len(rest) > 0 && did == rest[0] {
			rest = rest[1:]
		}
	}
	if len(rest) > 0 {
		s.t.Errorf("steps:\n got %q\nwant in this order %q", s.seen.trace(), steps)
	}
}

// wantsEnd compares state and reason.
func (s *saga) wantsEnd(got payment.Outcome, state payment.State, reason payment.Reason) {
	s.t.Helper()
	var why payment.Reason
	if got.Failure != nil {
		why = got.Failure.Reason
	}
	if got.State != state || why != reason {
		s.t.Errorf("ended %s %q, want %s %q", got.State, why, state, reason)
	}
}

// broken is a step that fails in a way that no retry helps.
func broken() (step.Word, error) {
	return step.Word{}, temporal.NewNonRetryableApplicationError("broken", "BROKEN", nil)
}

package workflows_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// newChore is an environment for what is no saga.
func newChore(t *testing.T) (*testsuite.TestWorkflowEnvironment, *recorder) {
	t.Helper()
	t.Parallel()
	suite := testsuite.WorkflowTestSuite{}
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env, seen := suite.NewTestWorkflowEnvironment(), &recorder{}
	env.SetWorkerOptions(worker.Options{DisableRegistrationAliasing: true, Interceptors: []interceptor.WorkerInterceptor{seen}})
	env.SetTestTimeout(10 * time.Second)
	registerWorkflows(env)
	return env, seen
}

func TestCreateInvoice(t *testing.T) {
	env, seen := newChore(t)
	in := step.InvoiceInput{WalletID: payment.NewID(), AccountID: payment.NewID(), Node: testNode, Amount: 5000 * sat, Memo: "tea", Expiry: time.Hour}
	want := step.Invoice{Hash: payment.Hash{7}, Request: "lnbcrt1", Amount: 5000 * sat, ExpiresAt: time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)}
	calls := 0
	register(env, step.AddInvoice, func(_ context.Context, got step.InvoiceInput) (step.Invoice, error) {
		calls++
		if got != in {
			t.Errorf("asked for %+v", got)
		}
		if calls == 1 {
			return step.Invoice{}, errAway
		}
		return want, nil
	})
	env.ExecuteWorkflow("CreateInvoice", in)
	var got step.Invoice
	if err := env.GetWorkflowResult(&got); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	wantBrief(t, seen)
}

func TestCreateAddress(t *testing.T) {
	env, seen := newChore(t)
	in := step.AddressInput{WalletID: payment.NewID(), AccountID: payment.NewID(), Node: testNode}
	register(env, step.AddAddress, func(_ context.Context, got step.AddressInput) (string, error) {
		if got != in {
			t.Errorf("asked for %+v", got)
		}
		return "bcrt1qnew", nil
	})
	env.ExecuteWorkflow("CreateAddress", in)
	var got string
	if err := env.GetWorkflowResult(&got); err != nil || got != "bcrt1qnew" {
		t.Errorf("%q, %v", got, err)
	}
	wantBrief(t, seen)
}

// wantBrief checks that somebody who waits is not kept waiting for ever, and that the node's own workers do it.
func wantBrief(t *testing.T, seen *recorder) {
	t.Helper()
	if len(seen.scheduled) != 1 {
		t.Fatalf("scheduled %v", seen.scheduled)
	}
	o := seen.scheduled[0].options
	if o.TaskQueue != workflows.NodeQueue(testNode) || o.ScheduleToCloseTimeout > 6*time.Second || o.ScheduleToCloseTimeout == 0 {
		t.Errorf("options %+v", o)
	}
}

// No money depends on an invoice that was not made: the caller hears of it.
func TestCreateInvoiceGivesUp(t *testing.T) {
	env, _ := newChore(t)
	register(env, step.AddInvoice, func(context.Context, step.InvoiceInput) (step.Invoice, error) { return step.Invoice{}, errAway })
	begun := env.Now()
	env.ExecuteWorkflow("CreateInvoice", step.InvoiceInput{Node: testNode})
	if env.GetWorkflowError() == nil {
		t.Error("want an error")
	}
	if waited := env.Now().Sub(begun); waited > 6*time.Second {
		t.Errorf("gave up after %v", waited)
	}
}

func TestWatchNodeContinuesAsNew(t *testing.T) {
	env, seen := newChore(t)
	calls := 0
	register(env, step.WatchNode, func(_ context.Context, node string) error {
		calls++
		if node != testNode {
			t.Errorf("watches %q", node)
		}
		if calls < 100 { // the stream breaks, the worker dies: it is started again, here or elsewhere
			return errAway
		}
		return nil // the shift is over
	})
	env.ExecuteWorkflow("WatchNode", testNode)
	var again *workflow.ContinueAsNewError
	if err := env.GetWorkflowError(); !errors.As(err, &again) || again.WorkflowType.Name != "WatchNode" {
		t.Fatalf("want a new run of WatchNode, got %v", err)
	}
	if calls != 100 {
		t.Errorf("%d calls", calls)
	}
	if len(seen.scheduled) != 1 {
		t.Fatalf("scheduled %v", seen.scheduled)
	}
	o := seen.scheduled[0].options
	if o.TaskQueue != workflows.NodeQueue(testNode) || o.HeartbeatTimeout > 10*time.Second || o.StartToCloseTimeout < day || o.RetryPolicy.MaximumInterval > 5*time.Second {
		t.Errorf("options %+v", o)
	}
}

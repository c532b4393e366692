package telemetry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/telemetry"
)

// header is Temporal's header of a test.
type header map[string]*commonpb.Payload

func (h header) Set(key string, value *commonpb.Payload)                { h[key] = value }
func (h header) Get(key string) (*commonpb.Payload, bool)               { v, ok := h[key]; return v, ok }
func (h header) ForEachKey(func(string, *commonpb.Payload) error) error { return nil }

// saga stands for a payment's workflow: one step, and an outcome.
func saga(ctx workflow.Context, req payment.Request) (payment.Outcome, error) {
	workflow.GetLogger(ctx).Info("the saga runs")
	ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}})
	if err := workflow.ExecuteLocalActivity(ctx, reserve).Get(ctx, nil); err != nil {
		return payment.Outcome{}, err
	}
	if err := workflow.ExecuteActivity(ctx, send, req.Memo).Get(ctx, nil); err != nil {
		return payment.Outcome{}, err
	}
	return payment.Outcome{State: payment.Settled}, nil
}

func reserve(ctx context.Context) (string, error) { return telemetry.RequestID(ctx), nil }

func send(ctx context.Context, memo string) (string, error) {
	activity.GetLogger(ctx).Info("sent for " + telemetry.RequestID(ctx))
	if memo == "fail" {
		return "", errors.New("broken")
	}
	return "", nil
}

// The request's id reaches workflow, local activity and activity and what they log; payments are counted once.
func TestObserver(t *testing.T) {
	t.Parallel()
	for memo, want := range map[string][]string{
		"": {`holdfast_payments_started_total{kind="lightning"} 1`, `holdfast_payments_ended_total{kind="lightning",reason="",state="settled"} 1`,
			`holdfast_step_seconds_count{result="ok",step="reserve"} 1`, `holdfast_step_seconds_count{result="ok",step="send"} 1`},
		"fail": {`holdfast_payments_started_total{kind="lightning"} 1`, `holdfast_workflows_failed_total{workflow="saga"} 1`,
			`holdfast_step_seconds_count{result="error",step="send"} 1`},
	} {
		counts, registry := newMetrics(t)
		var log lines
		suite := &testsuite.WorkflowTestSuite{}
		suite.SetLogger(sdklog.NewStructuredLogger(newLog(&log)))
		suite.SetContextPropagators([]workflow.ContextPropagator{telemetry.Propagator()})
		given := header{}
		if err := telemetry.Propagator().Inject(telemetry.WithRequestID(t.Context(), "req-3"), given); err != nil {
			t.Fatal(err)
		}
		suite.SetHeader(&commonpb.Header{Fields: given})
		env := suite.NewTestWorkflowEnvironment()
		env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{telemetry.Observer(counts, "saga")}})
		env.RegisterWorkflow(saga)
		env.RegisterActivity(reserve)
		env.RegisterActivity(send)
		env.ExecuteWorkflow(saga, payment.Request{Kind: payment.Lightning, Memo: memo})
		if err := env.GetWorkflowError(); (err != nil) != (memo == "fail") {
			t.Fatal(err)
		}
		wantLines(t, scrape(t, registry), want...)
		if text := log.String(); !strings.Contains(text, "sent for req-3") || !strings.Contains(lineWith(text, "the saga runs"), "request_id=req-3") {
			t.Errorf("the log does not have the request's id:\n%s", text)
		}
	}
}

// A payment that goes on in a new run is one payment, and a workflow that is asked about a payment is none.
func TestObserverCountsPayments(t *testing.T) {
	t.Parallel()
	again := func(ctx workflow.Context, req payment.Request) (payment.Outcome, error) {
		return payment.Outcome{}, workflow.NewContinueAsNewError(ctx, "saga", req)
	}
	ends := func(workflow.Context, payment.Request) (payment.Outcome, error) {
		return payment.Outcome{State: payment.Settled}, nil
	}
	counts, registry := newMetrics(t)
	for _, run := range []struct {
		name, continues string
		workflow        any
	}{{"estimate", "", ends}, {"saga", "", again}, {"saga", "first-run", again}, {"saga", "first-run", ends}} {
		env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
		env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{telemetry.Observer(counts, "saga")}})
		env.RegisterWorkflowWithOptions(run.workflow, workflow.RegisterOptions{Name: run.name})
		env.SetContinuedExecutionRunID(run.continues)
		env.ExecuteWorkflow(run.name, payment.Request{Kind: payment.Onchain})
	}
	wantLines(t, scrape(t, registry), `holdfast_payments_started_total{kind="onchain"} 1`,
		`holdfast_payments_ended_total{kind="onchain",reason="",state="settled"} 1`)
}

func lineWith(text, part string) string {
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// What a header carries is outside input: what is not sane is dropped, and nothing fails.
func TestPropagatorDropsNonsense(t *testing.T) {
	t.Parallel()
	p := telemetry.Propagator()
	written := header{}
	if err := p.Inject(telemetry.WithRequestID(t.Context(), "req-4"), written); err != nil || len(written) != 1 {
		t.Fatalf("%v, %v", written, err)
	}
	var name string
	for name = range written {
	}
	for data, want := range map[string]string{
		`"req-4"`: "req-4", `""`: "", `"`: "", ``: "", `req-4`: "", `"two words"`: "", `"a\"b"`: "", `"` + strings.Repeat("x", 65) + `"`: "", "\x00\xff": "",
	} {
		ctx, err := p.Extract(context.Background(), header{name: {Data: []byte(data)}})
		if err != nil || telemetry.RequestID(ctx) != want {
			t.Errorf("%q: got %q, %v", data, telemetry.RequestID(ctx), err)
		}
	}
	if ctx, err := p.Extract(context.Background(), header{}); err != nil || telemetry.RequestID(ctx) != "" {
		t.Errorf("without a header: %v", err)
	}
	empty := header{}
	if err := p.Inject(context.Background(), empty); err != nil || len(empty) != 0 {
		t.Errorf("without an id: %v, %v", empty, err)
	}
}

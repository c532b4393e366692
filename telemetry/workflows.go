package telemetry

import (
	"context"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/payment"
)

// Observer counts payments, times steps, and puts the request's id into what workflows and activities log. Sagas are the types
// of the workflows that are one payment each. It is for worker.Options; it issues no commands, so histories do not depend on it.
func Observer(m *Metrics, sagas ...string) interceptor.WorkerInterceptor {
	return &observer{metrics: m, sagas: sagas}
}

type observer struct {
	interceptor.WorkerInterceptorBase
	metrics *Metrics
	sagas   []string
}

// InterceptWorkflow puts itself before a workflow.
func (o *observer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &workflowObserver{metrics: o.metrics, sagas: o.sagas}
	in.Next = next
	return in
}

// InterceptActivity puts itself before an activity.
func (o *observer) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &activityObserver{metrics: o.metrics}
	in.Next = next
	return in
}

type workflowObserver struct {
	interceptor.WorkflowInboundInterceptorBase
	metrics *Metrics
	sagas   []string
}

// Init passes a logger on that knows the request.
func (w *workflowObserver) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	out := &workflowLogger{}
	out.Next = outbound
	return w.Next.Init(out)
}

// ExecuteWorkflow counts a saga's start and end, once each: not when a worker replays it, nor when it goes on in a new run.
func (w *workflowObserver) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	info := workflow.GetInfo(ctx)
	var kind payment.Kind
	if len(in.Args) == 1 && slices.Contains(w.sagas, info.WorkflowType.Name) {
		if req, ok := in.Args[0].(payment.Request); ok {
			kind = req.Kind
		}
	}
	if kind != "" && info.ContinuedExecutionRunID == "" && !workflow.IsReplaying(ctx) {
		w.metrics.Started(kind)
	}
	result, err := w.Next.ExecuteWorkflow(ctx, in)
	if workflow.IsReplaying(ctx) {
		return result, err
	}
	if outcome, ok := result.(payment.Outcome); ok && err == nil && kind != "" {
		w.metrics.Ended(kind, outcome)
	}
	if err != nil && w.metrics != nil && !workflow.IsContinueAsNewError(err) {
		w.metrics.broken.WithLabelValues(info.WorkflowType.Name).Inc()
	}
	return result, err
}

type workflowLogger struct {
	interceptor.WorkflowOutboundInterceptorBase
}

// GetLogger adds the request's id.
func (w *workflowLogger) GetLogger(ctx workflow.Context) sdklog.Logger {
	logger := w.Next.GetLogger(ctx)
	if id := workflowRequestID(ctx); id != "" {
		return sdklog.With(logger, "request_id", id)
	}
	return logger
}

type activityObserver struct {
	interceptor.ActivityInboundInterceptorBase
	metrics *Metrics
}

// ExecuteActivity times an attempt.
func (a *activityObserver) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	began := time.Now()
	result, err := a.Next.ExecuteActivity(ctx, in)
	if a.metrics != nil {
		ended := "ok"
		if err != nil {
			ended = "error"
		}
		a.metrics.steps.WithLabelValues(activity.GetInfo(ctx).ActivityType.Name, ended).Observe(time.Since(began).Seconds())
	}
	return result, err
}

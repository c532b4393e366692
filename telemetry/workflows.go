package telemetry

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/payment"
)

// Observer counts payments, times steps, and puts the request's id into what workflows and activities log. It is for
// worker.Options; it issues no commands, so histories do not depend on it.
func Observer(m *Metrics) interceptor.WorkerInterceptor { return &observer{metrics: m} }

type observer struct {
	interceptor.WorkerInterceptorBase
	metrics *Metrics
}

// InterceptWorkflow puts itself before a workflow.
func (o *observer) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &workflowObserver{metrics: o.metrics}
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
}

// Init passes a logger on that knows the request.
func (w *workflowObserver) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	out := &workflowLogger{}
	out.Next = outbound
	return w.Next.Init(out)
}

// ExecuteWorkflow counts a saga's start and end, once each: not when a worker replays it.
func (w *workflowObserver) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	var kind payment.Kind
	if len(in.Args) == 1 {
		if req, ok := in.Args[0].(payment.Request); ok {
			kind = req.Kind
		}
	}
	if kind != "" && !workflow.IsReplaying(ctx) {
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
		w.metrics.broken.WithLabelValues(workflow.GetInfo(ctx).WorkflowType.Name).Inc()
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

package workflows_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/workflows"
)

// recorder notes what a workflow does, in order: what would be commands in its history.
type recorder struct {
	interceptor.WorkerInterceptorBase
	mu        sync.Mutex
	steps     []string // activities as they are scheduled and cancelled, and answers of updates
	statuses  []string // values of the search attribute, as they are written
	hashes    []string
	timers    int
	scheduled []scheduled
	local     []workflow.LocalActivityOptions
	cancelled map[string]bool                         // ids of activities
	calls     []string                                // of steps, attempts included, as they begin
	during    func(call int, name string, after bool) // called in each: before and after its effect; nil: nobody is
}

// scheduled is one activity with the options that it was scheduled with.
type scheduled struct {
	name    string
	options workflow.ActivityOptions
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, fmt.Sprintf(format, args...))
}

func (r *recorder) trace() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.steps)
}

func (r *recorder) cancel(name, id string) {
	r.add("cancel %s", name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cancelled == nil {
		r.cancelled = map[string]bool{}
	}
	r.cancelled[id] = true
}

func (r *recorder) isCancelled(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cancelled[id]
}

// called are the steps that ran, in order.
func (r *recorder) called() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *recorder) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &recordActivity{interceptor.ActivityInboundInterceptorBase{Next: next}, r}
}

type recordActivity struct {
	interceptor.ActivityInboundInterceptorBase
	to *recorder
}

func (a *recordActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	a.to.mu.Lock()
	a.to.calls = append(a.to.calls, name)
	call, during := len(a.to.calls), a.to.during
	a.to.mu.Unlock()
	if during == nil {
		return a.Next.ExecuteActivity(ctx, in)
	}
	during(call, name, false)
	defer during(call, name, true)
	return a.Next.ExecuteActivity(ctx, in)
}

func (r *recorder) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	return &recordInbound{interceptor.WorkflowInboundInterceptorBase{Next: next}, r}
}

type recordInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	to *recorder
}

func (i *recordInbound) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	return i.Next.Init(&recordOutbound{interceptor.WorkflowOutboundInterceptorBase{Next: outbound}, i.to})
}

type recordOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	to *recorder
}

// ExecuteActivity also undoes the test environment's limit of ten attempts where the workflow has none.
func (o *recordOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	options := workflow.GetActivityOptions(ctx)
	o.to.add("%s", describe(name, args))
	o.to.mu.Lock()
	o.to.scheduled = append(o.to.scheduled, scheduled{name, options})
	o.to.mu.Unlock()
	policy := temporal.RetryPolicy{}
	if options.RetryPolicy != nil {
		policy = *options.RetryPolicy
	}
	if policy.MaximumAttempts == 0 {
		policy.MaximumAttempts = math.MaxInt32
		ctx = workflow.WithRetryPolicy(ctx, policy)
	}
	return o.Next.ExecuteActivity(ctx, name, args...)
}

func (o *recordOutbound) ExecuteLocalActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	o.to.add("%s", describe(name, args))
	o.to.mu.Lock()
	o.to.local = append(o.to.local, workflow.GetLocalActivityOptions(ctx))
	o.to.mu.Unlock()
	return o.Next.ExecuteLocalActivity(ctx, name, args...)
}

func (o *recordOutbound) UpsertTypedSearchAttributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	written := temporal.NewSearchAttributes(updates...)
	o.to.mu.Lock()
	if status, ok := written.GetKeyword(workflows.AttrStatus); ok {
		o.to.statuses = append(o.to.statuses, status)
	}
	if hash, ok := written.GetKeyword(workflows.AttrHash); ok {
		o.to.hashes = append(o.to.hashes, hash)
	}
	o.to.mu.Unlock()
	return o.Next.UpsertTypedSearchAttributes(ctx, updates...)
}

func (o *recordOutbound) NewTimerWithOptions(ctx workflow.Context, d time.Duration, options workflow.TimerOptions) workflow.Future {
	o.to.mu.Lock()
	o.to.timers++
	o.to.mu.Unlock()
	return o.Next.NewTimerWithOptions(ctx, d, options)
}

// describe names a step, and what it was asked where that is a decision of the workflow.
func describe(name string, args []any) string {
	if len(args) != 1 {
		return name
	}
	switch in := args[0].(type) {
	case step.SettleInput:
		return fmt.Sprintf("%s, fee %v", name, in.Fee)
	case step.VoidInput:
		return fmt.Sprintf("%s %s, attempt %d", name, in.Failure.Reason, in.Attempt)
	case step.BumpInput:
		return fmt.Sprintf("%s, %d sat/vB", name, in.SatPerVByte)
	case step.SignInput:
		return fmt.Sprintf("%s, %d sat/vB, reserve %v", name, in.SatPerVByte, in.Request.FeeReserve)
	default:
		return name
	}
}

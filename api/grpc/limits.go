package grpcapi

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

// tooMany refuses a call that comes too soon.
type tooMany struct {
	refusal    *payment.Error
	retryAfter time.Duration
}

func (e *tooMany) Error() string { return e.refusal.Error() }
func (e *tooMany) Unwrap() error { return e.refusal }

// limited asks the limiter about a request. What says that money has been spent, or gives it back, is never limited.
func (g *gate) limited(ctx context.Context, req any) error {
	switch r := req.(type) {
	case *paymentsv1.StartRequest:
		return g.bothAllow(ctx, limit.Payments, r.GetAccountId(), r.GetKeyId())
	case *apikeysv1.CheckAndLockSpendingRequest:
		return g.bothAllow(ctx, limit.Payments, "", r.GetApiKeyId())
	case *apikeysv1.CheckSpendingLimitRequest:
		return g.bothAllow(ctx, limit.Reads, "", r.GetApiKeyId())
	case *apikeysv1.GetSpendingSummaryRequest:
		return g.bothAllow(ctx, limit.Reads, "", r.GetApiKeyId())
	case *paymentsv1.GetRequest:
		return g.bothAllow(ctx, limit.Reads, r.GetAccountId(), "")
	case *paymentsv1.ListRequest:
		return g.bothAllow(ctx, limit.Reads, r.GetAccountId(), r.GetKeyId())
	case *paymentsv1.WatchRequest:
		return g.bothAllow(ctx, limit.Reads, r.GetAccountId(), "")
	case *paymentsv1.GetLimitsRequest:
		return g.bothAllow(ctx, limit.Reads, r.GetAccountId(), r.GetKeyId())
	default:
		return nil
	}
}

// bothAllow asks for the account and for the key, as far as they are named. What is no id is refused elsewhere.
func (g *gate) bothAllow(ctx context.Context, class, account, key string) error {
	if id, err := uuid.Parse(account); err == nil {
		if err := g.allow(ctx, class, limit.Account(id.String())); err != nil {
			return err
		}
	}
	if id, err := uuid.Parse(key); err == nil {
		return g.allow(ctx, class, limit.Key(id.String()))
	}
	return nil
}

func (g *gate) allow(ctx context.Context, class, subject string) error {
	if g.cfg.Limiter == nil {
		return nil
	}
	retryAfter, ok := g.cfg.Limiter.Allow(ctx, class, subject)
	if ok {
		return nil
	}
	return &tooMany{
		refusal:    payment.Errorf(payment.ReasonTooManyRequests, "Too many requests. Try again in %v.", retryAfter.Round(time.Millisecond)),
		retryAfter: retryAfter,
	}
}

package grpcapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// budgetServer is services.api_keys.v1.ApiKeysService.
type budgetServer struct {
	apikeysv1.UnimplementedApiKeysServiceServer
	starter *starter.Starter
	ledger  *ledger.Ledger
}

func (s *budgetServer) CheckSpendingLimit(ctx context.Context, req *apikeysv1.CheckSpendingLimitRequest) (*apikeysv1.CheckSpendingLimitResponse, error) {
	key, err := parseID("api_key_id", req.GetApiKeyId())
	if err != nil {
		return nil, err
	}
	verdict, err := s.ledger.CheckLimit(ctx, key, payment.Sat(req.GetAmountSats()))
	if err != nil {
		return nil, err
	}
	w := verdict.Spending.Windows
	return &apikeysv1.CheckSpendingLimitResponse{
		Allowed:        verdict.Allowed,
		DailyLimitSats: limitOf(w[0]), WeeklyLimitSats: limitOf(w[1]), MonthlyLimitSats: limitOf(w[2]), AnnualLimitSats: limitOf(w[3]),
		DailySpentSats: int64(w[0].Spent), WeeklySpentSats: int64(w[1].Spent), MonthlySpentSats: int64(w[2].Spent), AnnualSpentSats: int64(w[3].Spent),
		RemainingDailySats: remainingOf(w[0]), RemainingWeeklySats: remainingOf(w[1]), RemainingMonthlySats: remainingOf(w[2]), RemainingAnnualSats: remainingOf(w[3]),
	}, nil
}

func (s *budgetServer) CheckAndLockSpending(ctx context.Context, req *apikeysv1.CheckAndLockSpendingRequest) (*apikeysv1.CheckAndLockSpendingResponse, error) {
	key, err := parseID("api_key_id", req.GetApiKeyId())
	if err != nil {
		return nil, err
	}
	if err := maySpend(ctx, s.ledger, key); err != nil {
		return nil, err
	}
	lock, err := s.starter.LockBudget(ctx, key, payment.Sat(req.GetAmountSats()))
	if err != nil {
		return nil, err
	}
	return &apikeysv1.CheckAndLockSpendingResponse{EphemeralId: lock.String()}, nil
}

func (s *budgetServer) GetSpendingSummary(ctx context.Context, req *apikeysv1.GetSpendingSummaryRequest) (*apikeysv1.GetSpendingSummaryResponse, error) {
	key, err := parseID("api_key_id", req.GetApiKeyId())
	if err != nil {
		return nil, err
	}
	spending, err := s.ledger.Spending(ctx, key)
	if err != nil {
		return nil, err
	}
	w := spending.Windows
	return &apikeysv1.GetSpendingSummaryResponse{
		DailyLimitSats: limitOf(w[0]), WeeklyLimitSats: limitOf(w[1]), MonthlyLimitSats: limitOf(w[2]), AnnualLimitSats: limitOf(w[3]),
		DailySpentSats: int64(w[0].Spent), WeeklySpentSats: int64(w[1].Spent), MonthlySpentSats: int64(w[2].Spent), AnnualSpentSats: int64(w[3].Spent),
		RemainingDailySats: remainingOf(w[0]), RemainingWeeklySats: remainingOf(w[1]), RemainingMonthlySats: remainingOf(w[2]), RemainingAnnualSats: remainingOf(w[3]),
	}, nil
}

func (s *budgetServer) RecordSpending(ctx context.Context, req *apikeysv1.RecordSpendingRequest) (*apikeysv1.RecordSpendingResponse, error) {
	key, err := parseID("api_key_id", req.GetApiKeyId())
	if err != nil {
		return nil, err
	}
	lock := uuid.Nil                // counted without a lock
	if req.GetEphemeralId() != "" { // some clients send an empty one for none
		if lock, err = parseID("ephemeral_id", req.GetEphemeralId()); err != nil {
			return nil, err
		}
	}
	if err := s.starter.RecordSpend(ctx, key, lock, payment.Sat(req.GetAmountSats()), req.GetTransactionId()); err != nil {
		return nil, err
	}
	return &apikeysv1.RecordSpendingResponse{}, nil
}

func (s *budgetServer) ReverseSpending(ctx context.Context, req *apikeysv1.ReverseSpendingRequest) (*apikeysv1.ReverseSpendingResponse, error) {
	if err := s.starter.ReverseSpend(ctx, req.GetTransactionId()); err != nil {
		return nil, err
	}
	return &apikeysv1.ReverseSpendingResponse{}, nil
}

// limitOf is set only for a window that has a limit.
func limitOf(w ledger.WindowSpending) *int64 {
	if !w.Limited {
		return nil
	}
	return new(int64(w.Limit))
}

func remainingOf(w ledger.WindowSpending) *int64 {
	if !w.Limited {
		return nil
	}
	return new(int64(w.Remaining))
}

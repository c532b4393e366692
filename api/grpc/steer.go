package grpcapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

func (s *paymentServer) Recheck(ctx context.Context, req *paymentsv1.RecheckRequest) (*paymentsv1.RecheckResponse, error) {
	row, err := s.steer(ctx, req, s.starter.Recheck)
	if err != nil {
		return nil, err
	}
	return &paymentsv1.RecheckResponse{Payment: paymentOf(row)}, nil
}

func (s *paymentServer) Abandon(ctx context.Context, req *paymentsv1.AbandonRequest) (*paymentsv1.AbandonResponse, error) {
	row, err := s.steer(ctx, req, s.starter.Abandon)
	if err != nil {
		return nil, err
	}
	return &paymentsv1.AbandonResponse{Payment: paymentOf(row)}, nil
}

func (s *paymentServer) BumpFee(ctx context.Context, req *paymentsv1.BumpFeeRequest) (*paymentsv1.BumpFeeResponse, error) {
	row, err := s.steer(ctx, req, func(ctx context.Context, id payment.ID) (ledger.Payment, error) {
		return s.starter.BumpFee(ctx, id, req.GetSatPerVbyte())
	})
	if err != nil {
		return nil, err
	}
	return &paymentsv1.BumpFeeResponse{Payment: paymentOf(row)}, nil
}

// steer does something to a payment, if it is of the account that is named.
func (s *paymentServer) steer(ctx context.Context, req about, do func(context.Context, payment.ID) (ledger.Payment, error)) (ledger.Payment, error) {
	account, id, err := whichPayment(req)
	if err != nil {
		return ledger.Payment{}, err
	}
	if _, err := s.starter.Get(ctx, account, id); err != nil {
		return ledger.Payment{}, err
	}
	return do(ctx, id)
}

func (s *paymentServer) SetLimit(ctx context.Context, req *paymentsv1.SetLimitRequest) (*paymentsv1.SetLimitResponse, error) {
	account, key, window, err := whichLimit(req)
	if err != nil {
		return nil, err
	}
	if err := s.ledger.SetLimit(ctx, account, key, window, payment.Sat(req.GetLimitSat())); err != nil {
		return nil, err
	}
	limits, err := s.limits(ctx, key)
	return &paymentsv1.SetLimitResponse{Limits: limits}, err
}

func (s *paymentServer) RemoveLimit(ctx context.Context, req *paymentsv1.RemoveLimitRequest) (*paymentsv1.RemoveLimitResponse, error) {
	account, key, window, err := whichLimit(req)
	if err != nil {
		return nil, err
	}
	if err := s.ledger.RemoveLimit(ctx, account, key, window); err != nil {
		return nil, err
	}
	limits, err := s.limits(ctx, key)
	return &paymentsv1.RemoveLimitResponse{Limits: limits}, err
}

func (s *paymentServer) GetLimits(ctx context.Context, req *paymentsv1.GetLimitsRequest) (*paymentsv1.GetLimitsResponse, error) {
	account, err := parseOptionalID("account_id", req.GetAccountId())
	if err != nil {
		return nil, err
	}
	id, err := parseID("key_id", req.GetKeyId())
	if err != nil {
		return nil, err
	}
	key, err := s.ledger.Key(ctx, id)
	if err != nil {
		return nil, err
	}
	if account != (payment.AccountID{}) && key.AccountID != account {
		return nil, payment.Errorf(payment.ReasonKeyNotFound, "API key not found. Check its id.")
	}
	limits, err := s.limits(ctx, id)
	return &paymentsv1.GetLimitsResponse{Limits: limits}, err
}

func (s *paymentServer) limits(ctx context.Context, key payment.KeyID) (*paymentsv1.Limits, error) {
	spending, err := s.ledger.Spending(ctx, key)
	return limitsOf(spending), err
}

// aboutLimit is a request about one limit of a key.
type aboutLimit interface {
	GetAccountId() string
	GetKeyId() string
	GetWindow() paymentsv1.Window
}

func whichLimit(req aboutLimit) (account payment.AccountID, key payment.KeyID, window payment.Window, err error) {
	if account, err = parseID("account_id", req.GetAccountId()); err != nil {
		return account, key, window, err
	}
	if key, err = parseID("key_id", req.GetKeyId()); err != nil {
		return account, key, window, err
	}
	window, err = windowIn(req.GetWindow())
	return account, key, window, err
}

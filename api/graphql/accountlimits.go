package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Limits reads what an account may still move, exact at this moment.
func (a accounts) Limits(ctx context.Context, of *generated.ConsumerAccount) (*generated.AccountLimits, error) {
	spendings, err := once(ctx, limitsOfAccount{of.Account}, func() ([]ledger.AccountSpending, error) {
		return a.Ledger.AccountSpendings(ctx, of.Account)
	})
	if err != nil {
		return nil, err
	}
	answer := &generated.AccountLimits{Withdrawal: []generated.AccountLimit{}, InternalSend: []generated.AccountLimit{}, Convert: []generated.AccountLimit{}}
	lists := map[payment.Purpose]*[]generated.AccountLimit{
		payment.Withdrawal: &answer.Withdrawal, payment.InternalSend: &answer.InternalSend, payment.Convert: &answer.Convert,
	}
	for _, spending := range spendings {
		list := lists[spending.Purpose]
		for _, w := range spending.Windows {
			if w.Limited {
				*list = append(*list, limitOf(w))
			}
		}
	}
	return answer, nil
}

func limitOf(w ledger.WindowSpending) generated.AccountLimit {
	interval, total, remaining := new(int64(w.Window.Duration().Seconds())), scalar.Sats(w.Limit), scalar.Sats(w.Remaining)
	if w.Window == payment.Daily {
		return &generated.OneDayAccountLimit{Interval: interval, TotalLimitSats: total, RemainingLimitSats: remaining}
	}
	return &generated.RollingAccountLimit{Interval: interval, TotalLimitSats: total, RemainingLimitSats: remaining}
}

// inCents is what clients of this API know: limits in US cents. They are kept in satoshi, so this moves with the price.
func (r *resolver) inCents(ctx context.Context, sats scalar.SatAmount) (*scalar.CentAmount, error) {
	quote, err := r.quote(ctx, dollars)
	if err != nil {
		return nil, err
	}
	return &scalar.CentAmount{Cents: payment.Cents(quote.Sat.of(int64(sats.Sat)))}, nil
}

func (d dayLimits) TotalLimit(ctx context.Context, l *generated.OneDayAccountLimit) (*scalar.CentAmount, error) {
	return d.inCents(ctx, l.TotalLimitSats)
}

func (d dayLimits) RemainingLimit(ctx context.Context, l *generated.OneDayAccountLimit) (*scalar.CentAmount, error) {
	return d.inCents(ctx, l.RemainingLimitSats)
}

func (l longLimits) TotalLimit(ctx context.Context, of *generated.RollingAccountLimit) (*scalar.CentAmount, error) {
	return l.inCents(ctx, of.TotalLimitSats)
}

func (l longLimits) RemainingLimit(ctx context.Context, of *generated.RollingAccountLimit) (*scalar.CentAmount, error) {
	return l.inCents(ctx, of.RemainingLimitSats)
}

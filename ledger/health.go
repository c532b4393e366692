package ledger

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// Ping asks the database for its time. Errors: ReasonUnavailable.
func (l *Ledger) Ping(ctx context.Context) error {
	_, err := l.q.DatabaseNow(ctx)
	return coded(err)
}

// Live counts the payments of one kind and state that have not ended.
type Live struct {
	Kind   payment.Kind
	State  payment.State
	Count  int64
	Oldest time.Duration // age of the oldest
}

// Live counts all payments that have not ended. Its cost grows with them, not with history.
func (l *Ledger) Live(ctx context.Context) ([]Live, error) {
	now, err := l.now(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := l.q.LiveSummary(ctx)
	if err != nil {
		return nil, coded(err)
	}
	live := make([]Live, len(rows))
	for i, row := range rows {
		live[i] = Live{Kind: payment.Kind(row.Kind), State: payment.State(row.State), Count: row.Payments, Oldest: max(0, now.Sub(row.Oldest))}
	}
	return live, nil
}

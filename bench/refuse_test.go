package bench

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// BenchmarkRefuse asks a key whose year is spent for half of it: the refusal must find the spend, half a year ago, after
// which enough has rolled off. It is the verdict that has most to read.
func BenchmarkRefuse(b *testing.B) {
	report := newReport("refuse")
	for _, history := range histories {
		if history == 0 {
			continue
		}
		mine := newSpentOut(b, ledgertest.Database(b), history)
		b.Run(fmt.Sprintf("spends=%d", history), func(b *testing.B) {
			elapsed := run(b, 1, mine.refuse)
			report.add(result{Side: "holdfast", Spends: history, Callers: 1, Operations: b.N, PerSecond: float64(b.N) / elapsed.Seconds()})
		})
	}
	for _, row := range report.Results {
		fmt.Fprintf(os.Stdout, "%10d spends: %.2f ms a refusal\n", row.Spends, 1000/row.PerSecond)
	}
	report.write(b)
}

type spentOut struct{ holdfast }

func newSpentOut(b *testing.B, url string, history int) spentOut {
	h := newHoldfast(b, url, history)
	for _, window := range payment.Windows() {
		if err := h.ledger.RemoveLimit(b.Context(), h.ask.AccountID, h.ask.KeyID, window); err != nil {
			b.Fatal(err)
		}
	}
	limit := payment.Sat(history)
	if err := h.ledger.SetLimit(b.Context(), h.ask.AccountID, h.ask.KeyID, payment.Annual, limit); err != nil {
		b.Fatal(err)
	}
	h.ask.Amount, h.ask.FeeReserve = (limit / 2).MustMsat(), 0
	return spentOut{h}
}

func (s spentOut) refuse(ctx context.Context) error {
	ask := s.ask
	ask.ID, ask.PaymentHash = payment.NewID(), ledgertest.RandomHash()
	row, err := s.ledger.Reserve(ctx, ask)
	if err == nil && (row.State != payment.Refused || row.Failure.Reason != payment.ReasonBudgetExceeded || row.Failure.Budget.FreesAt.IsZero()) {
		err = fmt.Errorf("reserve answered %s: %+v", row.State, row.Failure)
	}
	return err
}

package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// The database is away for some seconds or for hours: each step in the ledger waits for it, and the saga never fails.
func TestLedgerAway(t *testing.T) {
	type sending func(s *saga) answer
	paid := func(s *saga) answer { return s.paid(sat) }
	failing := func(s *saga) answer { return s.sentThenNo(payment.ReasonNoRoute) }
	for name, c := range map[string]struct {
		step  string
		calls int
		send  sending
		end   payment.State
	}{
		"reserve, seconds": {step.Reserve, 3, paid, payment.Settled},
		"reserve, hours":   {step.Reserve, 500, paid, payment.Settled},
		"settle, seconds":  {step.Settle, 3, paid, payment.Settled},
		"settle, hours":    {step.Settle, 500, paid, payment.Settled},
		"void, seconds":    {step.Void, 3, failing, payment.Failed},
		"void, hours":      {step.Void, 500, failing, payment.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, lightningRequest())
			s.books.away[c.step] = c.calls
			s.says(step.SendLightning, c.send(s))
			if out := s.run("Lightning"); out.State != c.end {
				t.Errorf("ended %s, want %s", out.State, c.end)
			}
			if got := s.books.count(c.step); got != c.calls+1 {
				t.Errorf("%s was tried %d times, want %d", c.step, got, c.calls+1)
			}
		})
	}
}

func TestLedgerAwayDuringTransfer(t *testing.T) {
	s := newSaga(t, walletRequest())
	s.books.away[step.Transfer] = 500
	s.wantsEnd(s.run("Intraledger"), payment.Settled, "")
	if waited := s.env.Now().Sub(s.begun); waited < 3*time.Hour {
		t.Errorf("500 attempts took %v, want a back-off of half a minute", waited)
	}
}

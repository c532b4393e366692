package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// An orphan is started again with the same id: the reserve answers the row, and the saga goes on where that says.

func TestResumedTerminalRowIsNotSentAgain(t *testing.T) {
	for _, state := range []payment.State{payment.Settled, payment.Failed, payment.Refused} {
		for kind, req := range map[string]payment.Request{"Lightning": lightningRequest(), "Intraledger": ownInvoiceRequest()} {
			t.Run(kind+" "+string(state), func(t *testing.T) {
				s := newSaga(t, req)
				s.books.state, s.books.attempt = state, 1
				if out := s.run(kind); out.State != state {
					t.Errorf("ended %s", out.State)
				}
				s.wants("Reserve")
			})
		}
	}
}

func TestResumedTransfer(t *testing.T) {
	s := newSaga(t, walletRequest())
	s.books.state = payment.Settled
	s.wantsEnd(s.run("Intraledger"), payment.Settled, "")
	s.wants("Transfer")
}

func TestResumedPendingContinues(t *testing.T) {
	for name, c := range map[string]struct {
		state payment.State
		last  func(s *saga) answer
		end   payment.State
		step  string
	}{
		"reserved, then sent": {payment.Reserved, func(s *saga) answer { return s.paid(sat) }, payment.Settled, "Settle, fee 1 sat"},
		"dispatched, paid":    {payment.Dispatched, func(s *saga) answer { return s.paid(sat) }, payment.Settled, "Settle, fee 1 sat"},
		"pending, paid":       {payment.Pending, func(s *saga) answer { return s.paid(sat) }, payment.Settled, "Settle, fee 1 sat"},
		"pending, failed": {payment.Pending, func(s *saga) answer { return s.notPaid(payment.ReasonTimeout) }, payment.Failed,
			"Void TIMEOUT, attempt 1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, lightningRequest())
			s.books.state = c.state
			if c.state != payment.Reserved {
				s.books.attempt = 1
			}
			s.says(step.SendLightning, s.flying, c.last(s))
			s.says(step.FollowLightning, s.flying)
			s.at(time.Hour, s.hint)
			if out := s.run("Lightning"); out.State != c.end {
				t.Errorf("ended %s, want %s", out.State, c.end)
			}
			s.wants("Reserve", "SendLightning", "FollowLightning", "SendLightning", c.step, "cancel FollowLightning")
		})
	}
}

// A resumed payment that is in flight is not given back by a cancel or an abandon that finds nothing fenced by this run.
func TestResumedPendingIsNotGivenBack(t *testing.T) {
	t.Run("cancelled", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.state, s.books.attempt = payment.Pending, 1
		s.says(step.SendLightning, during(s.cancel, s.flying))
		s.says(step.FollowLightning, s.flying, s.paid(sat))
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	})
	t.Run("abandoned", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.state, s.books.attempt = payment.Pending, 1
		var told *reply
		s.says(step.SendLightning, away, away, away, away, away, away, s.flying)
		s.says(step.AbandonLightning, s.flying)
		s.says(step.FollowLightning, s.paid(sat))
		s.at(time.Second, func() { told = s.update(workflows.UpdateAbandon) })
		s.wantsEnd(s.run("Lightning"), payment.Settled, "")
		wantNotSafe(t, told)
	})
}

func TestResumedOnchain(t *testing.T) {
	t.Run("settled: nothing is done", func(t *testing.T) {
		s := newSaga(t, onchainRequest())
		s.quotes(400 * sat)
		s.books.state, s.books.attempt = payment.Settled, 1
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
		s.wants("EstimateOnchain", "Reserve")
	})
	t.Run("pending, and the node cannot estimate: goes on", func(t *testing.T) {
		s := newSaga(t, onchainRequest())
		s.books.state, s.books.attempt, s.books.txid = payment.Pending, 1, testTxID
		s.estimates(func() (step.Quote, error) { return step.Quote{Failure: refusal(payment.ReasonNodeOffline)}, nil })
		s.signs(nil)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying, s.paid(300*sat))
		out := s.run("Onchain")
		s.wantsEnd(out, payment.Settled, "")
		if out.TxID != testTxID {
			t.Errorf("txid %q", out.TxID)
		}
		s.wants("EstimateOnchain", "Void NODE_OFFLINE, attempt 0", "Reserve", "SignOnchain, 0 sat/vB, reserve 0 sat", "PublishOnchain",
			"FollowOnchain", "Settle, fee 300 sat")
	})
	t.Run("reserved, and the node cannot estimate: given back", func(t *testing.T) {
		s := newSaga(t, onchainRequest())
		s.books.state = payment.Reserved
		s.estimates(func() (step.Quote, error) { return step.Quote{Failure: refusal(payment.ReasonNodeOffline)}, nil })
		s.wantsEnd(s.run("Onchain"), payment.Failed, payment.ReasonNodeOffline)
	})
}

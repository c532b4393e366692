package workflows_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

const (
	bumpedTxID = "bb11000000000000000000000000000000000000000000000000000000000000"
	rescueTxID = "cc11000000000000000000000000000000000000000000000000000000000000"
)

// newWaiting is a payment that has been broadcast and waits. It confirms at a hint, two hours after it began.
func newWaiting(t *testing.T) *saga {
	t.Helper()
	s := newOnchain(t)
	s.says(step.PublishOnchain, s.flying)
	s.says(step.FollowOnchain, s.flying)
	s.says(step.AskOnchain, s.paid(900*sat))
	s.at(2*time.Hour, s.hint)
	return s
}

// bumps scripts BumpOnchain: one answer per call, the last one again and again.
func (s *saga) bumps(answers ...func(in step.BumpInput) (step.Bumped, error)) {
	calls := 0
	register(s.env, step.BumpOnchain, func(_ context.Context, in step.BumpInput) (step.Bumped, error) {
		answer := answers[min(calls, len(answers)-1)]
		calls++
		return answer(in)
	})
}

// replaced is a bump that is stored under a new fence and broadcast.
func (s *saga) replaced(txid string) func(step.BumpInput) (step.Bumped, error) {
	return func(in step.BumpInput) (step.Bumped, error) {
		s.books.fence()
		s.books.sign(txid)
		return step.Bumped{Word: step.Word{Status: step.InFlight, TxID: txid, Note: "0 of 3 confirmations"}, SatPerVByte: in.SatPerVByte}, nil
	}
}

func refusedBump(reason payment.Reason) func(step.BumpInput) (step.Bumped, error) {
	return func(step.BumpInput) (step.Bumped, error) {
		return step.Bumped{Word: step.Word{Status: step.InFlight, TxID: testTxID, Note: "waits"}, Refusal: refusal(reason)}, nil
	}
}

// bumpAt asks for a bump after a time of the workflow. The reply must come within a minute, before the saga's end.
func (s *saga) bumpAt(after time.Duration, rate uint64) *reply {
	out := &reply{}
	s.at(after, func() {
		told := s.update(workflows.UpdateBump, workflows.Bump{SatPerVByte: rate})
		s.at(time.Minute, func() { *out = *told })
	})
	return out
}

// wantBumpRefused checks who refused, and for which reason.
func wantBumpRefused(t *testing.T, r *reply, byValidator bool, kind string) {
	t.Helper()
	err := r.err
	if byValidator {
		err = r.rejected
	}
	var refused *temporal.ApplicationError
	if r.accepted == byValidator || !errors.As(err, &refused) || refused.Type() != kind || refused.Message() == "" {
		t.Errorf("want %s, by the validator: %v; got %+v", kind, byValidator, r)
	}
}

func TestBump(t *testing.T) {
	s := newWaiting(t)
	s.bumps(s.replaced(bumpedTxID))
	told := s.bumpAt(time.Hour, 20)
	var details string
	s.at(90*time.Minute, func() { details = s.details() })
	out := s.run("Onchain")
	s.wantsEnd(out, payment.Settled, "")
	if out.TxID != bumpedTxID || out.Fee != 900*sat {
		t.Errorf("outcome %+v", out)
	}
	if told.err != nil || told.outcome.State != payment.Pending || told.outcome.TxID != bumpedTxID || told.took != time.Hour {
		t.Errorf("told %+v", told)
	}
	s.wants(after(toPublish, "FollowOnchain", "BumpOnchain, 20 sat/vB", "told bump: pending", "AskOnchain", "Settle, fee 900 sat", "cancel FollowOnchain")...)
	if !strings.Contains(details, "bumped to 20 sat/vB") || !strings.Contains(details, bumpedTxID) {
		t.Errorf("details:\n%s", details)
	}
	if last := s.seen.hashes[len(s.seen.hashes)-1]; last != bumpedTxID {
		t.Errorf("the search attribute is %s", last)
	}
}

func TestBumpRefusedByTheValidator(t *testing.T) {
	t.Run("the rate", func(t *testing.T) {
		s := newWaiting(t)
		s.bumps(s.replaced(bumpedTxID))
		zero, same, lower := s.bumpAt(time.Minute, 0), s.bumpAt(2*time.Minute, minerRate), s.bumpAt(3*time.Minute, minerRate-1)
		good := s.bumpAt(time.Hour, 20)
		below, again := s.bumpAt(65*time.Minute, 19), s.bumpAt(70*time.Minute, 20) // the same again is no error: an answer may be lost
		s.wantsEnd(s.run("Onchain"), payment.Settled, "")
		for _, r := range []*reply{zero, same, lower, below} {
			wantBumpRefused(t, r, true, string(payment.ReasonInvalidInput))
		}
		if good.err != nil || again.err != nil || !again.done {
			t.Errorf("bumped %+v, again %+v", good, again)
		}
	})
	t.Run("another kind of payment", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, s.flying, s.paid(sat))
		s.says(step.FollowLightning, s.flying)
		told := s.bumpAt(time.Minute, 20)
		s.at(time.Hour, s.hint)
		s.run("Lightning")
		wantBumpRefused(t, told, true, string(payment.ReasonInvalidInput))
	})
	t.Run("not sent", func(t *testing.T) {
		s := newWaiting(t)
		s.books.away[step.Reserve] = 10
		told := s.bumpAt(time.Second, 20)
		s.run("Onchain")
		wantBumpRefused(t, told, true, string(payment.ReasonPaymentInFlight))
	})
	t.Run("in a block", func(t *testing.T) {
		s := newWaiting(t)
		s.says(step.AskOnchain, func() (step.Word, error) {
			return step.Word{Status: step.InFlight, TxID: testTxID, Confirmations: 1, Note: "1 of 3 confirmations"}, nil
		}, s.paid(300*sat))
		s.at(time.Minute, s.hint)
		told := s.bumpAt(time.Hour, 20)
		s.run("Onchain")
		wantBumpRefused(t, told, true, string(payment.ReasonPaymentInFlight))
	})
	t.Run("ended", func(t *testing.T) {
		s := newOnchain(t)
		s.signs(refusal(payment.ReasonNodeFunds))
		var told *reply
		s.releases(func() { told = s.update(workflows.UpdateBump, workflows.Bump{SatPerVByte: 20}) })
		s.run("Onchain")
		wantBumpRefused(t, told, true, workflows.RefusedEnded)
	})
}

// What the node says no to is told; the payment goes on, and a better bump may follow.
func TestBumpRefusedByTheNode(t *testing.T) {
	s := newWaiting(t)
	s.bumps(refusedBump(payment.ReasonPublishRejected), s.replaced(bumpedTxID))
	first, second := s.bumpAt(time.Hour, 20), s.bumpAt(70*time.Minute, 30)
	s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	wantBumpRefused(t, first, false, string(payment.ReasonPublishRejected))
	if second.err != nil || second.outcome.TxID != bumpedTxID {
		t.Errorf("the second bump: %+v", second)
	}
}

// Of two bumps at once the second one waits, and is measured against the first.
func TestBumpsAtOnce(t *testing.T) {
	s := newWaiting(t)
	s.bumps(s.replaced(bumpedTxID))
	high, low := s.bumpAt(time.Hour, 30), s.bumpAt(time.Hour, 20)
	s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	if high.err != nil {
		t.Errorf("the first: %+v", high)
	}
	wantBumpRefused(t, low, !low.accepted, string(payment.ReasonInvalidInput))
	if n := strings.Count(strings.Join(s.seen.trace(), ";"), "BumpOnchain"); n != 1 {
		t.Errorf("%d bumps", n)
	}
}

// The payment is paid before the bump is made: the operator hears of the end.
func TestBumpThatFindsTheEnd(t *testing.T) {
	s := newWaiting(t)
	s.bumps(func(step.BumpInput) (step.Bumped, error) {
		return step.Bumped{Word: step.Word{Status: step.Paid, Fee: 300 * sat, TxID: testTxID}}, nil
	})
	var told *reply
	s.at(time.Hour, func() { told = s.update(workflows.UpdateBump, workflows.Bump{SatPerVByte: 20}) })
	s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	if told.err != nil || told.outcome.State != payment.Settled {
		t.Errorf("told %+v", told)
	}
}

// A bump is retried while its node is away, and the payment may end meanwhile.
func TestBumpWhileTheNodeIsAway(t *testing.T) {
	s := newWaiting(t)
	s.bumps(func(step.BumpInput) (step.Bumped, error) {
		if word, ended := s.books.ended(); ended {
			return step.Bumped{Word: word}, nil
		}
		return step.Bumped{}, errAway
	})
	var told *reply
	s.at(time.Hour, func() { told = s.update(workflows.UpdateBump, workflows.Bump{SatPerVByte: 20}) })
	s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	if told.err != nil || told.outcome.State != payment.Settled {
		t.Errorf("told %+v", told)
	}
}

// A cancel that came too late takes nothing from the operators.
func TestBumpAfterCancel(t *testing.T) {
	s := newWaiting(t)
	s.bumps(s.replaced(bumpedTxID))
	s.at(time.Minute, s.cancel)
	told := s.bumpAt(time.Hour, 20)
	s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	if told.err != nil || told.outcome.TxID != bumpedTxID {
		t.Errorf("told %+v", told)
	}
}

// A saga that is started again knows what its payment pays by now.
func TestBumpOfAResumedSaga(t *testing.T) {
	s := newWaiting(t)
	register(s.env, step.SignOnchain, func(context.Context, step.SignInput) (step.Signed, error) {
		s.books.sign(bumpedTxID)
		return step.Signed{TxID: bumpedTxID, Fee: 900 * sat, SatPerVByte: 20, Bumped: true}, nil
	})
	s.bumps(s.replaced(bumpedTxID))
	lower, same := s.bumpAt(time.Hour, 19), s.bumpAt(70*time.Minute, 20)
	s.wantsEnd(s.run("Onchain"), payment.Settled, "")
	wantBumpRefused(t, lower, true, string(payment.ReasonInvalidInput))
	if same.err != nil || !same.done {
		t.Errorf("told %+v", same)
	}
}

// takingBack is an abandon whose rescue is on its way.
func (s *saga) takingBack() (step.Word, error) {
	s.books.fence()
	return step.Word{Status: step.InFlight, TxID: testTxID, Rescue: rescueTxID, Note: "0 of 3 confirmations"}, nil
}

func TestAbandonTakesBack(t *testing.T) {
	for name, end := range map[string]struct {
		state  payment.State
		reason payment.Reason
	}{"the rescue confirms": {payment.Failed, payment.ReasonAbandoned}, "the payment confirms after all": {payment.Settled, ""}} {
		t.Run(name, func(t *testing.T) {
			s := newWaiting(t)
			s.says(step.AbandonOnchain, s.takingBack)
			if end.state == payment.Failed {
				s.says(step.AskOnchain, s.notPaid(payment.ReasonAbandoned))
			}
			var told *reply
			var details string
			s.at(time.Hour, func() { told = s.update(workflows.UpdateAbandon) })
			s.at(90*time.Minute, func() { details = s.details() })
			out := s.run("Onchain")
			s.wantsEnd(out, end.state, end.reason)
			wantReply(t, told, payment.Pending, time.Hour)
			if out.TxID != testTxID {
				t.Errorf("the payment names %s", out.TxID)
			}
			if !strings.Contains(details, "Being taken back") || !strings.Contains(details, rescueTxID) {
				t.Errorf("details:\n%s", details)
			}
			if end.state == payment.Failed {
				s.wantsInOrder(after(toPublish, "FollowOnchain", "cancel FollowOnchain", "AbandonOnchain", "FollowOnchain", "told abandon: pending",
					"AskOnchain", "Void ABANDONED, attempt 2", "ReleaseInputs")...)
			}
		})
	}
}

package workflows_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// course is one way that a payment of a kind goes when nothing disturbs it.
type course struct {
	workflow string
	req      payment.Request
	script   func(s *saga)
	state    payment.State // the end
	reason   payment.Reason
	last     string // the step after which a cancel is too late; empty: one comes too late from the first task on
}

func courses() map[string]course {
	all := lightningCourses()
	for name, c := range onchainCourses() {
		all[name] = c
	}
	for name, c := range intraledgerCourses() {
		all[name] = c
	}
	return all
}

// sends is a step that fences the row as ledger.BeginSend does, and then answers: a terminal row is never sent.
func (s *saga) sends(then answer) answer {
	return func() (step.Word, error) {
		if _, attempt := s.books.now(); attempt == 0 {
			s.books.fence()
		}
		if word, ended := s.books.ended(); ended {
			return word, nil
		}
		return then()
	}
}

// mayAbandon is an abandon step: granted where nothing has left.
func (s *saga) mayAbandon() (step.Word, error) {
	if _, attempt := s.books.now(); attempt == 0 {
		return s.notPaid(payment.ReasonAbandoned)()
	}
	return s.flying()
}

func lightningCourses() map[string]course {
	lightning := func(state payment.State, reason payment.Reason, script func(s *saga)) course {
		return course{workflow: "Lightning", req: lightningRequest(), state: state, reason: reason, last: step.SendLightning, script: func(s *saga) {
			s.says(step.AbandonLightning, s.mayAbandon)
			script(s)
		}}
	}
	return map[string]course{
		"lightning waits and settles": lightning(payment.Settled, "", func(s *saga) {
			s.says(step.SendLightning, s.sends(s.flying), s.flying, s.paid(sat))
			s.says(step.FollowLightning, s.flying, s.flying, s.paid(sat))
		}),
		"lightning settles at once": lightning(payment.Settled, "", func(s *saga) {
			s.says(step.SendLightning, s.sends(s.paid(sat)))
			s.says(step.FollowLightning, s.paid(sat))
		}),
		"lightning finds no route": lightning(payment.Failed, payment.ReasonNoRoute, func(s *saga) {
			s.says(step.SendLightning, s.sends(s.notPaid(payment.ReasonNoRoute)))
			s.says(step.FollowLightning, s.notPaid(payment.ReasonNoRoute))
		}),
		"lightning without a node": lightning(payment.Failed, payment.ReasonNodeOffline, func(s *saga) {
			s.says(step.SendLightning, s.notPaid(payment.ReasonNodeOffline))
		}),
		"lightning refused": lightning(payment.Refused, payment.ReasonBudgetExceeded, func(s *saga) {
			s.books.refuses = refusal(payment.ReasonBudgetExceeded)
		}),
	}
}

func onchainCourses() map[string]course {
	onchain := func(state payment.State, reason payment.Reason, script func(s *saga)) course {
		return course{workflow: "Onchain", req: onchainRequest(), state: state, reason: reason, last: step.PublishOnchain, script: func(s *saga) {
			s.quotes(400 * sat)
			s.signs(nil)
			s.releases(func() {})
			s.says(step.AbandonOnchain, s.mayAbandon)
			script(s)
		}}
	}
	return map[string]course{
		"on-chain settles": onchain(payment.Settled, "", func(s *saga) {
			s.says(step.PublishOnchain, s.sends(s.flying))
			s.says(step.AskOnchain, s.flying, s.paid(sat))
			s.says(step.FollowOnchain, s.flying, s.flying, s.paid(sat))
		}),
		"on-chain rejected by the mempool": onchain(payment.Failed, payment.ReasonPublishRejected, func(s *saga) {
			s.says(step.PublishOnchain, s.sends(s.notPaid(payment.ReasonPublishRejected)))
			s.says(step.FollowOnchain, s.notPaid(payment.ReasonPublishRejected))
		}),
		"on-chain not signed": onchain(payment.Failed, payment.ReasonFeeOverLimit, func(s *saga) {
			s.signs(refusal(payment.ReasonFeeOverLimit))
		}),
		"on-chain refused": onchain(payment.Refused, payment.ReasonBudgetExceeded, func(s *saga) {
			s.books.refuses = refusal(payment.ReasonBudgetExceeded)
		}),
		"on-chain without an estimate": onchain(payment.Refused, payment.ReasonNodeOffline, func(s *saga) {
			s.estimates(func() (step.Quote, error) { return step.Quote{Failure: refusal(payment.ReasonNodeOffline)}, nil })
		}),
	}
}

func intraledgerCourses() map[string]course {
	own := func(state payment.State, reason payment.Reason, script func(s *saga)) course {
		return course{workflow: "Intraledger", req: ownInvoiceRequest(), state: state, reason: reason, last: step.Settle, script: script}
	}
	transfer := func(state payment.State, reason payment.Reason, script func(s *saga)) course {
		return course{workflow: "Intraledger", req: walletRequest(), state: state, reason: reason, script: script}
	}
	refused := func(s *saga) { s.books.refuses = refusal(payment.ReasonInsufficientBalance) }
	return map[string]course{
		"own invoice settles":           own(payment.Settled, "", func(s *saga) { s.closes(nil) }),
		"own invoice refused":           own(payment.Refused, payment.ReasonInsufficientBalance, refused),
		"own invoice paid from outside": own(payment.Failed, payment.ReasonAlreadyPaid, func(s *saga) { s.closes(refusal(payment.ReasonAlreadyPaid)) }),
		"transfer settles":              transfer(payment.Settled, "", func(*saga) {}),
		"transfer refused":              transfer(payment.Refused, payment.ReasonInsufficientBalance, refused),
	}
}

// moment is when a course is disturbed: with the first task (call 0), or during its n-th call of a step, before or after its effect.
type moment struct {
	call  int
	after bool
}

// begin is a saga on a course that something happens to at a moment.
func (c course) begin(t *testing.T, at moment, event func(s *saga)) *saga {
	t.Helper()
	req := c.req
	req.ID = payment.NewID()
	s := newSaga(t, req)
	c.script(s)
	if at.call == 0 {
		s.at(0, func() { event(s) })
	}
	s.seen.during = func(call int, name string, after bool) {
		if state, _ := s.books.now(); state == "" && !after && slices.Contains([]string{step.SendLightning, step.SignOnchain, step.PublishOnchain, step.CloseInvoice}, name) {
			t.Errorf("%s before the reserve", name) // invariant 2
		}
		if (moment{call, after}) == at {
			event(s)
		}
	}
	return s
}

// disturbed runs a course once undisturbed, and then once for every moment of it.
func disturbed(t *testing.T, event func(s *saga), check func(t *testing.T, c course, s *saga, end payment.Outcome, at moment, calls []string)) {
	t.Helper()
	for name, c := range courses() {
		t.Run(name, func(t *testing.T) {
			plain := c.begin(t, moment{call: -1}, nil)
			plain.wantsEnd(plain.run(c.workflow), c.state, c.reason)
			calls := plain.seen.called()
			for call := range len(calls) + 1 {
				for _, after := range []bool{false, true} {
					if call == 0 && after {
						continue
					}
					at := moment{call, after}
					t.Run(at.in(calls), func(t *testing.T) {
						s := c.begin(t, at, event)
						end := s.run(c.workflow)
						check(t, c, s, end, at, calls)
						s.wantsWhole(end)
					})
				}
			}
		})
	}
}

func (at moment) in(calls []string) string {
	switch {
	case at.call == 0:
		return "with the first task"
	case at.after:
		return fmt.Sprintf("%d after %s", at.call, calls[at.call-1])
	default:
		return fmt.Sprintf("%d before %s", at.call, calls[at.call-1])
	}
}

// left reports whether something may have been sent, or was paid inside.
func (s *saga) left() bool {
	state, attempt := s.books.now()
	return attempt > 0 || state == payment.Settled
}

// wantsWhole checks what holds at every end: one settle or one void and never both, and no inputs leased for nothing.
func (s *saga) wantsWhole(end payment.Outcome) {
	s.t.Helper()
	calls := s.seen.called()
	if s.books.impossible != nil {
		s.t.Errorf("the saga asked the ledger for the impossible: %v", s.books.impossible)
	}
	settles := s.books.count(step.Settle) + s.books.count(step.Transfer)
	switch {
	case end.State == payment.Settled && settles != 1:
		s.t.Errorf("%d settles: %q", settles, calls)
	case end.State != payment.Settled && s.books.count(step.Settle) != 0:
		s.t.Errorf("settled and given back: %q", calls)
	}
	for _, void := range s.books.voided {
		if _, attempt := s.books.now(); end.State == payment.Settled && void.Attempt == attempt && s.books.count(step.Transfer) == 0 {
			s.t.Errorf("voided by attempt %d and settled: %q", void.Attempt, calls)
		}
	}
	if end.State != payment.Settled && slices.Contains(calls, step.SignOnchain) && !slices.Contains(calls, step.ReleaseInputs) {
		s.t.Errorf("the inputs stay leased: %q", calls)
	}
}

// Invariant 5: a cancel before anything has left gives everything back, a later one changes nothing.
func TestCancelAtEveryStep(t *testing.T) {
	disturbed(t, (*saga).cancel, func(t *testing.T, c course, s *saga, end payment.Outcome, at moment, calls []string) {
		last := slices.Index(calls, c.last) + 1 // 0: the course ends before it, or none stops it
		early := at.call < last || at.call == last && !s.left()
		switch {
		case c.state == payment.Settled && !early, s.left():
			s.wantsEnd(end, c.state, c.reason)
		case c.state == payment.Settled && (end.State == payment.Settled || end.Failure == nil || end.Failure.Reason != payment.ReasonCanceled):
			t.Errorf("cancelled in time and %+v", end)
		default:
			s.wantsGivenBack(end, c.reason, payment.ReasonCanceled)
		}
	})
}

// Rule 2: an operator's abandon ends a payment of which nothing has left, and no other; it is answered in any case.
func TestAbandonAtEveryStep(t *testing.T) {
	disturbed(t, func(s *saga) { s.told = s.update(workflows.UpdateAbandon) }, func(t *testing.T, c course, s *saga, end payment.Outcome, _ moment, _ []string) {
		if s.left() {
			s.wantsEnd(end, c.state, c.reason)
		} else {
			s.wantsGivenBack(end, c.reason, payment.ReasonAbandoned)
		}
		if s.told.rejected == nil && !s.told.done {
			t.Errorf("the operator was not answered: %+v", s.told)
		}
	})
}

// Invariant 7: hints that come early, late or many at once change nothing, whatever the kind.
func TestHintsAtEveryStep(t *testing.T) {
	hints := func(s *saga) {
		for range 3 {
			s.hint()
		}
	}
	disturbed(t, hints, func(t *testing.T, c course, s *saga, end payment.Outcome, _ moment, calls []string) {
		s.wantsEnd(end, c.state, c.reason)
		if waits := slices.Contains(calls, step.FollowLightning) || slices.Contains(calls, step.FollowOnchain); !waits && !slices.Equal(s.seen.called(), calls) {
			t.Errorf("hints made %q of %q", s.seen.called(), calls)
		}
	})
}

// wantsGivenBack checks an end without a payment: by the course's own reason, or by the disturbance.
func (s *saga) wantsGivenBack(end payment.Outcome, reasons ...payment.Reason) {
	s.t.Helper()
	if end.State == payment.Settled || end.Failure == nil || !slices.Contains(reasons, end.Failure.Reason) {
		s.t.Errorf("ended %+v, want it given back by one of %q", end, reasons)
	}
}

package workflows_test

import (
	"context"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

func refusal(reason payment.Reason) *payment.Failure {
	return &payment.Failure{Reason: reason, Message: "no"}
}

// quotes scripts the estimate of an on-chain payment.
func (s *saga) quotes(reserve payment.Msat) {
	s.estimates(func() (step.Quote, error) { return step.Quote{FeeReserve: reserve, SatPerVByte: minerRate}, nil })
}

func (s *saga) estimates(answer func() (step.Quote, error)) {
	register(s.env, step.EstimateOnchain, func(context.Context, payment.Request) (step.Quote, error) { return answer() })
}

// signs scripts the signing: refused, or stored.
func (s *saga) signs(refused *payment.Failure) {
	s.signsAfter(func() {}, refused)
}

// signsAfter signs after something else has happened to the workflow.
func (s *saga) signsAfter(event func(), refused *payment.Failure) {
	register(s.env, step.SignOnchain, func(context.Context, step.SignInput) (step.Signed, error) {
		event()
		if word, ended := s.books.ended(); ended {
			return step.Signed{TxID: word.TxID, Failure: word.Failure}, nil
		}
		if refused != nil {
			return step.Signed{Failure: refused}, nil
		}
		s.books.sign(testTxID)
		return step.Signed{TxID: testTxID, Fee: 300 * sat, SatPerVByte: minerRate}, nil
	})
}

// releases scripts the release of the inputs.
func (s *saga) releases(event func()) {
	register(s.env, step.ReleaseInputs, func(_ context.Context, id payment.ID) error {
		if id != s.req.ID {
			s.t.Errorf("released the inputs of %s", id)
		}
		event()
		return nil
	})
}

// closes scripts the closing of an invoice of ours.
func (s *saga) closes(refused *payment.Failure) { s.closesAfter(func() {}, refused) }

func (s *saga) closesAfter(event func(), refused *payment.Failure) {
	register(s.env, step.CloseInvoice, func(context.Context, payment.Request) (step.Closed, error) {
		event()
		return step.Closed{Failure: refused}, nil
	})
}

// releaseAfter is a release that fails some times first.
func releaseAfter(calls *int, failures int) func(context.Context, payment.ID) error {
	return func(context.Context, payment.ID) error {
		*calls++
		if *calls <= failures {
			return errAway
		}
		return nil
	}
}

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Bump is an operator's wish to pay the miners more for an on-chain payment that waits.
type Bump struct {
	SatPerVByte uint64 `json:"sat_per_vbyte"`
}

// mayBump refuses what can be told without asking. The cap is the worker's to know.
func (s *saga) mayBump(in Bump) error {
	refuse := func(reason payment.Reason, format string, args ...any) error {
		return temporal.NewApplicationError(fmt.Sprintf(format, args...), string(reason))
	}
	if err := s.mayRecheck(); err != nil {
		return err
	}
	switch {
	case s.req.Kind != payment.Onchain:
		return refuse(payment.ReasonInvalidInput, "Only an on-chain payment has a miner fee to bump. Name one.")
	case !s.sent:
		return refuse(payment.ReasonPaymentInFlight, "Nothing has left yet, so there is nothing to bump. Try again in a moment.")
	case s.word.Confirmations > 0:
		return refuse(payment.ReasonPaymentInFlight, "A transaction of this payment is in a block already: %s. Wait for it.", s.word.Note)
	case in.SatPerVByte == 0:
		return refuse(payment.ReasonInvalidInput, "Name a fee rate in sat/vB.")
	case in.SatPerVByte < s.rate, in.SatPerVByte == s.rate && !s.bumped: // a repeated bump is answered
		return refuse(payment.ReasonInvalidInput, "The newest transaction pays %d sat/vB. Use a higher rate.", s.rate)
	}
	return nil
}

// onBump signs, stores and broadcasts a dearer transaction. The saga goes on asking meanwhile: the ledger's fence keeps the two
// apart. One bump at a time.
func (s *saga) onBump(ctx workflow.Context, in Bump) (payment.Outcome, error) {
	ctx = detached(ctx)
	if err := s.bumping.Lock(ctx); err != nil {
		return s.outcome, err
	}
	defer s.bumping.Unlock()
	if err := s.mayBump(in); err != nil { // while it waited for another one
		return s.outcome, err
	}
	bumped, err := bumpOnchain(ctx, s.req, in.SatPerVByte)
	switch {
	case err != nil:
		return s.outcome, err
	case bumped.Word.Terminal():
		return s.onRecheck(ctx) // it has its end, and the saga will hear of it
	case s.over():
		return s.outcome, nil
	}
	if bumped.SatPerVByte > 0 {
		s.rate, s.bumped = bumped.SatPerVByte, true
	}
	if bumped.Word.Status != "" {
		s.hear(ctx, bumped.Word)
	}
	if bumped.Refusal != nil {
		return s.outcome, temporal.NewApplicationError(bumped.Refusal.Message, string(bumped.Refusal.Reason))
	}
	return s.outcome, nil
}

func bumpOnchain(ctx workflow.Context, req payment.Request, satPerVByte uint64) (bumped step.Bumped, err error) {
	ctx = onNode(ctx, req.Node, fmt.Sprintf("bump the fee to %d sat/vB", satPerVByte))
	err = call(ctx, step.BumpOnchain, step.BumpInput{Request: req, SatPerVByte: satPerVByte}, &bumped)
	return bumped, err
}

package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Onchain pays an address outside: learn the fee, reserve, sign and store once, broadcast, wait for confirmations,
// settle with the miner fee. It gives back only what was never broadcast or can never confirm.
func Onchain(ctx workflow.Context, req payment.Request) (payment.Outcome, error) {
	s, err := open(ctx, req)
	if err != nil {
		return payment.Outcome{}, err
	}

	quote, err := estimateOnchain(ctx, req)
	if over, err := s.stop(ctx, quote.Failure, err); over || err != nil {
		return s.end(ctx, err)
	}
	s.req.FeeReserve = quote.FeeReserve
	if err := s.reserve(ctx); err != nil || s.over() {
		return s.end(ctx, err)
	}

	signed, err := signOnchain(ctx, s.req, quote.SatPerVByte)
	if over, err := s.stop(ctx, signed.Failure, err); over || err != nil {
		return s.endReleased(ctx, err)
	}
	s.outcome.TxID, s.rate, s.bumped = signed.TxID, signed.SatPerVByte, signed.Bumped

	word, err := publishOnchain(ctx, s.req)
	if err != nil { // cancelled
		if over, err := s.stop(ctx, nil, err); over || err != nil {
			return s.endReleased(ctx, err)
		}
		word = step.Word{Status: step.InFlight, Unknown: true, TxID: signed.TxID, Note: "cancelled too late: it was being broadcast"}
	}

	err = s.resolve(ctx, onchainPursuit(), word)
	if s.outcome.State == payment.Failed {
		return s.endReleased(ctx, err)
	}
	return s.end(ctx, err)
}

func onchainPursuit() pursuit {
	return pursuit{
		ask:     step.AskOnchain,
		follow:  step.FollowOnchain,
		abandon: step.AbandonOnchain,
		what:    "ask for confirmations, broadcast again",
	}
}

// endReleased ends a payment that will not be broadcast: its inputs may be used by others.
func (s *saga) endReleased(ctx workflow.Context, err error) (payment.Outcome, error) {
	if err == nil {
		s.answered = true
		err = releaseInputs(detached(ctx), s.req)
	}
	return s.end(ctx, err)
}

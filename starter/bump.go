package starter

import (
	"context"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// BumpFee pays the miners more, in sat/vB, for an on-chain payment that has left and waits for its first confirmation. It
// answers the payment with its newest transaction; one that has ended meanwhile as it is. Repeating a bump is no error.
//
// Errors: ReasonPaymentNotFound; ReasonInvalidInput (another kind of payment, a rate that is too low or above the worker's
// cap, no change to pay from); ReasonPaymentInFlight (nothing has left yet, or it is in a block); ReasonPublishRejected (the
// mempool refuses the rate); ReasonNodeOffline; ReasonUnavailable.
func (s *Starter) BumpFee(ctx context.Context, id payment.ID, satPerVByte uint64) (ledger.Payment, error) {
	row, err := s.ledger.Payment(ctx, id)
	switch {
	case err != nil:
		return row, err
	case row.Kind != payment.Onchain:
		return row, payment.Errorf(payment.ReasonInvalidInput, "Only an on-chain payment has a miner fee to bump. Name one.")
	case satPerVByte == 0:
		return row, payment.Errorf(payment.ReasonInvalidInput, "Name a fee rate in sat/vB.")
	}
	return s.steer(ctx, id, workflows.UpdateBump, workflows.Bump{SatPerVByte: satPerVByte})
}

// reasonOfRefusal is why a saga does not do what an operator wants, by the type of its error.
func reasonOfRefusal(kind string) payment.Reason {
	switch reason := payment.Reason(kind); reason {
	case payment.ReasonInvalidInput, payment.ReasonPublishRejected, payment.ReasonNodeOffline:
		return reason
	default:
		return payment.ReasonPaymentInFlight
	}
}

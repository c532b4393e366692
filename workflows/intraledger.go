package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/payment"
)

// Intraledger pays another wallet of this ledger: named directly, or by an address or an invoice of ours.
func Intraledger(ctx workflow.Context, req payment.Request) (payment.Outcome, error) {
	s, err := open(ctx, req)
	if err != nil {
		return payment.Outcome{}, err
	}
	if req.Invoice != "" {
		return s.payOwnInvoice(ctx)
	}
	return s.end(ctx, s.transfer(ctx))
}

// payOwnInvoice holds the money, makes the invoice unpayable from outside, then pays it inside the ledger.
func (s *saga) payOwnInvoice(ctx workflow.Context) (payment.Outcome, error) {
	if err := s.reserve(ctx); err != nil || s.over() {
		return s.end(ctx, err)
	}
	closed, err := closeInvoice(ctx, s.req)
	if over, err := s.stop(ctx, closed.Failure, err); over || err != nil {
		return s.end(ctx, err)
	}
	return s.end(ctx, s.settle(ctx, 0))
}

package graphqlapi

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// LnInvoicePaymentStatusByHash tells what is now, then PAID or EXPIRED, and ends.
func (s subscriptions) LnInvoicePaymentStatusByHash(ctx context.Context, in generated.LnInvoicePaymentStatusByHashInput) (<-chan *generated.LnInvoicePaymentStatusPayload, error) {
	if bad := scalar.Problem(in); bad != nil {
		return s.once(ctx, bad), nil
	}
	return s.followInvoice(ctx, in.PaymentHash.Hash), nil
}

// LnInvoicePaymentStatusByPaymentRequest is the same for an invoice.
func (s subscriptions) LnInvoicePaymentStatusByPaymentRequest(ctx context.Context, in generated.LnInvoicePaymentStatusByPaymentRequestInput) (<-chan *generated.LnInvoicePaymentStatusPayload, error) {
	if bad := scalar.Problem(in); bad != nil {
		return s.once(ctx, bad), nil
	}
	decoded, err := s.Starter.DecodeInvoice(in.PaymentRequest.Text)
	if err != nil {
		return s.once(ctx, err), nil
	}
	return s.followInvoice(ctx, decoded.Hash), nil
}

// LnInvoicePaymentStatus is an older name for it.
func (s subscriptions) LnInvoicePaymentStatus(ctx context.Context, in generated.LnInvoicePaymentStatusInput) (<-chan *generated.LnInvoicePaymentStatusPayload, error) {
	return s.LnInvoicePaymentStatusByPaymentRequest(ctx, generated.LnInvoicePaymentStatusByPaymentRequestInput(in))
}

// once tells an error and ends.
func (s subscriptions) once(ctx context.Context, err error) <-chan *generated.LnInvoicePaymentStatusPayload {
	answers := make(chan *generated.LnInvoicePaymentStatusPayload, 1)
	answers <- &generated.LnInvoicePaymentStatusPayload{Errors: s.payloadErrors(ctx, err)}
	close(answers)
	return answers
}

func (s subscriptions) followInvoice(ctx context.Context, hash payment.Hash) <-chan *generated.LnInvoicePaymentStatusPayload {
	answers := make(chan *generated.LnInvoicePaymentStatusPayload)
	wake, done := s.woken(ledger.InvoiceTopic(hash))
	go func() {
		defer close(answers)
		defer done()
		var last generated.InvoicePaymentStatus
		for {
			answer, expires := s.invoiceNow(ctx, hash)
			if answer.Status == nil || *answer.Status != last {
				if !give(ctx, answers, answer) {
					return
				}
			}
			if answer.Status == nil || *answer.Status != generated.InvoicePaymentStatusPending {
				return
			}
			last = *answer.Status
			if !waitFor(ctx, wake, time.NewTimer(expires)) {
				return
			}
		}
	}()
	return answers
}

// invoiceNow reads the invoice, and in how long it expires. The answer has no status if it cannot be read.
func (r *resolver) invoiceNow(ctx context.Context, hash payment.Hash) (*generated.LnInvoicePaymentStatusPayload, time.Duration) {
	invoice, err := r.Ledger.Invoice(ctx, hash)
	if err != nil {
		return &generated.LnInvoicePaymentStatusPayload{Errors: r.payloadErrors(ctx, err)}, 0
	}
	status := r.invoiceStatus(invoice)
	const beyond = time.Millisecond // the end itself is not yet expired
	return &generated.LnInvoicePaymentStatusPayload{
		Errors: none(), PaymentHash: &scalar.PaymentHash{Hash: hash}, PaymentRequest: scalar.NewOrNil[scalar.LnPaymentRequest](invoice.Request),
		Status: &status, PaymentPreimage: r.preimageOf(invoice),
	}, invoice.ExpiresAt.Sub(r.Clock()) + beyond
}

// preimageOf proves that an invoice was paid; there is none to tell before.
func (r *resolver) preimageOf(i ledger.Invoice) *string {
	if i.State != ledger.InvoicePaid {
		return nil
	}
	return hexOrNil(i.Preimage)
}

// woken gives a channel that has a value when there may be news, and every so often in any case.
func (r *resolver) woken(topics ...ledger.Topic) (wake <-chan struct{}, done func()) {
	if r.Changes != nil {
		return r.Changes.Subscribe(topics...)
	}
	ticks, quit := make(chan struct{}, 1), make(chan struct{})
	ticker := time.NewTicker(r.Limits.LookEvery)
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
			}
			select {
			case ticks <- struct{}{}:
			default:
			}
		}
	}()
	return ticks, func() { close(quit) }
}

// waitFor news or a time; false when the subscriber has gone.
func waitFor(ctx context.Context, wake <-chan struct{}, timer *time.Timer) bool {
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return true
}

// give hands an answer to the connection; false when the subscriber has gone.
func give[T any](ctx context.Context, to chan<- T, answer T) bool {
	select {
	case <-ctx.Done():
		return false
	case to <- answer:
		return true
	}
}

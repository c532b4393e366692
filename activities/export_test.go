package activities

import (
	"context"

	"github.com/holdfast-pay/holdfast/lndclient"
)

// PaymentChanged is what the watcher does with one change of a payment.
func (w *WatchSteps) PaymentChanged(ctx context.Context, p lndclient.Payment) error {
	return w.paymentChanged(ctx, p)
}

package main

import (
	"context"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

type paymentBump struct {
	ID          payment.ID `arg:"" help:"The payment."`
	SatPerVByte uint64     `name:"sat-per-vbyte" required:"" placeholder:"N" help:"The new fee rate, above the present one."`
}

// Run bumps and prints what is known.
func (c *paymentBump) Run(ctx context.Context, d *deps) error {
	return d.steer(ctx, c.ID, func(door *starter.Starter, ctx context.Context, id payment.ID) (ledger.Payment, error) {
		return door.BumpFee(ctx, id, c.SatPerVByte)
	})
}

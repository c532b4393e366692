package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

type paymentCommands struct {
	List    paymentList    `cmd:"" help:"List payments, newest first."`
	Show    paymentShow    `cmd:"" help:"Show a payment and its timeline."`
	Watch   paymentWatch   `cmd:"" help:"Print each change until the payment ends."`
	Recheck paymentRecheck `cmd:"" help:"Ask LND or the chain now."`
	Abandon paymentAbandon `cmd:"" help:"Give a payment up, where nothing can have left; take an on-chain payment back that waits; else it says why not."`
	Bump    paymentBump    `cmd:"" help:"Pay the miners more for an on-chain payment that waits. Beyond the reserved fee the operator pays."`
}

type paymentList struct {
	Wallet payment.WalletID `placeholder:"ID" help:"Only this wallet's."`
	Key    payment.KeyID    `placeholder:"ID" help:"Only this API key's."`
	State  []payment.State  `enum:"refused,reserved,dispatched,pending,settled,failed" placeholder:"STATE" help:"Only in these states: refused, reserved, dispatched, pending, settled, failed."`
	Limit  int              `default:"20" help:"At most so many, up to 100."`
}

// Run lists the payments.
func (c *paymentList) Run(ctx context.Context, d *deps) error {
	if c.Limit < 1 || c.Limit > 100 {
		return payment.Errorf(payment.ReasonInvalidInput, "--limit is %d. Use 1 to 100.", c.Limit)
	}
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	rows, err := books.Payments(ctx, ledger.Filter{WalletID: c.Wallet, KeyID: c.Key, States: c.State, Limit: c.Limit})
	if err != nil {
		return err
	}
	return d.print.Payments(rows)
}

type paymentShow struct {
	ID payment.ID `arg:"" help:"The payment."`
}

// Run shows the payment. What became of it is the answer, not the exit code.
func (c *paymentShow) Run(ctx context.Context, d *deps) error {
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	row, err := books.Payment(ctx, c.ID)
	if err != nil {
		return err
	}
	timeline, err := books.Timeline(ctx, c.ID)
	if err != nil {
		return err
	}
	return d.print.Payment(row, timeline)
}

type paymentWatch struct {
	ID      payment.ID    `arg:"" help:"The payment."`
	Timeout time.Duration `placeholder:"60s" help:"Stop after this time. Default: never."`
}

// Run prints a line per change. The exit code says how the payment ended.
func (c *paymentWatch) Run(ctx context.Context, d *deps) error {
	door, err := d.starter(ctx)
	if err != nil {
		return err
	}
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	var last ledger.Payment
	err = door.Watch(ctx, payment.AccountID{}, c.ID, func(row ledger.Payment) error {
		last = row
		return d.print.Stream(show.PaymentView(row, nil), change(row))
	})
	if err != nil && (ctx.Err() == nil || last.ID != c.ID) {
		return err
	}
	return show.Ended(last)
}

// change is a payment in one line.
func change(row ledger.Payment) string {
	parts := []string{row.UpdatedAt.Local().Format("15:04:05.000"), string(row.State), row.Amount.String()}
	switch {
	case row.Failure != nil:
		parts = append(parts, fmt.Sprintf("%s (%s)", row.Failure.Message, row.Failure.Reason))
	case row.State == payment.Settled:
		parts = append(parts, "fee "+row.Fee.String())
	case row.Expiry != 0:
		parts = append(parts, fmt.Sprintf("in flight until block %d", row.Expiry))
	case row.TxID != "":
		parts = append(parts, "transaction "+row.TxID)
	}
	return strings.Join(parts, "  ")
}

type paymentRecheck struct {
	ID payment.ID `arg:"" help:"The payment."`
}

// Run asks now and prints what is known.
func (c *paymentRecheck) Run(ctx context.Context, d *deps) error {
	return d.steer(ctx, c.ID, (*starter.Starter).Recheck)
}

type paymentAbandon struct {
	ID payment.ID `arg:"" help:"The payment."`
}

// Run gives the payment up and prints what is known. That it has failed now is what was asked for, hence exit code 0.
func (c *paymentAbandon) Run(ctx context.Context, d *deps) error {
	return d.steer(ctx, c.ID, (*starter.Starter).Abandon)
}

func (d *deps) steer(ctx context.Context, id payment.ID, how func(*starter.Starter, context.Context, payment.ID) (ledger.Payment, error)) error {
	door, err := d.starter(ctx)
	if err != nil {
		return err
	}
	row, err := how(door, ctx, id)
	if err != nil {
		return err
	}
	return d.print.Payment(row, nil)
}

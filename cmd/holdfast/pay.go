package main

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

type payCommands struct {
	Invoice payInvoice `cmd:"" help:"Pay a BOLT 11 invoice."`
	Address payAddress `cmd:"" help:"Pay an on-chain address."`
	Wallet  payWallet  `cmd:"" help:"Pay another wallet of this ledger."`
}

// payer is what all payments share. The account is the wallet's: this is the operator's tool.
type payer struct {
	Wallet         payment.WalletID `required:"" placeholder:"ID" help:"The wallet that pays."`
	Key            payment.KeyID    `placeholder:"ID" help:"The API key whose budget it uses. Default: none, and no budget."`
	Memo           string           `help:"A note, kept with the payment."`
	IdempotencyKey string           `placeholder:"TEXT" help:"Repeating a call with the same text finds the first one's payment."`
	Wait           time.Duration    `placeholder:"60s" help:"Keep waiting for the end of the payment. Default: five seconds."`
}

// pay starts the payment by start, waits as long as was asked for, and prints what became of it.
func (p *payer) pay(ctx context.Context, d *deps, start func(*starter.Starter, starter.Caller) (ledger.Payment, error)) error {
	began := time.Now()
	door, err := d.starter(ctx)
	if err != nil {
		return err
	}
	wallet, err := d.books.Wallet(ctx, p.Wallet)
	if err != nil {
		return err
	}
	if p.Key != (payment.KeyID{}) {
		key, err := d.books.Key(ctx, p.Key)
		if err == nil && key.AccountID != wallet.AccountID {
			err = payment.Errorf(payment.ReasonKeyNotFound, "The API key belongs to another account than the wallet. Use a key of account %s.", wallet.AccountID)
		}
		if err != nil {
			return err
		}
	}
	row, err := start(door, starter.Caller{
		AccountID: wallet.AccountID, KeyID: p.Key, Door: payment.DoorCLI, IdempotencyKey: p.IdempotencyKey,
	})
	if err != nil {
		return err
	}
	if left := p.Wait - time.Since(began); !row.State.Terminal() && left > 0 {
		row = await(ctx, door, row, left)
	}
	printed := row
	if !d.print.JSON {
		printed.Failure = nil // the error tells it
	}
	if err := d.print.Payment(printed, nil); err != nil {
		return err
	}
	return show.Explained(row)
}

// await gives the payment's last row within the time. A row that the ledger does not have yet is read again until it does.
func await(ctx context.Context, door *starter.Starter, row ledger.Payment, most time.Duration) ledger.Payment {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		last, err := door.Await(ctx, row.AccountID, row.ID)
		if err == nil {
			return last
		}
		select {
		case <-ctx.Done():
			return row
		case <-tick.C:
		}
	}
}

type payInvoice struct {
	Invoice string `arg:"" help:"The BOLT 11 invoice."`
	payer
	Sat       payment.Sat  `placeholder:"N" help:"The amount, for an invoice that names none."`
	MaxFeeSat *payment.Sat `placeholder:"N" help:"The most that the route may cost. Default: 0.5 %, at least 10 sat."`
}

// Run pays the invoice.
func (c *payInvoice) Run(ctx context.Context, d *deps) error {
	amount, err := inMsat(c.Sat)
	if err != nil {
		return err
	}
	ask := starter.PayInvoice{WalletID: c.Wallet, Invoice: c.Invoice, Amount: amount, Memo: c.Memo}
	if c.MaxFeeSat != nil {
		most, err := inMsat(*c.MaxFeeSat)
		if err != nil {
			return err
		}
		ask.MaxFee = &most
	}
	return c.pay(ctx, d, func(door *starter.Starter, who starter.Caller) (ledger.Payment, error) {
		ask.Caller = who
		return door.PayInvoice(ctx, ask)
	})
}

type payAddress struct {
	Address string `arg:"" help:"The on-chain address."`
	payer
	Sat   payment.Sat   `placeholder:"N" help:"The amount."`
	All   bool          `help:"Send everything: the fee comes out of the amount."`
	Speed payment.Speed `enum:"FAST,MEDIUM,SLOW,fast,medium,slow" default:"FAST" help:"FAST, MEDIUM or SLOW: 2, 6 or 24 blocks."`
}

// Run pays the address.
func (c *payAddress) Run(ctx context.Context, d *deps) error {
	speeds := map[payment.Speed]payment.Speed{"fast": payment.Fast, "medium": payment.Medium, "slow": payment.Slow}
	if upper, ok := speeds[c.Speed]; ok {
		c.Speed = upper
	}
	if !c.All && c.Sat == 0 {
		return payment.Errorf(payment.ReasonInvalidAmount, "Say how much: give --sat N, or --all.")
	}
	ask := starter.PayAddress{WalletID: c.Wallet, Address: c.Address, Amount: c.Sat, SendAll: c.All, Speed: c.Speed, Memo: c.Memo}
	return c.pay(ctx, d, func(door *starter.Starter, who starter.Caller) (ledger.Payment, error) {
		ask.Caller = who
		return door.PayAddress(ctx, ask)
	})
}

type payWallet struct {
	Recipient payment.WalletID `arg:"" help:"The wallet that receives."`
	payer
	Sat payment.Sat `required:"" placeholder:"N" help:"The amount."`
}

// Run pays the wallet.
func (c *payWallet) Run(ctx context.Context, d *deps) error {
	amount, err := inMsat(c.Sat)
	if err != nil {
		return err
	}
	ask := starter.PayWallet{WalletID: c.Wallet, RecipientID: c.Recipient, Amount: amount, Memo: c.Memo}
	return c.pay(ctx, d, func(door *starter.Starter, who starter.Caller) (ledger.Payment, error) {
		ask.Caller = who
		return door.PayWallet(ctx, ask)
	})
}

package main

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

type accountCommands struct {
	Show  accountShow `cmd:"" help:"Show what bounds an account and what it has moved, per purpose and window."`
	Limit struct {
		Set    accountLimitSet    `cmd:"" help:"Limit what an account may move in a rolling window, all its keys and sessions together."`
		Remove accountLimitRemove `cmd:"" help:"Lift a limit."`
	} `cmd:"" help:"Set and remove limits. An owner cannot, whatever the credentials."`
}

// newAccounts stands for the accounts that are opened from now on.
const newAccounts = "new"

// bounded is which account a command is about.
type bounded struct {
	Account string `arg:"" help:"The account's id, or \"new\" for all that are opened from now on."`
}

// id is zero for new accounts.
func (b bounded) id() (payment.AccountID, error) {
	if b.Account == newAccounts {
		return payment.AccountID{}, nil
	}
	id, err := uuid.Parse(b.Account)
	if err != nil || id == uuid.Nil {
		return payment.AccountID{}, payment.Errorf(payment.ReasonInvalidInput, "%q is no account: give its id, or \"new\".", b.Account)
	}
	return id, nil
}

type accountShow struct{ bounded }

// Run shows the limits.
func (c *accountShow) Run(ctx context.Context, d *deps) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if _, err := d.ledger(ctx); err != nil {
		return err
	}
	return d.showAccountLimits(ctx, id)
}

// limitNamed is which limit of an account.
type limitNamed struct {
	bounded
	Purpose payment.Purpose `required:"" enum:"withdrawal,internal_send,convert" help:"withdrawal (lightning and on-chain), internal_send (to other accounts here) or convert (between its own wallets)."`
	Window  payment.Window  `required:"" enum:"daily,weekly,monthly,annual" help:"daily, weekly, monthly or annual; all rolling."`
}

type accountLimitSet struct {
	limitNamed
	Sat payment.Sat `required:"" placeholder:"N" help:"The most that may be moved in the window, fees included. Counted from the account's first limit for this purpose."`
}

// Run sets the limit and shows all.
func (c *accountLimitSet) Run(ctx context.Context, d *deps) error {
	return c.change(ctx, d, func(id payment.AccountID) error { return d.books.SetAccountLimit(ctx, id, c.Purpose, c.Window, c.Sat) })
}

type accountLimitRemove struct{ limitNamed }

// Run lifts the limit and shows all.
func (c *accountLimitRemove) Run(ctx context.Context, d *deps) error {
	return c.change(ctx, d, func(id payment.AccountID) error { return d.books.RemoveAccountLimit(ctx, id, c.Purpose, c.Window) })
}

func (c *limitNamed) change(ctx context.Context, d *deps, do func(payment.AccountID) error) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	if _, err := d.ledger(ctx); err != nil {
		return err
	}
	if err := do(id); err != nil {
		return err
	}
	return d.showAccountLimits(ctx, id)
}

func (d *deps) showAccountLimits(ctx context.Context, id payment.AccountID) error {
	if id == uuid.Nil {
		limits, err := d.books.NewAccountLimits(ctx)
		if err != nil {
			return err
		}
		return d.print.AccountLimits("", asSpendings(limits))
	}
	if err := d.accountExists(ctx, id); err != nil {
		return err
	}
	spendings, err := d.books.AccountSpendings(ctx, id)
	if err != nil {
		return err
	}
	return d.print.AccountLimits(id.String(), spendings)
}

// asSpendings are the limits of accounts that have moved nothing yet.
func asSpendings(limits []ledger.AccountLimit) (out []ledger.AccountSpending) {
	for _, limit := range limits {
		if len(out) == 0 || out[len(out)-1].Purpose != limit.Purpose {
			of := ledger.AccountSpending{Purpose: limit.Purpose}
			for i, window := range payment.Windows() {
				of.Windows[i].Window = window
			}
			out = append(out, of)
		}
		w := &out[len(out)-1].Windows[slices.Index(payment.Windows(), limit.Window)]
		w.Limited, w.Limit, w.Remaining = true, limit.Limit, limit.Limit
	}
	return out
}

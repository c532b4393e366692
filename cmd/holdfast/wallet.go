package main

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

type walletCommands struct {
	Create  walletCreate  `cmd:"" help:"Open a wallet, in a new account unless one is given."`
	List    walletList    `cmd:"" help:"List wallets, oldest first."`
	Show    walletShow    `cmd:"" help:"Show a wallet's balance."`
	Invoice walletInvoice `cmd:"" help:"Make an invoice that credits a wallet."`
	Address walletAddress `cmd:"" help:"Make an on-chain address that credits a wallet."`
}

type walletCreate struct {
	Account payment.AccountID `placeholder:"ID" help:"The account that owns it. Default: a new one."`
	Name    string            `default:"main" help:"A name, for people."`
}

// Run opens the wallet.
func (c *walletCreate) Run(ctx context.Context, d *deps) error {
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	if c.Account == (payment.AccountID{}) {
		c.Account = payment.NewID()
	}
	wallet, err := books.OpenWallet(ctx, ledger.Wallet{ID: payment.NewID(), AccountID: c.Account, Name: c.Name, Currency: payment.BTC})
	if err != nil {
		return err
	}
	return d.print.Wallet(wallet)
}

type walletList struct {
	Account payment.AccountID `placeholder:"ID" help:"Only this account's."`
}

// Run lists the wallets.
func (c *walletList) Run(ctx context.Context, d *deps) error {
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	wallets, err := books.Wallets(ctx, c.Account)
	if err != nil {
		return err
	}
	return d.print.Wallets(wallets)
}

type walletShow struct {
	ID payment.WalletID `arg:"" help:"The wallet."`
}

// Run shows the wallet.
func (c *walletShow) Run(ctx context.Context, d *deps) error {
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	wallet, err := books.Wallet(ctx, c.ID)
	if err != nil {
		return err
	}
	return d.print.Wallet(wallet)
}

type walletInvoice struct {
	ID     payment.WalletID `arg:"" help:"The wallet that receives."`
	Sat    payment.Sat      `placeholder:"N" help:"The amount. Default: the payer chooses."`
	Memo   string           `help:"What it is for; the payer sees it."`
	Expiry time.Duration    `default:"4h" help:"How long it can be paid: 1m to 24h."`
}

// Run makes the invoice.
func (c *walletInvoice) Run(ctx context.Context, d *deps) error {
	wallet, door, err := d.receiver(ctx, c.ID)
	if err != nil {
		return err
	}
	amount, err := inMsat(c.Sat)
	if err != nil {
		return err
	}
	invoice, err := door.CreateInvoice(ctx, starter.ReceiveInvoice{
		AccountID: wallet.AccountID, WalletID: wallet.ID, Amount: amount, Memo: c.Memo, Expiry: c.Expiry,
	})
	if err != nil {
		return err
	}
	expires := invoice.ExpiresAt.UTC()
	return d.print.Object(map[string]any{
		"wallet_id": wallet.ID, "invoice": invoice.Request, "payment_hash": invoice.Hash, "amount_msat": int64(amount), "expires_at": expires,
	},
		[2]string{"invoice", invoice.Request},
		[2]string{"payment hash", invoice.Hash.String()},
		[2]string{"amount", amountOrAny(amount)},
		[2]string{"expires", show.Time(expires)},
	)
}

type walletAddress struct {
	ID payment.WalletID `arg:"" help:"The wallet that receives."`
}

// Run makes the address.
func (c *walletAddress) Run(ctx context.Context, d *deps) error {
	wallet, door, err := d.receiver(ctx, c.ID)
	if err != nil {
		return err
	}
	address, err := door.CreateAddress(ctx, wallet.AccountID, wallet.ID)
	if err != nil {
		return err
	}
	return d.print.Object(map[string]any{"wallet_id": wallet.ID, "address": address}, [2]string{"address", address})
}

// receiver opens what a command for one wallet needs.
func (d *deps) receiver(ctx context.Context, id payment.WalletID) (ledger.Wallet, *starter.Starter, error) {
	door, err := d.starter(ctx)
	if err != nil {
		return ledger.Wallet{}, nil, err
	}
	wallet, err := d.books.Wallet(ctx, id)
	return wallet, door, err
}

// inMsat refuses what does not fit.
func inMsat(sat payment.Sat) (payment.Msat, error) {
	msat, ok := sat.Msat()
	if !ok {
		return 0, payment.Errorf(payment.ReasonInvalidAmount, "The amount is above the largest possible one, %v.", payment.MaxSat)
	}
	return msat, nil
}

func amountOrAny(amount payment.Msat) string {
	if amount == 0 {
		return "any: the payer chooses"
	}
	return amount.String()
}

package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

type keyCommands struct {
	Create keyCreate `cmd:"" help:"Make an API key. Its secret is printed once."`
	List   keyList   `cmd:"" help:"List API keys, oldest first."`
	Show   keyShow   `cmd:"" help:"Show a key and its budget: limit, spent, remaining, per window."`
	Limit  struct {
		Set    keyLimitSet    `cmd:"" help:"Limit what a key may spend in a rolling window. History counts."`
		Remove keyLimitRemove `cmd:"" help:"Lift a limit."`
	} `cmd:"" help:"Set and remove budget limits."`
	Revoke keyRevoke `cmd:"" help:"End a key, at once and for good."`
}

type keyCreate struct {
	Account       payment.AccountID `required:"" placeholder:"ID" help:"The account that owns it."`
	Name          string            `required:"" help:"A name, for people."`
	Scope         []payment.Scope   `enum:"READ,RECEIVE,WRITE" default:"READ,WRITE" placeholder:"SCOPE" help:"READ, RECEIVE (invoices and addresses) or WRITE (payments too); may be repeated. Default: READ and WRITE."`
	ExpiresInDays int               `placeholder:"N" help:"When it ends by itself. Default: never."`
	SecretPrefix  string            `aliases:"prefix" type:"setting" setting:"HOLDFAST_SECRET_PREFIX" placeholder:"TEXT" help:"What its secret begins with: the API takes only keys with the prefix that it is told."`
}

// longestLife in days of a key that expires: a hundred years, far from any overflow.
const longestLife = 36500

// Run makes the key. The ledger stores the secret's hash only.
func (c *keyCreate) Run(ctx context.Context, d *deps) error {
	if c.ExpiresInDays < 0 || c.ExpiresInDays > longestLife {
		return payment.Errorf(payment.ReasonInvalidInput, "A key lives for 1 to %d days, or for ever without --expires-in-days.", longestLife)
	}
	shared, err := d.settings.SharedOnly()
	if err != nil {
		return err
	}
	secret, err := identity.NewSecret(shared.SecretPrefix, rand.Reader)
	if err != nil {
		return payment.Errorf(payment.ReasonInvalidInput, "No secret was made: %v.", err)
	}
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	if err := d.accountExists(ctx, c.Account); err != nil {
		return err
	}
	ask := ledger.Key{ID: payment.NewID(), AccountID: c.Account, Name: c.Name, Scopes: c.Scope}
	if c.ExpiresInDays > 0 {
		ask.ExpiresAt = time.Now().Add(time.Duration(c.ExpiresInDays) * 24 * time.Hour)
	}
	key, err := books.CreateKey(ctx, ask, identity.Hash(secret))
	if err != nil {
		return err
	}
	view := show.KeyView(key)
	view.Secret = secret
	return d.print.Object(view,
		[2]string{"key", key.ID.String()},
		[2]string{"account", key.AccountID.String()},
		[2]string{"name", key.Name},
		[2]string{"scopes", show.Scopes(key.Scopes)},
		[2]string{"expires", show.Time(key.ExpiresAt)},
		[2]string{"secret", secret + "   (shown only now)"},
	)
}

// accountExists keeps a mistyped id from becoming an account: one that exists has a wallet.
func (d *deps) accountExists(ctx context.Context, account payment.AccountID) error {
	wallets, err := d.books.Wallets(ctx, account)
	if err == nil && (len(wallets) == 0 || account == payment.AccountID{}) {
		return payment.Errorf(payment.ReasonInvalidInput, "There is no account %s. Open one with `holdfast wallet create`.", account)
	}
	return err
}

type keyList struct {
	Account payment.AccountID `placeholder:"ID" help:"Only this account's."`
}

// Run lists the keys.
func (c *keyList) Run(ctx context.Context, d *deps) error {
	books, err := d.ledger(ctx)
	if err != nil {
		return err
	}
	keys, err := books.Keys(ctx, c.Account)
	if err != nil {
		return err
	}
	return d.print.Keys(keys, time.Now())
}

type keyShow struct {
	Key payment.KeyID `arg:"" help:"The key's id."`
}

// Run shows the key and its budget.
func (c *keyShow) Run(ctx context.Context, d *deps) error {
	key, err := d.key(ctx, c.Key)
	if err != nil {
		return err
	}
	return d.showKey(ctx, key)
}

type keyLimitSet struct {
	Key    payment.KeyID  `arg:"" help:"The key's id."`
	Window payment.Window `required:"" enum:"daily,weekly,monthly,annual" help:"daily, weekly, monthly or annual; all rolling."`
	Sat    payment.Sat    `required:"" placeholder:"N" help:"The most that may be spent in the window, fees included."`
}

// Run sets the limit and shows the budget.
func (c *keyLimitSet) Run(ctx context.Context, d *deps) error {
	key, err := d.key(ctx, c.Key)
	if err != nil {
		return err
	}
	if err := d.books.SetLimit(ctx, key.AccountID, key.ID, c.Window, c.Sat); err != nil {
		return err
	}
	return d.showKey(ctx, key)
}

type keyLimitRemove struct {
	Key    payment.KeyID  `arg:"" help:"The key's id."`
	Window payment.Window `required:"" enum:"daily,weekly,monthly,annual" help:"daily, weekly, monthly or annual."`
}

// Run lifts the limit and shows the budget.
func (c *keyLimitRemove) Run(ctx context.Context, d *deps) error {
	key, err := d.key(ctx, c.Key)
	if err != nil {
		return err
	}
	if err := d.books.RemoveLimit(ctx, key.AccountID, key.ID, c.Window); err != nil {
		return err
	}
	return d.showKey(ctx, key)
}

type keyRevoke struct {
	Key payment.KeyID `arg:"" help:"The key's id."`
}

// Run revokes the key and shows it.
func (c *keyRevoke) Run(ctx context.Context, d *deps) error {
	key, err := d.key(ctx, c.Key)
	if err != nil {
		return err
	}
	if err := d.books.RevokeKey(ctx, key.AccountID, key.ID); err != nil {
		return err
	}
	if key, err = d.books.Key(ctx, key.ID); err != nil {
		return err
	}
	return d.showKey(ctx, key)
}

func (d *deps) key(ctx context.Context, id payment.KeyID) (ledger.Key, error) {
	books, err := d.ledger(ctx)
	if err != nil {
		return ledger.Key{}, err
	}
	return books.Key(ctx, id)
}

func (d *deps) showKey(ctx context.Context, key ledger.Key) error {
	spending, err := d.books.Spending(ctx, key.ID)
	if err != nil {
		return err
	}
	return d.print.Key(key, spending, time.Now())
}

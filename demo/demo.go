package demo

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/lnd"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// Network is the outside world: *devnet.Network and *devnet.Remote are it. Amounts are in sat, hashes in hex.
type Network interface {
	Mine(ctx context.Context, blocks int) error
	Invoice(ctx context.Context, node string, sat int64, memo string, expiry time.Duration) (invoice string, err error)
	Hold(ctx context.Context, node string, sat int64) (invoice, hash, preimage string, err error)
	AwaitHeld(ctx context.Context, node, hash string) error
	AwaitSettled(ctx context.Context, node, hash string) error
	Settle(ctx context.Context, node, hash string) error
	Cancel(ctx context.Context, node, hash string) error
	Pay(ctx context.Context, node, invoice string, sat int64) (lnd.Payment, error)
	NewAddress(ctx context.Context, node string) (address string, err error)
	Send(ctx context.Context, node, address string, sat int64) (txid string, err error)
	KillProcess(name string) error
	StartProcess(ctx context.Context, name string) error
}

// Config is what the demo runs on.
type Config struct {
	Out     io.Writer
	Net     Network
	Starter *starter.Starter
	Ledger  *ledger.Ledger
	// Check runs every check of the books, against the nodes too.
	Check func(ctx context.Context) ([]ledger.CheckResult, error)
}

// Shown is one payment that the demo made.
type Shown struct {
	Title string
	ID    payment.ID
}

// receiver is the node outside that is paid, and that pays us.
const receiver = "alice"

// Amounts of the demo in sat, chosen so that all that should fit does fit a budget of 10,000 sat with the fees, which
// are the larger part on-chain.
const (
	depositSat  payment.Sat = 50_000
	receiveSat  payment.Sat = 10_000
	limitSat    payment.Sat = 10_000
	invoiceSat  payment.Sat = 2_000
	onchainSat  payment.Sat = 1_000
	walletSat   payment.Sat = 500
	tooMuchSat  payment.Sat = 8_000
	canceledSat payment.Sat = 700
	heldSat     payment.Sat = 800
)

// Run plays the demo and stops at the first step that went otherwise than expected. It answers the payments that it made.
func Run(ctx context.Context, cfg Config) ([]Shown, error) {
	s := &scene{Config: cfg, account: payment.NewID()}
	steps := []struct {
		title string
		play  func(context.Context) error
	}{
		{"open two wallets", s.openWallets},
		{fmt.Sprintf("receive on-chain: %s sends %v", receiver, depositSat), s.receiveOnchain},
		{fmt.Sprintf("receive over lightning: %s pays our invoice of %v", receiver, receiveSat), s.receiveLightning},
		{fmt.Sprintf("create an API key that may spend %v a day", limitSat), s.createKey},
		{fmt.Sprintf("pay an invoice of %v", invoiceSat), s.payInvoice},
		{fmt.Sprintf("pay an address %v on-chain", onchainSat), s.payOnchain},
		{fmt.Sprintf("pay another wallet %v", walletSat), s.payWallet},
		{fmt.Sprintf("exceed the budget: try to pay %v", tooMuchSat), s.exceedBudget},
		{fmt.Sprintf("pay a hold invoice of %v; %s holds it, then cancels it", canceledSat, receiver), s.payAndCancel},
		{fmt.Sprintf("pay a hold invoice of %v; kill the worker; %s settles it; start the worker", heldSat, receiver), s.payAndCrash},
		{"check the books", s.checkBooks},
	}
	for i, step := range steps {
		if err := s.step(ctx, fmt.Sprintf("%d. %s", i+1, step.title), step.play); err != nil {
			return s.shown, fmt.Errorf("the demo stopped at step %d of %d, %q: %w", i+1, len(steps), step.title, err)
		}
	}
	s.say("▸ all %d steps went as expected", len(steps))
	return s.shown, nil
}

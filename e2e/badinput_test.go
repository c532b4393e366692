package e2e_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/chaincfg"
	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// asking is one call with something wrong in it.
type asking func(ctx context.Context, g *guest) (ledger.Payment, error)

func payInvoice(change func(g *guest, ask *starter.PayInvoice)) asking {
	return func(ctx context.Context, g *guest) (ledger.Payment, error) {
		ask := starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet}
		change(g, &ask)
		return g.door.PayInvoice(ctx, ask)
	}
}

func bolt11(text func(g *guest) string, amount payment.Msat) asking {
	return payInvoice(func(g *guest, ask *starter.PayInvoice) { ask.Invoice, ask.Amount = text(g), amount })
}

func payAddress(change func(g *guest, ask *starter.PayAddress)) asking {
	return func(ctx context.Context, g *guest) (ledger.Payment, error) {
		ask := starter.PayAddress{Caller: g.caller(), WalletID: g.wallet, Address: regtestAddress, Amount: 10_000}
		change(g, &ask)
		return g.door.PayAddress(ctx, ask)
	}
}

func address(text string) asking {
	return payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Address = text })
}

func payWallet(change func(g *guest, ask *starter.PayWallet)) asking {
	return func(ctx context.Context, g *guest) (ledger.Payment, error) {
		ask := starter.PayWallet{Caller: g.caller(), WalletID: g.wallet, RecipientID: g.treasury.ID, Amount: 1_000}
		change(g, &ask)
		return g.door.PayWallet(ctx, ask)
	}
}

func amount(amount payment.Msat) asking {
	return payWallet(func(_ *guest, ask *starter.PayWallet) { ask.Amount = amount })
}

// Addresses that nobody of this network owns.
const (
	regtestAddress = "bcrt1q6z64a43mjgkcq0ul2znwneq3spghrlau9slefp"
	mainnetAddress = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
	testnetAddress = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"
)

func ofAlice(amount payment.Sat) func(*guest) string {
	return func(g *guest) string { return g.invoice(alice, amount) }
}

func text(s string) func(*guest) string { return func(*guest) string { return s } }

// badInput is refused with a reason; nothing moves. Nothing of it is for Temporal or LND to find out.
func badInput() map[string]struct {
	call   asking
	reason payment.Reason
} {
	type row = struct {
		call   asking
		reason payment.Reason
	}
	unknown := uuid.New()
	return map[string]row{
		"amount: zero":                {amount(0), payment.ReasonInvalidAmount},
		"amount: negative":            {amount(-1), payment.ReasonInvalidAmount},
		"amount: least":               {amount(math.MinInt64), payment.ReasonInvalidAmount},
		"amount: largest":             {amount(math.MaxInt64), payment.ReasonInvalidAmount},
		"amount: above the largest":   {amount(payment.MaxSat.MustMsat() + 1), payment.ReasonInvalidAmount},
		"to itself":                   {payWallet(func(g *guest, ask *starter.PayWallet) { ask.RecipientID = g.wallet }), payment.ReasonSelfPayment},
		"unknown wallet":              {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.WalletID = unknown }), payment.ReasonWalletNotFound},
		"no wallet":                   {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.WalletID = uuid.Nil }), payment.ReasonWalletNotFound},
		"wallet of another owner":     {payWallet(func(g *guest, ask *starter.PayWallet) { ask.WalletID, ask.RecipientID = g.treasury.ID, g.wallet }), payment.ReasonWalletNotFound},
		"unknown recipient":           {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.RecipientID = unknown }), payment.ReasonWalletNotFound},
		"unknown key":                 {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.KeyID = unknown }), payment.ReasonKeyNotFound},
		"no account":                  {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.AccountID = uuid.Nil }), payment.ReasonInvalidInput},
		"memo: too long":              {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.Memo = strings.Repeat("m", 640) }), payment.ReasonInvalidInput},
		"memo: not UTF-8":             {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.Memo = "\xff" }), payment.ReasonInvalidInput},
		"memo: zero byte":             {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.Memo = "a\x00b" }), payment.ReasonInvalidInput},
		"idempotency key: too long":   {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.IdempotencyKey = strings.Repeat("k", 256) }), payment.ReasonInvalidInput},
		"idempotency key: zero byte":  {payWallet(func(_ *guest, ask *starter.PayWallet) { ask.IdempotencyKey = "a\x00b" }), payment.ReasonInvalidInput},
		"invoice: empty":              {bolt11(text(""), 0), payment.ReasonInvoiceInvalid},
		"invoice: garbage":            {bolt11(text("lnbcrt1garbage"), 0), payment.ReasonInvoiceInvalid},
		"invoice: an address":         {bolt11(text(regtestAddress), 0), payment.ReasonInvoiceInvalid},
		"invoice: truncated":          {bolt11(func(g *guest) string { return g.invoice(alice, 1_000)[:200] }, 0), payment.ReasonInvoiceInvalid},
		"invoice: one digit wrong":    {bolt11(func(g *guest) string { return flip(g.invoice(alice, 1_000)) }, 0), payment.ReasonInvoiceInvalid},
		"invoice: mainnet":            {bolt11(func(g *guest) string { return made(g.t, &chaincfg.MainNetParams, secret(), msat(1_000_000)) }, 0), payment.ReasonInvoiceInvalid},
		"invoice: no payment secret":  {bolt11(func(g *guest) string { return made(g.t, regtest(), msat(1_000_000)) }, 0), payment.ReasonInvoiceInvalid},
		"invoice: amount twice":       {bolt11(ofAlice(1_000), 1_000_000), payment.ReasonInvalidAmount},
		"invoice: amount nowhere":     {bolt11(ofAlice(0), 0), payment.ReasonInvalidAmount},
		"invoice: negative amount":    {bolt11(ofAlice(0), -1), payment.ReasonInvalidAmount},
		"invoice: overflowing amount": {bolt11(ofAlice(0), math.MaxInt64), payment.ReasonInvalidAmount},
		"invoice: negative fee limit": {payInvoice(func(g *guest, ask *starter.PayInvoice) {
			ask.Invoice, ask.MaxFee = g.invoice(alice, 1_000), new(payment.Msat(-1))
		}), payment.ReasonInvalidAmount},
		"invoice: overflowing fee limit": {payInvoice(func(g *guest, ask *starter.PayInvoice) {
			ask.Invoice, ask.MaxFee = g.invoice(alice, 1_000), new(payment.Msat(math.MaxInt64))
		}), payment.ReasonInsufficientBalance},
		"invoice: unknown wallet": {payInvoice(func(g *guest, ask *starter.PayInvoice) {
			ask.Invoice, ask.WalletID = g.invoice(alice, 1_000), unknown
		}), payment.ReasonWalletNotFound},
		"invoice: unknown key": {payInvoice(func(g *guest, ask *starter.PayInvoice) {
			ask.Invoice, ask.KeyID = g.invoice(alice, 1_000), unknown
		}), payment.ReasonKeyNotFound},
		"address: empty":             {address(""), payment.ReasonInvalidAddress},
		"address: garbage":           {address("not-an-address"), payment.ReasonInvalidAddress},
		"address: an invoice":        {payAddress(func(g *guest, ask *starter.PayAddress) { ask.Address = g.invoice(alice, 1_000) }), payment.ReasonInvalidAddress},
		"address: truncated":         {address(regtestAddress[:30]), payment.ReasonInvalidAddress},
		"address: mainnet":           {address(mainnetAddress), payment.ReasonInvalidAddress},
		"address: testnet":           {address(testnetAddress), payment.ReasonInvalidAddress},
		"address: with parameters":   {address("bitcoin:" + regtestAddress + "?amount=1"), payment.ReasonInvalidAddress},
		"address: dust":              {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Amount = 999 }), payment.ReasonDust},
		"address: zero":              {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Amount = 0 }), payment.ReasonInvalidAmount},
		"address: negative":          {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Amount = -10_000 }), payment.ReasonInvalidAmount},
		"address: overflowing":       {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Amount = math.MaxInt64 }), payment.ReasonInvalidAmount},
		"address: all and an amount": {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.SendAll = true }), payment.ReasonInvalidAmount},
		"address: unknown speed":     {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Speed = "LIGHTSPEED" }), payment.ReasonInvalidInput},
		"address: unknown wallet":    {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.WalletID = unknown }), payment.ReasonWalletNotFound},
		"address: all of unknown":    {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.WalletID, ask.SendAll, ask.Amount = unknown, true, 0 }), payment.ReasonWalletNotFound},
		"address: all of another's": {payAddress(func(g *guest, ask *starter.PayAddress) {
			ask.WalletID, ask.SendAll, ask.Amount = g.treasury.ID, true, 0
		}), payment.ReasonWalletNotFound},
		"address: more than there is": {payAddress(func(_ *guest, ask *starter.PayAddress) { ask.Amount = payment.MaxSat }), payment.ReasonInsufficientBalance},
		"no node": {func(ctx context.Context, g *guest) (ledger.Payment, error) {
			door := starter.New(g.temporal, g.books, starter.DefaultConfig("regtest", nil), quiet())
			return door.PayInvoice(ctx, starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet, Invoice: g.invoice(alice, 1_000)})
		}, payment.ReasonNodeNotFound},
	}
}

// flip changes one letter in the middle.
func flip(invoice string) string {
	middle, letter := len(invoice)/2, "q"
	if invoice[middle] == 'q' {
		letter = "p"
	}
	return invoice[:middle] + letter + invoice[middle+1:]
}

// TestBadInput: each has its reason and a message that says what to do, and moves nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	g := enter(t, 50_000)
	for name, row := range badInput() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := *g
			own.t = t
			before := len(own.moved())
			got, err := row.call(t.Context(), &own)
			if err != nil {
				own.refusal(err, row.reason)
			} else {
				if row := own.become(got.ID, payment.Refused, payment.Failed); row.Fee != 0 {
					t.Errorf("it has a fee of %v", row.Fee)
				}
				got, err = own.books.Payment(t.Context(), got.ID)
				must(t, err)
				own.failed(got, got.State, row.reason)
			}
			own.money()
			if after := len(own.moved()); after != before {
				t.Errorf("%d payments moved something before, %d after", before, after)
			}
		})
	}
}

// moved lists the account's payments that hold or have moved money.
func (g *guest) moved() []ledger.Payment {
	g.t.Helper()
	rows, err := g.door.List(g.t.Context(), ledger.Filter{
		AccountID: g.account, States: []payment.State{payment.Reserved, payment.Dispatched, payment.Pending, payment.Settled},
	})
	must(g.t, err)
	return rows
}

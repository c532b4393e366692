package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

// waits is a mutation that has its place in the schema and no engine yet: dollars need a price, LNURLs a resolver.
type waits struct {
	door    payment.Door
	input   string // the type of its input
	fields  func(c *customer) map[string]any
	wallets []payment.Currency // that it takes
	code    string             // what it answers to the wallet's owner
}

// someLnurl is the example of LUD-01.
const someLnurl = "LNURL1DP68GURN8GHJ7UM9WFMXJCM99E3K7MF0V9CXJ0M385EKVCENXC6R2C35XVUKXEFCV5MKVV34X5EKZD3EV56NYD3HXQURZEPEXEJXXEPNXSCRVWFNV9NXZCN9XQ6XYEFHVGCXXCMYXYMNSERXFQ5FNS"

// waiting are the six mutations that have no engine.
func waiting() []waits {
	usd, both := []payment.Currency{payment.USD}, []payment.Currency{payment.BTC, payment.USD}
	address := func(c *customer) map[string]any { return map[string]any{"address": c.address(bob), "amount": 20_000} }
	return []waits{
		{payment.DoorIntraLedgerUsd, "IntraLedgerUsdPaymentSendInput", func(c *customer) map[string]any {
			return map[string]any{"recipientWalletId": c.treasury.ID.String(), "amount": 100}
		}, usd, "DEALER_OFFLINE"},
		{payment.DoorNoAmountUsdInvoice, "LnNoAmountUsdInvoicePaymentInput", func(c *customer) map[string]any {
			return map[string]any{"paymentRequest": c.invoice(bob, 0), "amount": 100}
		}, usd, "DEALER_OFFLINE"},
		{payment.DoorOnchainUsd, "OnChainUsdPaymentSendInput", address, usd, "DEALER_OFFLINE"},
		{payment.DoorOnchainUsdAsBtc, "OnChainUsdPaymentSendAsBtcDenominatedInput", address, usd, "DEALER_OFFLINE"},
		{payment.DoorLnurl, "LnurlPaymentSendInput", func(*customer) map[string]any {
			return map[string]any{"lnurl": someLnurl, "amount": 1_000}
		}, both, "LNURL_REQUEST_INVOICE_ERROR"},
		{payment.DoorLnAddress, "LnAddressPaymentSendInput", func(*customer) map[string]any {
			return map[string]any{"lnAddress": "somebody@example.com", "amount": 1_000}
		}, both, "LNURL_REQUEST_INVOICE_ERROR"},
	}
}

// dollars are the mutations of BTC wallets that take USD wallets as well, which wait for a price.
func dollars() []waits {
	usd := []payment.Currency{payment.USD}
	return []waits{
		{payment.DoorInvoice, "LnInvoicePaymentInput", func(c *customer) map[string]any {
			return map[string]any{"paymentRequest": c.invoice(bob, 1_000)}
		}, usd, "DEALER_OFFLINE"},
		{payment.DoorOnchainAll, "OnChainPaymentSendAllInput", func(c *customer) map[string]any {
			return map[string]any{"address": c.address(bob)}
		}, usd, "DEALER_OFFLINE"},
	}
}

// TestAPIMatrixOfTheWaiting: who may not ask is refused as for any payment, the owner is told what is missing, also when he
// asks again, and nothing moves.
func TestAPIMatrixOfTheWaiting(t *testing.T) {
	t.Parallel()
	const funds = 30_000
	c, thief := signUp(t, funds), signUp(t, funds)
	thief.balance, c.balance = payment.Sat(funds).MustMsat(), payment.Sat(funds).MustMsat()
	dollar := c.walletIn("USD")
	reader := c.in(t)
	reader.createKey("[READ]")
	for _, w := range slices.Concat(waiting(), dollars()) {
		t.Run(string(w.door), func(t *testing.T) {
			c, thief, reader := c.in(t), thief.in(t), reader.in(t)
			fields := w.fields(c)
			reader.unauthorized(w.door, w.input, fields)
			for currency, wallet := range map[payment.Currency]payment.WalletID{payment.BTC: c.wallet, payment.USD: dollar} {
				for _, l := range []line{thief.byKey(), thief.owner()} {
					w.fails(l, wallet, fields, "INVALID_INPUT", "Invalid walletId for account.")
				}
				code, says := w.code, ""
				if !slices.Contains(w.wallets, currency) {
					if w.door == payment.DoorInvoice || w.door == payment.DoorOnchainAll {
						continue // pays, and has its row in the matrix
					}
					code, says = "INVALID_INPUT", "wallet"
				}
				keyed := c.byKey().once()
				for _, l := range []line{c.owner(), c.byKey(), keyed, keyed} {
					w.fails(l, wallet, fields, code, says)
				}
			}
			w.fails(thief.byKey(), uuid.New(), fields, "INVALID_INPUT", "Invalid walletId for account.")
			for _, who := range []*customer{c, thief, reader} {
				who.shown()
			}
		})
	}
	if w, err := c.books.Wallet(t.Context(), dollar); err != nil || w.Balance != 0 || w.Held != 0 {
		t.Errorf("the USD wallet: %+v, %v", w, err)
	}
	if n, m := c.count(), thief.count(); n != 0 || m != 0 {
		t.Errorf("%d and %d payments were recorded", n, m)
	}
}

// fails expects one business error and no transaction.
func (w waits) fails(l line, from payment.WalletID, fields map[string]any, code, says string) {
	l.c.t.Helper()
	input := maps.Clone(fields)
	input["walletId"] = from.String()
	got, err := l.send(string(w.door), w.input, input)
	if err != nil || got.Status != "FAILURE" || len(got.Errors) != 1 || got.code() != code || got.Transaction != nil ||
		!strings.Contains(got.Errors[0].Message, says) {
		l.c.t.Errorf("%+v, %v; want one error %s with %q", got, err, code, says)
	}
	if says == "" && len(got.Errors) > 0 {
		speaks(l.c.t, got.Errors[0].Message)
	}
}

// walletIn finds the customer's wallet of a currency.
func (c *customer) walletIn(currency string) payment.WalletID {
	c.t.Helper()
	var me struct {
		Me struct {
			DefaultAccount struct {
				Wallets []struct{ ID, WalletCurrency string }
			}
		}
	}
	c.owner().must(`{ me { defaultAccount { wallets { id walletCurrency } } } }`, nil, &me)
	for _, w := range me.Me.DefaultAccount.Wallets {
		if w.WalletCurrency == currency {
			return uuid.MustParse(w.ID)
		}
	}
	c.t.Fatalf("no %s wallet among %+v", currency, me.Me.DefaultAccount.Wallets)
	return payment.WalletID{}
}

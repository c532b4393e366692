package graphqlapi

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestUsdAndLnurlHaveTheirPlace(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 100_000)
	usd := o.usdWallet().ID.String()
	btc := o.wallet.ID.String()
	invoice, address := o.house.peer.MakeInvoice(0).Request, lndfake.OutsideAddress()
	for _, c := range []struct {
		door  payment.Door
		input vars
		code  Code
	}{
		{payment.DoorIntraLedgerUsd, vars{"walletId": usd, "recipientWalletId": uuid.NewString(), "amount": 5}, codeNoPrice},
		{payment.DoorIntraLedgerUsd, vars{"walletId": btc, "recipientWalletId": uuid.NewString(), "amount": 5}, codeInput},
		{payment.DoorInvoice, vars{"walletId": usd, "paymentRequest": invoice}, codeNoPrice},
		{payment.DoorNoAmountInvoice, vars{"walletId": usd, "paymentRequest": invoice, "amount": 5}, codeInput},
		{payment.DoorNoAmountUsdInvoice, vars{"walletId": usd, "paymentRequest": invoice, "amount": 5}, codeNoPrice},
		{payment.DoorLnurl, vars{"walletId": btc, "lnurl": "lnurl1dp68gurn8ghj7", "amount": 5}, codeLnurl},
		{payment.DoorLnAddress, vars{"walletId": btc, "lnAddress": "a@b.example", "amount": 5}, codeLnurl},
		{payment.DoorOnchainUsd, vars{"walletId": usd, "address": address, "amount": 500}, codeNoPrice},
		{payment.DoorOnchainUsdAsBtc, vars{"walletId": usd, "address": address, "amount": 50_000}, codeNoPrice},
		{payment.DoorOnchainAll, vars{"walletId": usd, "address": address}, codeNoPrice},
	} {
		o.pay(c.door, c.input).wantFailed(c.code, "")
	}
}

// The node is away: nothing was sent, or it is not known, which is pending and not failed.
func TestNodeOffline(t *testing.T) { // not parallel: others need the node
	h := home(t)
	o := h.funded(t, 20_000)
	invoice := h.peer.MakeInvoice(100).Request
	h.bank.Down()
	defer h.bank.Up()
	var together sync.WaitGroup
	together.Go(func() {
		a := o.ask(`mutation($w: WalletId!) { lnInvoiceCreate(input: {walletId: $w, amount: 5}) { errors { code } } }`, vars{"w": o.wallet.ID})
		a.want("lnInvoiceCreate.errors.0.code", string(codeNodeOffline))
	})
	together.Go(func() {
		o.pay(payment.DoorOnchain, vars{"walletId": o.wallet.ID, "address": lndfake.OutsideAddress(), "amount": 5_000}).wantFailed(codeNodeOffline, "")
	})
	together.Go(func() {
		o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": invoice}).wantFailed(codeNodeOffline, "nothing was sent")
	})
	together.Wait()
	h.bank.Up()
	h.bank.Fail(lndfake.SendPayment, lndfake.AfterEffect, lndclient.KindUnknown) // whether it was sent is not known
	if p := o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": invoice}); p.status() == "FAILURE" {
		t.Errorf("got %s", p.raw)
	}
}

// Malformed scalars: class 2, in every payment mutation and every argument.
func TestMalformedScalars(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 20_000)
	for _, e := range errands() {
		for field, values := range map[string][]any{
			"walletId":          {"", "no-uuid", 7, true, "{" + o.wallet.ID.String() + "}", vars{}, []any{}},
			"recipientWalletId": {"no-uuid"},
			"amount":            {-1, "-1", 1.5, "1.5", "1e3", "", "abc", "0x10", "10000000000001", 10_000_000_000_001, true, "９", json.Number("1e400")},
			"memo":              {strings.Repeat("x", 640), 7, "a\x00b"},
			"paymentRequest":    {"", "pay me", lndfake.OutsideAddress(), 7},
			"address": {"", "two words", "addr?amount=1", 7, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx",
				"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "bcrt1qxyz", "garbage"},
		} {
			good := e.for_(o)
			if _, has := good[field]; !has && field != "memo" {
				continue
			}
			for _, value := range values {
				input := vars{}
				for name, v := range good {
					input[name] = v
				}
				input[field] = value
				o.pay(e.door, input).wantMalformed("Invalid value for")
			}
		}
	}
	if o.balance() != 20_000 {
		t.Errorf("the balance is %d", o.balance())
	}
}

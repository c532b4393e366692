package graphqlapi

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// The database is away: nothing is paid, and its driver's words stay here.
func TestClosedWhenTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	gone, err := ledger.Open(t.Context(), h.books, ledger.WithMaxConns(1))
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	cfg := h.config
	cfg.Ledger = gone
	cfg.Starter = starter.New(nil, gone, starter.DefaultConfig(lndclient.Regtest, []string{bank}), slog.New(slog.DiscardHandler))
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	away := *o
	away.house = &house{address: address}
	p := away.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": h.peer.MakeInvoice(5).Request})
	p.wantFailed(codeUnknown, "")
	a := away.send(`{ me { id } }`, nil)
	for _, raw := range []string{p.raw, a.raw} {
		if strings.Contains(raw, "pool") || strings.Contains(raw, "sql") || strings.Contains(raw, "closed") {
			t.Errorf("a driver speaks: %s", raw)
		}
	}
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != string(codeUnknown) {
		t.Errorf("got %s", a.raw)
	}
}

// Each class has a limit of its own, per key, account and address, and says when to try again.
func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	three := limit.Rate{Count: 3, Per: time.Hour, Burst: 3}
	all := limit.ClassRates{Account: three, Address: three}
	cfg.Limiter = limit.New(limit.Rates{
		limit.Payments: {Account: three, Key: limit.Rate{Count: 1, Per: time.Hour, Burst: 1}}, limit.Invoices: all, limit.Addresses: all, limit.Logins: all,
	})
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o, to := h.funded(t, 10_000), h.funded(t, 1)
	key, _ := o.key("WRITE", nil)
	o.house, key.house = &house{address: address}, &house{address: address}
	input := vars{"walletId": o.wallet.ID, "recipientWalletId": to.wallet.ID, "amount": 5}
	key.pay(payment.DoorIntraLedger, input).wantPaid()
	key.pay(payment.DoorIntraLedger, input).wantFailed(codeTooMany, "Try again in 3600 s")
	o.pay(payment.DoorIntraLedger, input).wantPaid() // the account's own allowance is larger
	o.pay(payment.DoorIntraLedger, input).wantPaid()
	o.pay(payment.DoorIntraLedger, input).wantFailed(codeTooMany, "Try again")
	for name, call := range map[string]string{
		"lnInvoiceCreate":      `mutation { lnInvoiceCreate(input: {walletId: "%s", amount: 5}) { errors { code } } }`,
		"onChainAddressCreate": `mutation { onChainAddressCreate(input: {walletId: "%s"}) { errors { code } } }`,
		"userLogin":            `mutation { userLogin(input: {phone: "+16505550199", code: "111111"}) { errors { code message } } } #%s`,
	} {
		for i := range 4 {
			a := o.ask(fmt.Sprintf(call, o.wallet.ID), nil)
			limited := strings.Contains(a.raw, string(codeTooMany))
			if limited != (i == 3) {
				t.Errorf("%s, call %d: %s", name, i+1, a.raw)
			}
		}
	}
}

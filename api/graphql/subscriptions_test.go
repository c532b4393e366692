package graphqlapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

func (o *owner) invoice(sat int) (hash, request string) {
	o.t.Helper()
	a := o.ask(`mutation($w: WalletId!, $n: SatAmount!) { lnInvoiceCreate(input: {walletId: $w, amount: $n}) { invoice { paymentHash paymentRequest } } }`,
		vars{"w": o.wallet.ID, "n": sat})
	return a.text("lnInvoiceCreate.invoice.paymentHash"), a.text("lnInvoiceCreate.invoice.paymentRequest")
}

func TestInvoiceStatusSubscription(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 10_000)
	hash, request := o.invoice(500)
	l := call(t, h.address, nil) // nobody may ask
	fields := `{ status paymentHash paymentPreimage errors { message code } }`
	l.subscribe("1", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, hash, fields))
	first := l.next()
	first.want("s.status", "PENDING")
	first.want("s.paymentPreimage", "")
	payer := h.funded(t, 10_000) // inside the ledger
	payer.pay(payment.DoorInvoice, vars{"walletId": payer.wallet.ID, "paymentRequest": request}).wantPaid()
	paidNow := l.next()
	paidNow.want("s.status", "PAID")
	paidNow.want("s.paymentHash", hash)
	l.wantComplete()
	l.subscribe("2", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByPaymentRequest(input: {paymentRequest: %q}) %s }`, request, fields))
	l.next().want("s.status", "PAID")
	l.wantComplete()

	hash, _ = o.invoice(500) // over lightning
	l.subscribe("3", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, hash, fields))
	l.next().want("s.status", "PENDING")
	parsed, err := payment.ParseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.bank.ReceivePayment(parsed, payment.Sat(500).MustMsat()); err != nil {
		t.Fatal(err)
	}
	l.next().want("s.status", "PAID")
	l.wantComplete()

	hash, _ = o.invoice(500) // canceled
	l.subscribe("4", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, hash, fields))
	l.next().want("s.status", "PENDING")
	o.ask(`mutation($i: LnInvoiceCancelInput!) { lnInvoiceCancel(input: $i) { success } }`, vars{"i": vars{"walletId": o.wallet.ID, "paymentHash": hash}})
	l.next().want("s.status", "EXPIRED")
	l.wantComplete()

	l.subscribe("5", fmt.Sprintf(`subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: %q}) %s }`, strings.Repeat("0", 64), fields))
	l.next().want("s.errors.0.code", string(codeInput))
	l.wantComplete()
	l.subscribe("6", `subscription { s: lnInvoicePaymentStatusByHash(input: {paymentHash: "x"}) `+fields+` }`)
	bad := l.next()
	bad.want("s.errors.0.code", "")
	bad.want("s.status", "")
	l.wantComplete()
}

const updatesQuery = `subscription { myUpdates { errors { message } me { id } update { __typename
	... on Price { base offset } ... on RealtimePrice { denominatorCurrency btcSatPrice { base offset } }
	... on LnUpdate { paymentHash status walletId transaction { settlementAmount } }
	... on OnChainUpdate { txNotificationType txHash amount usdPerSat walletId transaction { status } }
	... on IntraLedgerUpdate { txNotificationType amount usdPerSat displayCurrencyPerSat walletId transaction { direction } } } } }`

// fixed is a price of 0.05 US cents per satoshi.
type fixed struct{}

func (fixed) Quote(_ context.Context, currency string) (Quote, error) {
	if currency != dollars {
		return Quote{}, payment.Errorf(payment.ReasonNoPrice, "There is no price in %s.", currency)
	}
	return Quote{
		Currency: Currency{Code: dollars, Symbol: "$", Name: "US Dollar", FractionDigits: 2}, At: time.Now(),
		Sat: Rate{Base: 50_000, Offset: 6}, Cent: Rate{Base: 1_000_000, Offset: 6},
	}, nil
}

func TestMyUpdates(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Prices, cfg.Limits.PriceEvery = fixed{}, 3*time.Second
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o, other := h.funded(t, 100_000), h.funded(t, 1)
	other.pay(payment.DoorIntraLedger, vars{"walletId": other.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 1}).wantPaid() // before: no news
	key, _ := o.key("READ", nil)
	l := call(t, address, key.params())
	l.subscribe("1", updatesQuery)
	price := l.next()
	price.want("myUpdates.update.__typename", "RealtimePrice")
	price.want("myUpdates.update.btcSatPrice.base", "50000")
	price.want("myUpdates.me.id", o.wallet.AccountID.String())
	l.next().want("myUpdates.update.__typename", "Price")

	news := func() *answer {
		for {
			a := l.next()
			if kind := a.text("myUpdates.update.__typename"); kind != "Price" && kind != "RealtimePrice" {
				return a
			}
		}
	}
	o.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": other.wallet.ID, "amount": 500}).wantPaid()
	a := news()
	a.want("myUpdates.update.txNotificationType", "IntraLedgerPayment")
	a.want("myUpdates.update.amount", "500")
	a.want("myUpdates.update.usdPerSat", "0.0005")
	other.pay(payment.DoorIntraLedger, vars{"walletId": other.wallet.ID, "recipientWalletId": o.wallet.ID, "amount": 200}).wantPaid()
	a = news()
	a.want("myUpdates.update.txNotificationType", "IntraLedgerReceipt")
	a.want("myUpdates.update.transaction.direction", "RECEIVE")

	f := follow{o, news}
	f.lightning(t)
	f.deposit(t)
	for l.next().text("myUpdates.update.__typename") != "Price" { // and again, as time goes on
	}
	l.write(frame{ID: "1", Type: "complete"})
}

// follow is an owner who is told of what happens.
type follow struct {
	*owner
	news func() *answer
}

func (f follow) lightning(t *testing.T) {
	t.Helper()
	hash, _ := f.invoice(700)
	parsed, err := payment.ParseHash(hash)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.house.bank.ReceivePayment(parsed, payment.Sat(700).MustMsat()); err != nil {
		t.Fatal(err)
	}
	a := f.news()
	a.want("myUpdates.update.__typename", "LnUpdate")
	a.want("myUpdates.update.status", "PAID")
	a.want("myUpdates.update.paymentHash", hash)
	a.want("myUpdates.update.transaction.settlementAmount", "700")
}

func (f follow) deposit(t *testing.T) {
	t.Helper()
	address := f.ask(`mutation($w: WalletId!) { onChainAddressCreate(input: {walletId: $w}) { address } }`, vars{"w": f.wallet.ID}).text("onChainAddressCreate.address")
	txid := f.house.network.SendToAddress(address, 9_000)
	a := f.news()
	a.want("myUpdates.update.txNotificationType", "OnchainReceiptPending")
	a.want("myUpdates.update.txHash", txid)
	f.house.network.Mine(1)
	a = f.news()
	a.want("myUpdates.update.txNotificationType", "OnchainReceipt")
	a.want("myUpdates.update.amount", "9000")
}

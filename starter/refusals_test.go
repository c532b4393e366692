package starter

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// bolt11 makes a signed invoice of any network, with or without a payment secret.
func bolt11(t testing.TB, params *chaincfg.Params, options ...func(*zpay32.Invoice)) string {
	t.Helper()
	key, _ := btcec.PrivKeyFromBytes([]byte{1, 2, 3})
	options = append([]func(*zpay32.Invoice){zpay32.Description("tea"), zpay32.Amount(5_000_000)}, options...)
	made, err := zpay32.NewInvoice(params, [32]byte{7}, time.Now(), options...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := made.Encode(zpay32.MessageSigner{SignCompact: func(msg []byte) ([]byte, error) {
		return ecdsa.SignCompact(key, chainhash.HashB(msg), true), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Invariant 3: a refusal by validation has a reason and a message, and changes nothing.
func TestBadInvoicePaymentsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	priced, open := d.peer.MakeInvoice(500).Request, d.peer.MakeInvoice(0).Request
	change := func(invoice string, f func(*PayInvoice)) PayInvoice {
		ask := d.invoice(invoice)
		f(&ask)
		return ask
	}
	for name, c := range map[string]struct {
		ask  PayInvoice
		want payment.Reason
	}{
		"nothing":             {d.invoice(""), payment.ReasonInvoiceInvalid},
		"garbage":             {d.invoice("pay me \x00\xff"), payment.ReasonInvoiceInvalid},
		"an address":          {d.invoice(lndfake.OutsideAddress()), payment.ReasonInvoiceInvalid},
		"truncated":           {d.invoice(priced[:len(priced)-20]), payment.ReasonInvoiceInvalid},
		"mixed case":          {d.invoice(strings.ToUpper(priced[:40]) + priced[40:]), payment.ReasonInvoiceInvalid},
		"of mainnet":          {d.invoice(bolt11(t, &chaincfg.MainNetParams, zpay32.PaymentAddr([32]byte{1}))), payment.ReasonInvoiceInvalid},
		"of testnet":          {d.invoice(bolt11(t, &chaincfg.TestNet3Params, zpay32.PaymentAddr([32]byte{1}))), payment.ReasonInvoiceInvalid},
		"no payment secret":   {d.invoice(bolt11(t, &chaincfg.RegressionNetParams)), payment.ReasonInvoiceInvalid},
		"expired":             {d.invoice(d.peer.MakeExpired(500).Request), payment.ReasonInvoiceExpired},
		"amount given twice":  {change(priced, func(a *PayInvoice) { a.Amount = 500 * sat }), payment.ReasonInvalidAmount},
		"negative and priced": {change(priced, func(a *PayInvoice) { a.Amount = -1 }), payment.ReasonInvalidAmount},
		"no amount":           {d.invoice(open), payment.ReasonInvalidAmount},
		"negative amount":     {change(open, func(a *PayInvoice) { a.Amount = -1 }), payment.ReasonInvalidAmount},
		"above the largest":   {change(open, func(a *PayInvoice) { a.Amount = payment.MaxSat.MustMsat() + 1 }), payment.ReasonInvalidAmount},
		"overflowing":         {change(open, func(a *PayInvoice) { a.Amount = math.MaxInt64 }), payment.ReasonInvalidAmount},
		"negative fee limit":  {change(priced, func(a *PayInvoice) { a.MaxFee = new(payment.Msat(-1)) }), payment.ReasonInvalidAmount},
		"memo too long":       {change(priced, func(a *PayInvoice) { a.Memo = strings.Repeat("m", 640) }), payment.ReasonInvalidInput},
		"memo not UTF-8":      {change(priced, func(a *PayInvoice) { a.Memo = "\xff" }), payment.ReasonInvalidInput},
		"memo with zero byte": {change(priced, func(a *PayInvoice) { a.Memo = "a\x00b" }), payment.ReasonInvalidInput},
		"key too long":        {change(priced, func(a *PayInvoice) { a.IdempotencyKey = strings.Repeat("k", 256) }), payment.ReasonInvalidInput},
		"key with zero byte":  {change(priced, func(a *PayInvoice) { a.IdempotencyKey = "\x00" }), payment.ReasonInvalidInput},
		"no account":          {change(priced, func(a *PayInvoice) { a.AccountID = payment.AccountID{} }), payment.ReasonInvalidInput},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.s.PayInvoice(t.Context(), c.ask)
			wantRefusal(t, err, c.want)
		})
	}
	d.untouched()
}

func TestBadAddressPaymentsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	good := lndfake.OutsideAddress()
	change := func(f func(*PayAddress)) PayAddress {
		ask := d.address(good, 5000)
		f(&ask)
		return ask
	}
	for name, c := range map[string]struct {
		ask  PayAddress
		want payment.Reason
	}{
		"nothing":             {d.address("", 5000), payment.ReasonInvalidAddress},
		"garbage":             {d.address("bcrt1\x00", 5000), payment.ReasonInvalidAddress},
		"truncated":           {d.address(good[:len(good)-3], 5000), payment.ReasonInvalidAddress},
		"one letter wrong":    {d.address(good[:len(good)-1]+flip(good[len(good)-1]), 5000), payment.ReasonInvalidAddress},
		"of mainnet":          {d.address("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 5000), payment.ReasonInvalidAddress},
		"an invoice":          {d.address(d.peer.MakeInvoice(5).Request, 5000), payment.ReasonInvalidAddress},
		"zero":                {d.address(good, 0), payment.ReasonInvalidAmount},
		"negative":            {d.address(good, -5000), payment.ReasonInvalidAmount},
		"above the largest":   {d.address(good, payment.MaxSat+1), payment.ReasonInvalidAmount},
		"overflowing":         {d.address(good, math.MaxInt64), payment.ReasonInvalidAmount},
		"negative overflow":   {d.address(good, math.MinInt64), payment.ReasonInvalidAmount},
		"dust":                {d.address(good, 999), payment.ReasonDust},
		"unknown speed":       {change(func(a *PayAddress) { a.Speed = "SOON" }), payment.ReasonInvalidInput},
		"all, and an amount":  {change(func(a *PayAddress) { a.SendAll = true }), payment.ReasonInvalidAmount},
		"memo with zero byte": {change(func(a *PayAddress) { a.Memo = "\x00" }), payment.ReasonInvalidInput},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.s.PayAddress(t.Context(), c.ask)
			wantRefusal(t, err, c.want)
		})
	}
	d.untouched()
}

func flip(letter byte) string {
	if letter == 'q' {
		return "p"
	}
	return "q"
}

// The message of an amount that is too large must not say that it is too small.
func TestTooLargeIsNotCalledTooSmall(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for _, amount := range []payment.Sat{payment.MaxSat + 1, math.MaxInt64} {
		_, err := d.s.PayAddress(t.Context(), d.address(lndfake.OutsideAddress(), amount))
		if err == nil || !strings.Contains(err.Error(), "largest") {
			t.Errorf("%d sat: %v", amount, err)
		}
	}
}

func TestBadWalletPaymentsAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := newUUID()
	for name, c := range map[string]struct {
		to     payment.WalletID
		amount payment.Msat
		memo   string
		want   payment.Reason
	}{
		"itself":            {d.wallet.ID, sat, "", payment.ReasonSelfPayment},
		"zero":              {other, 0, "", payment.ReasonInvalidAmount},
		"negative":          {other, -sat, "", payment.ReasonInvalidAmount},
		"above the largest": {other, payment.MaxSat.MustMsat() + 1, "", payment.ReasonInvalidAmount},
		"overflowing":       {other, math.MaxInt64, "", payment.ReasonInvalidAmount},
		"memo not UTF-8":    {other, sat, "\xff\xfe", payment.ReasonInvalidInput},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.s.PayWallet(t.Context(), PayWallet{Caller: d.caller(""), WalletID: d.wallet.ID, RecipientID: c.to, Amount: c.amount, Memo: c.memo})
			wantRefusal(t, err, c.want)
		})
	}
	d.untouched()
}

func TestBadReceivesAreRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	good := ReceiveInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID}
	change := func(f func(*ReceiveInvoice)) ReceiveInvoice {
		ask := good
		f(&ask)
		return ask
	}
	for name, c := range map[string]struct {
		ask  ReceiveInvoice
		want payment.Reason
	}{
		"negative":         {change(func(a *ReceiveInvoice) { a.Amount = -1 }), payment.ReasonInvalidAmount},
		"too large":        {change(func(a *ReceiveInvoice) { a.Amount = math.MaxInt64 }), payment.ReasonInvalidAmount},
		"short":            {change(func(a *ReceiveInvoice) { a.Expiry = time.Second }), payment.ReasonInvalidInput},
		"long":             {change(func(a *ReceiveInvoice) { a.Expiry = 25 * time.Hour }), payment.ReasonInvalidInput},
		"memo too long":    {change(func(a *ReceiveInvoice) { a.Memo = strings.Repeat("m", 640) }), payment.ReasonInvalidInput},
		"memo not UTF-8":   {change(func(a *ReceiveInvoice) { a.Memo = "\xff" }), payment.ReasonInvalidInput},
		"unknown wallet":   {change(func(a *ReceiveInvoice) { a.WalletID = newUUID() }), payment.ReasonWalletNotFound},
		"another's wallet": {change(func(a *ReceiveInvoice) { a.AccountID = newUUID() }), payment.ReasonWalletNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.s.CreateInvoice(t.Context(), c.ask)
			wantRefusal(t, err, c.want)
		})
	}
	_, err := d.s.CreateAddress(t.Context(), newUUID(), d.wallet.ID)
	wantRefusal(t, err, payment.ReasonWalletNotFound)
	d.s.cfg.Nodes = nil
	_, err = d.s.CreateInvoice(t.Context(), good)
	wantRefusal(t, err, payment.ReasonNodeNotFound)
	_, err = d.s.PayInvoice(t.Context(), d.invoice(d.peer.MakeInvoice(5).Request))
	wantRefusal(t, err, payment.ReasonNodeNotFound)
	_, err = d.s.PayAddress(t.Context(), d.address(lndfake.OutsideAddress(), 5000))
	wantRefusal(t, err, payment.ReasonNodeNotFound)
	d.untouched()
}

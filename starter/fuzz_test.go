package starter

import (
	"testing"

	"github.com/btcsuite/btcd/chaincfg"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// FuzzInvoiceRequest: no text makes the entry panic, and whatever it lets through has an amount above zero that fits.
func FuzzInvoiceRequest(f *testing.F) {
	d := newDoor(f)
	priced := d.peer.MakeInvoice(500).Request
	for _, text := range []string{
		"", "ln", "lnbcrt1", priced, "lightning:" + priced, priced[:60], d.peer.MakeInvoice(0).Request, d.peer.MakeExpired(1).Request,
		bolt11(f, &chaincfg.MainNetParams), bolt11(f, &chaincfg.RegressionNetParams, zpay32.PaymentAddr([32]byte{1})),
	} {
		f.Add(text, int64(0), int64(0), "memo", "key")
		f.Add(text, int64(1000), int64(-1), "\x00", "\xff")
	}
	f.Fuzz(func(t *testing.T, text string, amount, maxFee int64, memo, key string) {
		ask := d.invoice(text)
		ask.Amount, ask.MaxFee, ask.Memo, ask.IdempotencyKey = payment.Msat(amount), (*payment.Msat)(&maxFee), memo, key
		req, err := d.s.invoiceRequest(t.Context(), ask)
		sane(t, req, err)
	})
}

func FuzzAddressRequest(f *testing.F) {
	d := newDoor(f)
	good := lndfake.OutsideAddress()
	for _, text := range []string{"", "bc1", good, "bitcoin:" + good, good[:20], d.ownAddress(d.wallet), "2N2JD6wb56AfK4tfmM6PwdVmoYk2dCKf4Br"} {
		f.Add(text, int64(5000), false, "FAST", "memo")
		f.Add(text, int64(-1), true, "", "\x00")
	}
	f.Fuzz(func(t *testing.T, text string, amount int64, all bool, speed, memo string) {
		ask := d.address(text, payment.Sat(amount))
		ask.SendAll, ask.Speed, ask.Memo = all, payment.Speed(speed), memo
		req, err := d.s.addressRequest(t.Context(), ask)
		sane(t, req, err)
	})
}

// sane is a request that may go on, or an error with a reason for the user.
func sane(t *testing.T, req payment.Request, err error) {
	t.Helper()
	if err != nil {
		if reason := payment.ReasonOf(err); reason == payment.ReasonInternal {
			t.Fatalf("not a refusal: %v", err)
		}
		return
	}
	total, fits := req.Total()
	if !fits || total < req.Amount || req.FeeReserve < 0 || req.Amount > payment.MaxSat.MustMsat() || (req.Amount <= 0) != req.SendAll {
		t.Fatalf("let through: %+v", req)
	}
}

package e2e_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// aliceFee is what alice takes to forward: lnd's default policy, 1 sat and a millionth.
func aliceFee(amount payment.Msat) payment.Msat { return 1000 + amount/1_000_000 }

// TestLightningSettles: over two hops, with the actual fee charged and the unused reserve given back, to the msat.
func TestLightningSettles(t *testing.T) {
	t.Parallel()
	g := enter(t, 100_000)
	invoice := g.invoice(bob, 50_000)
	began := time.Now()
	row := g.pay(invoice)
	took := time.Since(began)
	if row.State != payment.Settled {
		t.Fatalf("the answer is %s, it should be the end", words(row))
	}
	t.Logf("start to settled over two hops: %v", took)
	if want := aliceFee(row.Amount); row.Fee != want || row.Amount != 50_000_000 || row.FeeReserve != 250_000 {
		t.Errorf("amount %d fee %d reserve %d msat, want fee %d", row.Amount, row.Fee, row.FeeReserve, want)
	}
	if len(row.Preimage) != 32 || row.Send.Attempt != 1 {
		t.Errorf("preimage of %d bytes, %d attempts", len(row.Preimage), row.Send.Attempt)
	}
	g.charge(row)
	g.money()
	g.paidAt(bob, invoice, 50_000_000)
}

package e2e_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// patience is what a caller is promised: an answer, and a cancelled budget back, within five seconds. The tests log what it
// took, and fail only at three times that: they share two cores.
const patience = 5 * time.Second

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

// TestNoAmountInvoice: the payer names the amount, here one that is no whole satoshi.
func TestNoAmountInvoice(t *testing.T) {
	t.Parallel()
	g := enter(t, 20_000)
	invoice := g.invoice(bob, 0)
	row := g.ended(g.ask(starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet, Invoice: invoice, Amount: 7_654_321}), payment.Settled)
	if row.Amount != 7_654_321 || row.Fee != aliceFee(row.Amount) {
		t.Errorf("paid %d with fee %d msat", row.Amount, row.Fee)
	}
	g.charge(row)
	g.money()
	g.paidAt(bob, invoice, 7_654_321)
}

// TestHoldSettles: pending with wallet and budget reserved, then settled.
func TestHoldSettles(t *testing.T) {
	t.Parallel()
	g := enter(t, 30_000)
	invoice, hash := g.hold(bob, 20_000)
	began := time.Now()
	row := g.pay(invoice)
	took := time.Since(began)
	t.Logf("a held payment answers %s after %v", row.State, took)
	if row.State != payment.Pending || took > 3*patience {
		t.Errorf("a held payment answers %s after %v; it should be pending within %v", words(row), took, patience)
	}
	g.held(bob, hash)
	until(t, "the height at which the HTLC times out", func() error { // found late on a busy machine, and then hinted
		row, err := g.books.Payment(t.Context(), row.ID)
		if err == nil && row.Expiry == 0 {
			err = payment.Errorf(payment.ReasonInternal, "it is not known")
		}
		return err
	})
	g.money(row)
	g.settleHold(bob, hash)
	row = g.ended(row, payment.Settled)
	g.charge(row)
	g.money()
	g.paidAt(bob, invoice, 20_000_000)
}

// TestHoldCanceled: funds and budget come back to the msat and to the sat, soon after the receiver has cancelled.
func TestHoldCanceled(t *testing.T) {
	t.Parallel()
	g := enter(t, 30_000)
	g.limit(payment.Daily, 20_200)
	invoice, hash := g.hold(bob, 20_000)
	row := g.become(g.pay(invoice).ID, payment.Pending)
	g.held(bob, hash)
	g.money(row)
	began := time.Now()
	g.cancelHold(bob, hash)
	g.failed(row, payment.Failed, payment.ReasonRejected)
	took := time.Since(began)
	t.Logf("cancel at the receiver to budget back: %v", took)
	if took > 3*patience {
		t.Errorf("the budget came back only after %v", took)
	}
	g.money()
	again := g.invoice(bob, 20_000)
	g.charge(g.ended(g.pay(again), payment.Settled)) // the same sats and the same budget can be spent
	g.money()
}

func TestExpiredInvoice(t *testing.T) {
	t.Parallel()
	g := enter(t, 5_000)
	_, err := g.door.PayInvoice(t.Context(), starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet, Invoice: g.expired()})
	g.refusal(err, payment.ReasonInvoiceExpired)
	g.untouched(0)
}

// TestNoRoute: to a node that nobody has heard of.
func TestNoRoute(t *testing.T) {
	t.Parallel()
	g := enter(t, 5_000)
	g.failed(g.pay(made(t, regtest(), secret(), msat(1_000_000))), payment.Failed, payment.ReasonNoRoute)
	g.money()
}

// TestBeyondCapacity: more than any channel holds.
func TestBeyondCapacity(t *testing.T) {
	t.Parallel()
	g := enter(t, 20_000_000)
	row := g.ended(g.pay(g.invoice(alice, 9_900_000)), payment.Failed)
	if r := row.Failure.Reason; r != payment.ReasonNodeFunds && r != payment.ReasonNoRoute {
		t.Errorf("ended %s", words(row))
	}
	speaks(t, row.Failure.Message)
	g.money()
}

// TestFeeOverLimit: no fee is allowed where alice takes one; the same invoice can be paid afterwards with one.
func TestFeeOverLimit(t *testing.T) {
	t.Parallel()
	g := enter(t, 20_000)
	invoice, none := g.invoice(bob, 10_000), payment.Msat(0)
	row := g.ask(starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet, Invoice: invoice, MaxFee: &none})
	g.failed(row, payment.Failed, payment.ReasonFeeOverLimit)
	g.money()
	row = g.ended(g.pay(invoice), payment.Settled)
	if row.Send.Baseline == 0 {
		t.Error("lnd knows a failed payment of this hash, and the baseline is 0")
	}
	g.charge(row)
	g.money()
	g.paidAt(bob, invoice, 10_000_000)
}

// TestCanceledInvoice: the receiver has withdrawn its invoice.
func TestCanceledInvoice(t *testing.T) {
	t.Parallel()
	g := enter(t, 5_000)
	invoice := g.invoice(alice, 1_000)
	g.cancelHold(alice, hashOf(t, invoice))
	g.failed(g.pay(invoice), payment.Failed, payment.ReasonRejected)
	g.money()
}

// TestInvoicePaidTwice: the second payment is told so and moves nothing.
func TestInvoicePaidTwice(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	invoice := g.invoice(alice, 3_000)
	g.charge(g.ended(g.pay(invoice), payment.Settled))
	g.failed(g.pay(invoice), payment.Refused, payment.ReasonAlreadyPaid)
	g.money()
	g.paidAt(alice, invoice, 3_000_000)
}

// TestTwoWalletsRace: two customers pay one invoice at the same moment; one pays.
func TestTwoWalletsRace(t *testing.T) {
	t.Parallel()
	guests := []*guest{enter(t, 10_000), enter(t, 10_000), enter(t, 10_000)}
	invoice := guests[0].invoice(alice, 3_000)
	rows := make([]ledger.Payment, len(guests))
	atOnce(len(guests), func(i int) { rows[i] = guests[i].pay(invoice) })
	paid := 0
	for i, g := range guests {
		row := g.become(rows[i].ID, payment.Settled, payment.Refused, payment.Failed)
		if row.State == payment.Settled {
			paid++
			g.charge(row)
		} else if r := row.Failure.Reason; r != payment.ReasonPaymentInFlight && r != payment.ReasonAlreadyPaid {
			t.Errorf("ended %s", words(row))
		}
		g.money()
	}
	if paid != 1 {
		t.Errorf("%d of %d paid", paid, len(guests))
	}
	guests[0].paidAt(alice, invoice, 3_000_000)
}

// TestPaidOutsideHoldfast: our node has paid the invoice by an operator's hand.
func TestPaidOutsideHoldfast(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	invoice := g.invoice(alice, 3_000)
	_, err := g.net.Pay(t.Context(), bank, invoice, 0)
	must(t, err)
	g.failed(g.pay(invoice), payment.Failed, payment.ReasonAlreadyPaid)
	g.money()
	g.paidAt(alice, invoice, 3_000_000)
}

// TestInFlightOutsideHoldfast: our node is paying the invoice by an operator's hand. What becomes of it is not ours.
func TestInFlightOutsideHoldfast(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	invoice, hash := g.hold(alice, 3_000)
	wait, err := g.net.PayAsync(t.Context(), bank, invoice, 0)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(wait())
		}
	})
	g.held(alice, hash)
	g.failed(g.pay(invoice), payment.Failed, payment.ReasonPaymentInFlight)
	g.money()
	g.settleHold(alice, hash)
	_, err = wait()
	must(t, err)
	g.failed(g.pay(invoice), payment.Failed, payment.ReasonAlreadyPaid)
	g.money()
}

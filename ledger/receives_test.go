package ledger_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// TestInvoiceIsCreditedOnce is rule 10 for lightning: many watchers, one credit, and the cursor moves with it.
func TestInvoiceIsCreditedOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 0)
	hash := ownInvoice(t, l, w, 0, time.Hour)
	results := make(chan bool, 10)
	together(10, func(int) {
		credited, err := l.CreditInvoice(t.Context(), "bank", hash, 1_234, 17)
		if err != nil {
			t.Error(err)
		}
		results <- credited
	})
	close(results)
	count := 0
	for credited := range results {
		if credited {
			count++
		}
	}
	if count != 1 {
		t.Fatalf("credited %d times", count)
	}
	wantBalance(t, l, w.ID, 1_234, 0)
	inv := must[ledger.Invoice](t)(l.Invoice(t.Context(), hash))
	if inv.State != ledger.InvoicePaid || inv.Received != 1_234 || inv.PaidAt.IsZero() {
		t.Fatalf("invoice %+v", inv)
	}
	wantReason(t, l.CancelInvoice(t.Context(), hash), payment.ReasonAlreadyPaid)
	if paid := must[[]ledger.Invoice](t)(l.InvoicesPaidSince(t.Context(), "bank", inv.PaidAt)); len(paid) != 1 || paid[0].Hash != hash {
		t.Fatalf("paid since: %+v", paid)
	}
	ledgertest.Balanced(t, l)
}

// An invoice that a wallet of ours is paying cannot be canceled any more, whatever became of it at LND; before, and when the
// payment has failed, it can.
func TestInvoiceBeingPaidInsideCannotBeCanceled(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	payer, w := sender(t, l)
	pays := func(hash payment.Hash) payment.Request {
		req := intraledger(payer, w, payment.KeyID{}, 5*sat)
		req.PaymentHash = hash
		return req
	}
	paid, given := ownInvoice(t, l, w, 5*sat, time.Hour), ownInvoice(t, l, w, 5*sat, time.Hour)
	settles, fails := pays(paid), pays(given)
	for _, req := range []payment.Request{settles, fails} {
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
		wantReason(t, l.CancelInvoice(t.Context(), req.PaymentHash), payment.ReasonConflict)
	}
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), settles.ID, 0))
	wantReason(t, l.CancelInvoice(t.Context(), paid), payment.ReasonAlreadyPaid)
	mustPayment(t, payment.Failed)(l.Void(t.Context(), fails, payment.Failure{Reason: payment.ReasonCanceled, Message: "x"}, 0))
	if err := l.CancelInvoice(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Refused)(l.Reserve(t.Context(), pays(given)))
	ledgertest.Balanced(t, l)
}

// Many cancel and pay at once: either it is canceled and nobody pays, or it is paid and nobody was told that it is canceled.
func TestCancelAndPayInsideAtOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	payer, w := sender(t, l)
	for range 20 {
		hash := ownInvoice(t, l, w, 5*sat, time.Hour)
		var canceled, paid atomic.Int32
		together(4, func(i int) {
			if i%2 == 0 {
				if l.CancelInvoice(t.Context(), hash) == nil {
					canceled.Add(1)
				}
				return
			}
			req := intraledger(payer, w, payment.KeyID{}, 5*sat)
			req.PaymentHash = hash
			if row, err := l.Reserve(t.Context(), req); err == nil && row.State == payment.Reserved {
				mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 0))
				paid.Add(1)
			}
		})
		if (canceled.Load() > 0) == (paid.Load() > 0) || paid.Load() > 1 {
			t.Fatalf("canceled %d times, paid %d times", canceled.Load(), paid.Load())
		}
	}
	ledgertest.Balanced(t, l)
}

func TestCursors(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	want := func(settle uint64, block int32) {
		t.Helper()
		if got := must[ledger.Cursors](t)(l.Cursors(t.Context(), "bank")); got != (ledger.Cursors{SettleIndex: settle, BlockHeight: block}) {
			t.Fatalf("cursors %+v, want %d, %d", got, settle, block)
		}
	}
	want(0, 0)
	for _, index := range []uint64{5, 9, 7} { // invoices that are none of ours
		credited, err := l.CreditInvoice(t.Context(), "bank", ledgertest.RandomHash(), sat, index)
		if err != nil || credited {
			t.Fatalf("credited %v, %v", credited, err)
		}
	}
	want(9, 0)
	for _, height := range []int32{100, 99} {
		if err := l.AdvanceBlocks(t.Context(), "bank", height); err != nil {
			t.Fatal(err)
		}
	}
	want(9, 100)
}

// TestInvoiceOfAnotherNode: a hash is credited only by the node that made the invoice.
func TestInvoiceOfAnotherNode(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 0)
	hash := ownInvoice(t, l, w, 0, time.Hour)
	if credited, err := l.CreditInvoice(t.Context(), "other", hash, sat, 1); err != nil || credited {
		t.Fatalf("credited %v, %v", credited, err)
	}
	wantBalance(t, l, w.ID, 0, 0)
}

// TestDepositIsCreditedOnce is rule 10 for the chain, keyed by outpoint.
func TestDepositIsCreditedOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w, stranger := ledgertest.Funded(t, l, 0), ledgertest.Funded(t, l, 0)
	address := ledger.Address{Address: "bcrt1abc", WalletID: w.ID, AccountID: w.AccountID, Node: "bank"}
	for range 2 {
		if err := l.AddAddress(t.Context(), address); err != nil {
			t.Fatal(err)
		}
	}
	theirs := address
	theirs.WalletID = stranger.ID
	wantReason(t, l.AddAddress(t.Context(), theirs), payment.ReasonInvalidAddress)

	d := ledger.Deposit{TxID: "ab", Vout: 1, Address: address.Address, Amount: 700}
	if err := l.SeeDeposit(t.Context(), "bank", d); err != nil {
		t.Fatal(err)
	}
	wantBalance(t, l, w.ID, 0, 0)
	if got := must[[]ledger.Transaction](t)(l.PendingReceives(t.Context(), w.AccountID, nil, "")); len(got) != 1 || got[0].Settlement.TxID != d.TxID ||
		*got[0].Settlement.Vout != d.Vout || got[0].Amount != d.Amount.MustMsat() {
		t.Fatalf("pending %+v", got)
	}
	d.BlockHeight = 500
	for i := range 3 {
		credited, err := l.CreditDeposit(t.Context(), "bank", d)
		if err != nil || credited != (i == 0) {
			t.Fatalf("credit %d: %v, %v", i, credited, err)
		}
	}
	if err := l.SeeDeposit(t.Context(), "bank", d); err != nil { // a late, stale sighting
		t.Fatal(err)
	}
	second := d
	second.Vout = 2
	if credited, err := l.CreditDeposit(t.Context(), "bank", second); err != nil || !credited {
		t.Fatalf("another output of the same transaction: %v, %v", credited, err)
	}
	wantBalance(t, l, w.ID, 1_400*sat, 0)
	if got := must[[]ledger.Transaction](t)(l.PendingReceives(t.Context(), w.AccountID, nil, "")); len(got) != 0 {
		t.Fatalf("pending %+v", got)
	}
	notOurs := ledger.Deposit{TxID: "cd", Address: "bcrt1elsewhere", Amount: 5, BlockHeight: 500}
	if credited, err := l.CreditDeposit(t.Context(), "bank", notOurs); err != nil || credited {
		t.Fatalf("credited %v, %v", credited, err)
	}
	if got := must[[]ledger.Deposit](t)(l.DepositsCreditedSince(t.Context(), "bank", time.Now().Add(-time.Hour))); len(got) != 2 {
		t.Fatalf("credited %+v", got)
	}
	ledgertest.Balanced(t, l)
}

// TestPaidInsideAndOutside: should LND have been paid for an invoice that was also paid inside the ledger, both arrived.
func TestPaidInsideAndOutside(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, to := ledgertest.Funded(t, l, 100*sat), ledgertest.Funded(t, l, 0)
	hash := ownInvoice(t, l, to, 0, time.Hour)
	req := intraledger(from, to, uuid.Nil, 10*sat)
	req.PaymentHash = hash
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), req))
	if credited, err := l.CreditInvoice(t.Context(), "bank", hash, 11*sat, 2); err != nil || !credited {
		t.Fatalf("credited %v, %v", credited, err)
	}
	wantBalance(t, l, to.ID, 21*sat, 0)
	ledgertest.Balanced(t, l)

	// The other way round: outside while a payer inside holds. The hold cannot settle.
	hash = ownInvoice(t, l, to, 0, time.Hour)
	req = intraledger(from, to, uuid.Nil, 10*sat)
	req.PaymentHash = hash
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	if credited, err := l.CreditInvoice(t.Context(), "bank", hash, 11*sat, 3); err != nil || !credited {
		t.Fatalf("credited %v, %v", credited, err)
	}
	_, err := l.Settle(t.Context(), req.ID, 0)
	wantReason(t, err, payment.ReasonInternal)
	mustPayment(t, payment.Failed)(l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonAlreadyPaid}, 0))
	wantBalance(t, l, from.ID, 90*sat, 0)
	ledgertest.Balanced(t, l)
}

func TestUnknownReceives(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	_, err := l.Invoice(t.Context(), ledgertest.RandomHash())
	wantReason(t, err, payment.ReasonNotFound)
	wantReason(t, l.CancelInvoice(t.Context(), ledgertest.RandomHash()), payment.ReasonNotFound)
	_, err = l.AddressOwner(t.Context(), "bcrt1unknown")
	wantReason(t, err, payment.ReasonNotFound)
}

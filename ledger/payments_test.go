package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestLightningSettles(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 20_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000})
	req := lightning(w, key.ID, 5_000*sat, 50*sat)

	p := mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	if p.Request != req {
		t.Fatalf("stored request differs:\n%+v\n%+v", p.Request, req)
	}
	wantBalance(t, l, w.ID, 20_000*sat, 5_050*sat)
	wantSpent(t, l, key.ID, 5_050, 5_050)

	p = mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{Seen: 0, Baseline: 7, CallTimeout: time.Minute}))
	if p.Send.Attempt != 1 || p.Send.Baseline != 7 || p.Send.Deadline.Sub(p.Send.FirstAt) != time.Minute {
		t.Fatalf("fence: %+v", p.Send)
	}
	for _, expiry := range []uint32{0, 812, 0, 812} { // 0 is not known: the last known height stays, without an event
		if err := l.RecordPending(t.Context(), req.ID, expiry); err != nil {
			t.Fatal(err)
		}
	}
	p = mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 1_001))
	if p.Fee != 1_001 || p.FeeOverage != 0 || p.Expiry != 812 || p.ResolvedAt.IsZero() {
		t.Fatalf("settled: %+v", p)
	}
	wantBalance(t, l, w.ID, 14_998_999, 0)
	wantSpent(t, l, key.ID, 5_002, 0)
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 1_001))
	_, err := l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonNoRoute}, 1)
	wantReason(t, err, payment.ReasonInternal)

	var names []string
	for _, e := range must[[]ledger.Event](t)(l.Timeline(t.Context(), req.ID)) {
		names = append(names, e.Name)
	}
	if want := []string{"reserved", "dispatched", "in_flight", "in_flight", "settled"}; !equal(names, want) {
		t.Fatalf("timeline %v, want %v", names, want)
	}
	if got := must[payment.Msat](t)(l.NodeBalance(t.Context(), "bank")); got != -5_001_001 {
		t.Fatalf("node balance %v", got)
	}
	ledgertest.Balanced(t, l)
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestVoidGivesEverythingBack(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 20_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	req := lightning(w, key.ID, 5_000*sat, 50*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))

	why := payment.Failure{Reason: payment.ReasonNoRoute, Message: "No route was found."}
	p := mustPayment(t, payment.Dispatched)(l.Void(t.Context(), req, why, 0)) // evidence from before the fence
	wantBalance(t, l, w.ID, 20_000*sat, 5_050*sat)
	p = mustPayment(t, payment.Failed)(l.Void(t.Context(), req, why, p.Send.Attempt))
	if p.Failure == nil || *p.Failure != why {
		t.Fatalf("failure %+v", p.Failure)
	}
	wantBalance(t, l, w.ID, 20_000*sat, 0)
	wantSpent(t, l, key.ID, 0, 0)
	mustPayment(t, payment.Failed)(l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonTimeout}, 1))
	_, err := l.Settle(t.Context(), req.ID, 0)
	wantReason(t, err, payment.ReasonInternal)

	again := lightning(w, key.ID, 5_000*sat, 0)
	again.PaymentHash = req.PaymentHash
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), again)) // the hash is free again
	ledgertest.Balanced(t, l)
}

func TestFeeAboveTheReserveIsTheOperators(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 20_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	req := onchain(w, key.ID, 5_000*sat, 100*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	if _, err := l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}); err == nil {
		t.Fatal("dispatched without a stored transaction (rule 9)")
	}
	if err := l.RecordSigned(t.Context(), req.ID, ledger.Signed{TxID: "aa", Raw: []byte{1}, Amount: 5_000 * sat, Fee: 130 * sat}); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
	err := l.RecordSigned(t.Context(), req.ID, ledger.Signed{TxID: "bb", Raw: []byte{2}, Amount: 5_000 * sat, Fee: 90 * sat})
	wantReason(t, err, payment.ReasonInternal)
	p := mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 130*sat))
	if p.FeeOverage != 30*sat || p.SignedFee != 130*sat {
		t.Fatalf("settled %+v", p)
	}
	wantBalance(t, l, w.ID, 14_900*sat, 0)
	wantSpent(t, l, key.ID, 5_100, 0)
	if got := must[payment.Msat](t)(l.NodeBalance(t.Context(), "bank")); got != -5_130*sat {
		t.Fatalf("node balance %v", got)
	}
	ledgertest.Balanced(t, l)
}

func TestSendAllTakesTheFeeOutOfTheAmount(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 20_000*sat+999)
	req := onchain(w, uuid.Nil, 0, 300*sat)
	req.SendAll = true
	p := mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	if p.Amount != 19_700*sat {
		t.Fatalf("amount %v", p.Amount)
	}
	err := l.RecordSigned(t.Context(), req.ID, ledger.Signed{TxID: "aa", Raw: []byte{1}, Amount: 19_850 * sat, Fee: 150 * sat})
	if err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
	p = mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 150*sat))
	if p.Amount != 19_850*sat || p.FeeOverage != 0 {
		t.Fatalf("settled %+v", p)
	}
	wantBalance(t, l, w.ID, 999, 0)
	ledgertest.Balanced(t, l)
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	a, b := ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 0)
	key := ledgertest.NewKey(t, l, a.AccountID, nil)
	req := intraledger(a, b, key.ID, 400*sat)
	for range 2 {
		mustPayment(t, payment.Settled)(l.Transfer(t.Context(), req))
	}
	wantBalance(t, l, a.ID, 600*sat, 0)
	wantBalance(t, l, b.ID, 400*sat, 0)
	wantSpent(t, l, key.ID, 400, 0)

	// The same in two steps, for an invoice of ours.
	hash := ledgertest.RandomHash()
	err := l.AddInvoice(t.Context(), ledger.Invoice{Hash: hash, WalletID: b.ID, AccountID: b.AccountID, Node: "bank", Request: "x", ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	req = intraledger(a, b, key.ID, 100*sat)
	req.PaymentHash = hash
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	wantBalance(t, l, a.ID, 600*sat, 100*sat)
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 0))
	wantBalance(t, l, b.ID, 500*sat, 0)
	inv := must[ledger.Invoice](t)(l.Invoice(t.Context(), hash))
	if inv.State != ledger.InvoicePaid || inv.Received != 100*sat {
		t.Fatalf("invoice %+v", inv)
	}
	ledgertest.Balanced(t, l)
}

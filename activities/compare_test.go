package activities_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// checkNamed runs the comparison and picks one check.
func (h *house) checkNamed(part string) step.Check {
	h.t.Helper()
	comparison := must(h.t, plain(h.steps.CompareNode), 0)
	for _, check := range comparison.Checks {
		if strings.Contains(check.Name, part) {
			return check
		}
	}
	h.t.Fatalf("no check %q in %+v", part, comparison)
	return step.Check{}
}

func (h *house) wantDifference(part, detail string) {
	h.t.Helper()
	if check := h.checkNamed(part); check.OK || !strings.Contains(check.Detail, detail) {
		h.t.Fatalf("check %+v, want a difference %q", check, detail)
	}
}

func TestCompareFindsNothingWhereAllIsWell(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	paid := h.reserved(h.peer.MakeInvoice(100))
	h.conclude(paid, must(t, h.steps.SendLightning, paid))
	twice := h.peer.MakeInvoice(200) // fails for one payment, is paid by the next
	h.bank.Plan(twice.Hash, lndfake.Fails(payment.ReasonTimeout), lndfake.Settles(sat))
	for range 2 {
		req := h.reserved(twice)
		h.conclude(req, must(t, h.steps.SendLightning, req))
	}
	onchain, _ := h.signed(10_000 * sat)
	must(t, h.steps.PublishOnchain, onchain)
	h.network.Mine(int(depth))
	h.conclude(onchain, must(t, h.steps.AskOnchain, onchain))
	rejected, _ := h.signed(10_000 * sat)
	h.bank.Refuse(lndfake.Publish, payment.ReasonPublishRejected)
	h.conclude(rejected, must(t, h.steps.PublishOnchain, rejected))
	own := h.ownInvoice(100 * sat)
	if err := h.bank.ReceivePayment(own.Hash, 0); err != nil {
		t.Fatal(err)
	}
	if ok, err := h.ledger.CreditInvoice(t.Context(), bank, own.Hash, 100*sat, 1); err != nil || !ok {
		t.Fatal(ok, err)
	}
	for _, part := range []string{"payments", "invoices", "deposits", "funds"} {
		if check := h.checkNamed(part); !check.OK {
			t.Errorf("%+v", check)
		}
	}
}

func TestCompareFindsEachDifferenceOfAPayment(t *testing.T) {
	t.Parallel()
	failure := payment.Failure{Reason: payment.ReasonInternal, Message: "by hand"}
	for detail, byHand := range map[string]func(h *house){
		"settled here, not paid there": func(h *house) {
			req := h.reserved(h.peer.MakeHold(100))
			must(h.t, h.steps.SendLightning, req)
			h.conclude(req, step.Word{Status: step.Paid})
		},
		"settled at 105 sat here, 101 sat there": func(h *house) {
			req := h.reserved(h.peer.MakeInvoice(100))
			must(h.t, h.steps.SendLightning, req)
			h.conclude(req, step.Word{Status: step.Paid, Fee: 5 * sat})
		},
		"given back here, succeeded there": func(h *house) {
			req := h.reserved(h.peer.MakeInvoice(100))
			must(h.t, h.steps.SendLightning, req)
			h.conclude(req, step.Word{Status: step.NotPaid, Failure: &failure, Attempt: 1})
		},
		"given back here, in_flight there": func(h *house) {
			req := h.reserved(h.peer.MakeHold(100))
			must(h.t, h.steps.SendLightning, req)
			h.conclude(req, step.Word{Status: step.NotPaid, Failure: &failure, Attempt: 1})
		},
		"settled with a fee of 9 sat here": func(h *house) {
			req, _ := h.signed(10_000 * sat)
			must(h.t, h.steps.PublishOnchain, req)
			h.network.Mine(1)
			h.conclude(req, step.Word{Status: step.Paid, Fee: 9 * sat})
		},
		"settled here, not confirmed there": func(h *house) {
			req, _ := h.signed(10_000 * sat)
			must(h.t, h.steps.PublishOnchain, req)
			h.conclude(req, step.Word{Status: step.Paid, Fee: minerFee})
		},
		"given back here, confirmed there": func(h *house) {
			req, _ := h.signed(10_000 * sat)
			must(h.t, h.steps.PublishOnchain, req)
			h.network.Mine(1)
			h.conclude(req, step.Word{Status: step.NotPaid, Failure: &failure, Attempt: 1})
		},
	} {
		t.Run(detail, func(t *testing.T) {
			t.Parallel()
			h := newChainHouse(t)
			byHand(h)
			h.wantDifference("payments", detail)
		})
	}
}

func TestCompareFindsAReceiveThatTheNodeDoesNotHave(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	unpaid, less := h.ownInvoice(100*sat), h.ownInvoice(200*sat)
	if err := h.bank.ReceivePayment(less.Hash, 0); err != nil {
		t.Fatal(err)
	}
	for hash, credited := range map[payment.Hash]payment.Msat{unpaid.Hash: 100 * sat, less.Hash: 201 * sat} {
		if ok, err := h.ledger.CreditInvoice(t.Context(), bank, hash, credited, 1); err != nil || !ok {
			t.Fatal(ok, err)
		}
		h.wantDifference("invoices", hash.String())
	}
}

// What the node was paid and the cursor has passed must be credited to somebody.
func TestCompareFindsAReceiveThatNobodyWasCredited(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	missed := h.ownInvoice(100 * sat)
	if err := h.bank.ReceivePayment(missed.Hash, 0); err != nil {
		t.Fatal(err)
	}
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	txid := h.network.SendToAddress(address, 50_000)
	h.network.Mine(3)
	for _, part := range []string{"invoices", "deposits"} {
		if check := h.checkNamed(part); !check.OK {
			t.Fatalf("the watcher may still credit it: %+v", check)
		}
	}
	if _, err := h.ledger.CreditInvoice(t.Context(), bank, ledgertest.RandomHash(), 1, 1); err != nil { // somebody moved the cursors
		t.Fatal(err)
	}
	if err := h.ledger.AdvanceBlocks(t.Context(), bank, h.network.Height()); err != nil {
		t.Fatal(err)
	}
	h.wantDifference("invoices", missed.Hash.String()+": the node says paid 100 sat, nobody is credited")
	h.wantDifference("deposits", txid)
}

func TestCompareFindsADepositThatTheNodeDoesNotHave(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	address := must(t, h.steps.AddAddress, step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank})
	txid := h.network.SendToAddress(address, 50_000)
	h.network.Mine(3)
	if ok, err := h.ledger.CreditDeposit(t.Context(), bank, ledger.Deposit{TxID: txid, Address: address, Amount: 50_000, BlockHeight: 501}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if check := h.checkNamed("deposits"); !check.OK {
		t.Fatalf("%+v", check)
	}
	made := strings.Repeat("ab", 32)
	if ok, err := h.ledger.CreditDeposit(t.Context(), bank, ledger.Deposit{TxID: made, Address: address, Amount: 7, BlockHeight: 501}); err != nil || !ok {
		t.Fatal(ok, err)
	}
	h.wantDifference("deposits", made+":0: credited 7 sat")
}

// An operator gave up what LND had lost; whenever it is paid after all, it is a difference.
func TestCompareFindsWhatWasGivenUpLongAgo(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	must(t, h.steps.SendLightning, req)
	h.conclude(req, step.Word{Status: step.NotPaid, Failure: &payment.Failure{Reason: payment.ReasonAbandoned, Message: "lost"}, Attempt: 1})
	h.clock.Advance(activities.CompareWindow + time.Hour)
	if check := h.checkNamed("payments"); !check.OK {
		t.Fatalf("still in flight: %+v", check)
	}
	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	h.wantDifference("payments", "given back here, succeeded there")
}

// However many payments have ended, none is left out.
func TestCompareLeavesNoPaymentOut(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const many = 501 // more than a page
	for range many {
		h.conclude(h.reserved(h.peer.MakeInvoice(1)), step.Word{Status: step.NotPaid, Failure: &payment.Failure{Reason: payment.ReasonNodeOffline, Message: "away"}})
	}
	req := h.reserved(h.peer.MakeHold(1))
	must(t, h.steps.SendLightning, req)
	h.conclude(req, step.Word{Status: step.Paid})
	h.wantDifference("payments", req.ID.String()+": settled here, not paid there; 502 payments since")
}

func TestCompareFindsTooLittleAtTheNode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hash := ledgertest.RandomHash()
	err := h.ledger.AddInvoice(t.Context(), ledger.Invoice{
		Hash: hash, WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank, Request: "lnbcrt1", ExpiresAt: h.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := h.ledger.CreditInvoice(t.Context(), bank, hash, 5_000_000*sat, 1); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if check := h.checkNamed("funds"); !check.OK {
		t.Fatalf("exactly enough: %+v", check)
	}
	h.bank.SetLiquidity(5_000_000*sat - 1)
	h.wantDifference("funds", "the operator's own: -0.001 sat")
}

func TestCompareNeedsTheNode(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(100))
	h.conclude(req, must(t, h.steps.SendLightning, req))
	h.bank.Fail(lndfake.LookupPayment, lndfake.BeforeEffect, lndclient.KindUnavailable)
	if _, err := act(t.Context(), plain(h.steps.CompareNode), 0); err == nil {
		t.Fatal("silence is no comparison")
	}
}

// A comparison of thousands of payments takes longer than the heartbeat timeout of its workflow.
func TestCompareHeartbeats(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	gate := h.bank.Block(lndfake.Balance, lndfake.BeforeEffect)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestActivityEnvironment()
	beat := make(chan struct{}, 100)
	env.SetOnActivityHeartbeatListener(func(*activity.Info, converter.EncodedValues) { beat <- struct{}{} })
	env.RegisterActivityWithOptions(h.steps.CompareNode, activity.RegisterOptions{Name: step.CompareNode})
	done := make(chan error, 1)
	go func() {
		_, err := env.ExecuteActivity(step.CompareNode)
		done <- err
	}()
	<-gate.Reached()
	select {
	case <-beat:
	case <-time.After(5 * time.Second):
		t.Error("no heartbeat while LND is slow")
	}
	gate.Release()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

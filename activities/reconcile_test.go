package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// plain gives an activity without input one.
func plain[Out any](fn func(context.Context) (Out, error)) func(context.Context, int) (Out, error) {
	return func(ctx context.Context, _ int) (Out, error) { return fn(ctx) }
}

func (h *house) upkeep(resume activities.Resume) *activities.UpkeepSteps {
	return &activities.UpkeepSteps{Ledger: h.ledger, Resume: resume, Ensure: func(context.Context) error { return nil }, OrphanAfter: time.Minute, Log: slog.New(slog.DiscardHandler)}
}

func TestRepairLooksOnlyAtOldPaymentsThatAreNotOver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ended := h.reserved(h.peer.MakeInvoice(100))
	h.conclude(ended, must(t, h.steps.SendLightning, ended))
	orphan, running := h.reserved(h.peer.MakeInvoice(100)), h.reserved(h.peer.MakeInvoice(100))
	h.clock.Advance(2 * time.Minute)
	h.reserved(h.peer.MakeInvoice(100)) // too young

	var looked []payment.ID
	repaired := must(t, plain(h.upkeep(func(_ context.Context, row ledger.Payment) (bool, error) {
		looked = append(looked, row.ID)
		return row.ID == orphan.ID, nil
	}).RepairOrphans), 0)
	slices.SortFunc(looked, compareID)
	want := []payment.ID{orphan.ID, running.ID}
	slices.SortFunc(want, compareID)
	if !slices.Equal(looked, want) || repaired.Looked != 2 || !slices.Equal(repaired.Restarted, []payment.ID{orphan.ID}) {
		t.Fatalf("looked at %v, want %v; repaired %+v", looked, want, repaired)
	}
}

func compareID(a, b payment.ID) int { return strings.Compare(a.String(), b.String()) }

// One orphan that cannot be started again keeps no other waiting, however many held payments there are.
func TestRepairGoesOnAfterOneThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	const many = 1001 // more than two pages
	for range many {
		h.reserved(h.peer.MakeInvoice(1))
	}
	h.clock.Advance(2 * time.Minute)
	looked := map[payment.ID]bool{}
	var first, last payment.ID
	repaired := must(t, plain(h.upkeep(func(_ context.Context, row ledger.Payment) (bool, error) {
		if len(looked) == 0 {
			first = row.ID
		}
		last, looked[row.ID] = row.ID, true
		if row.ID == first {
			return false, errors.New("no")
		}
		return len(looked) == many, nil
	}).RepairOrphans), 0)
	if len(looked) != many || repaired.Looked != many {
		t.Errorf("looked at %d payments, says %d, want %d", len(looked), repaired.Looked, many)
	}
	if !slices.Equal(repaired.Failed, []payment.ID{first}) || !slices.Equal(repaired.Restarted, []payment.ID{last}) {
		t.Errorf("failed %v, restarted %v; want %v, %v", repaired.Failed, repaired.Restarted, first, last)
	}
}

func TestKeepLedgerLeavesTheBooksBalanced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(100))
	h.conclude(req, must(t, h.steps.SendLightning, req))
	h.clock.Advance(500 * 24 * time.Hour)
	upkeep := h.upkeep(nil)
	for range 2 {
		must(t, plain(func(ctx context.Context) (struct{}, error) { return struct{}{}, upkeep.KeepLedger(ctx) }), 0)
	}
	h.wantMoney(balance-101*sat, 0)
	if spent, err := h.ledger.Spending(t.Context(), h.key.ID); err != nil || spent.Windows[3].Spent != 0 {
		t.Fatalf("%+v, %v", spent, err)
	}
}

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
	for _, part := range []string{"payments", "receives", "funds"} {
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
		h.wantDifference("receives", hash.String())
	}
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

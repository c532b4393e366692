package activities_test

import (
	"crypto/sha256"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// minerFee is what the fake takes for one input and two outputs at its rate of 2 sat/vB.
const minerFee = 310 * sat

// newChainHouse has two coins of 2,000,000 sat each in the node.
func newChainHouse(t testing.TB) *house {
	h := newHouse(t)
	h.bank.Deposit(2_000_000)
	h.bank.Deposit(2_000_000)
	return h
}

func (h *house) onchain(amount payment.Msat) payment.Request {
	return payment.Request{
		ID: payment.NewID(), Kind: payment.Onchain, Door: payment.DoorGo, AccountID: h.wallet.AccountID, WalletID: h.wallet.ID,
		KeyID: h.key.ID, Node: bank, Amount: amount, Address: lndfake.OutsideAddress(), Speed: payment.Fast,
	}
}

// quoted is a payment that has its fee reserve and is admitted by the ledger.
func (h *house) quoted(req payment.Request) (payment.Request, step.Quote) {
	h.t.Helper()
	quote := must(h.t, h.steps.EstimateOnchain, req)
	if quote.Failure != nil || quote.FeeReserve < minerFee || quote.SatPerVByte != 2 {
		h.t.Fatalf("quote %+v (%+v)", quote, quote.Failure)
	}
	req.FeeReserve = quote.FeeReserve
	return h.reserve(req), quote
}

// signed is a payment whose transaction is stored.
func (h *house) signed(amount payment.Msat) (payment.Request, step.Signed) {
	h.t.Helper()
	req, quote := h.quoted(h.onchain(amount))
	signed := must(h.t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: quote.SatPerVByte})
	if signed.Failure != nil || signed.TxID == "" {
		h.t.Fatalf("signed %+v", signed)
	}
	return req, signed
}

func (h *house) leases(id payment.ID) int {
	return h.bank.Leases(sha256.Sum256(append([]byte("holdfast/lease/1/"), id[:]...)))
}

func TestEstimateSaysWhyNot(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	empty := ledgertest.Funded(t, h.ledger, 0)
	change := func(f func(*payment.Request)) payment.Request {
		req := h.onchain(10_000 * sat)
		f(&req)
		return req
	}
	for name, c := range map[string]struct {
		req  payment.Request
		want payment.Reason
	}{
		"speed":             {change(func(r *payment.Request) { r.Speed = "SOON" }), payment.ReasonInvalidInput},
		"address":           {change(func(r *payment.Request) { r.Address = "bcrt1nothing" }), payment.ReasonInvalidAddress},
		"more than we have": {change(func(r *payment.Request) { r.Amount = 900_000_000 * sat }), payment.ReasonInsufficientBalance},
		"unknown wallet, all": {change(func(r *payment.Request) { r.WalletID, r.SendAll, r.Amount = uuid.New(), true, 0 }),
			payment.ReasonWalletNotFound},
		"another's wallet, all": {change(func(r *payment.Request) { r.WalletID, r.SendAll, r.Amount = empty.ID, true, 0 }),
			payment.ReasonWalletNotFound},
		"nothing to send": {change(func(r *payment.Request) {
			r.WalletID, r.AccountID, r.SendAll, r.Amount = empty.ID, empty.AccountID, true, 0
		}), payment.ReasonInsufficientBalance},
	} {
		quote := must(t, h.steps.EstimateOnchain, c.req)
		if quote.Failure == nil || quote.Failure.Reason != c.want || quote.Failure.Message == "" || quote.FeeReserve != 0 {
			t.Errorf("%s: quote %+v (%+v), want %s", name, quote, quote.Failure, c.want)
		}
	}
	h.bank.Refuse(lndfake.EstimateFee, payment.ReasonNodeFunds)
	if quote := must(t, h.steps.EstimateOnchain, h.onchain(10_000*sat)); quote.Failure == nil || quote.Failure.Reason != payment.ReasonNodeFunds {
		t.Errorf("the node lacks funds: %+v", quote)
	}
	h.bank.Down()
	if quote := must(t, h.steps.EstimateOnchain, h.onchain(10_000*sat)); quote.Failure == nil || quote.Failure.Reason != payment.ReasonNodeOffline {
		t.Errorf("down: %+v", quote)
	}
}

// Rule 9: signed once; a retry answers what is stored.
func TestSignIsIdempotent(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, first := h.signed(100_000 * sat)
	again := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: 50})
	if again != first || first.Fee != minerFee {
		t.Fatalf("signed %+v, then %+v", first, again)
	}
	row := h.row(req.ID)
	if row.TxID != first.TxID || len(row.RawTx) == 0 || row.SignedFee != minerFee || row.Send.Attempt != 0 {
		t.Fatalf("row %+v", row)
	}
	if funds := h.bank.Calls(lndfake.FundPSBT); funds != 1 || h.bank.Calls(lndfake.Publish) != 0 {
		t.Fatalf("funded %d times, or broadcast", funds)
	}
}

// A crash between funding and storing: the retry frees the old inputs first, so that none stay leased for nothing.
func TestSignAfterACrashReleasesTheOldLeases(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, quote := h.quoted(h.onchain(100_000 * sat))
	crashed := cut(h, lndfake.FundPSBT)
	if _, err := act(crashed, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: quote.SatPerVByte}); err == nil && h.row(req.ID).TxID != "" {
		t.Fatal("signed after the crash")
	}
	if got := h.leases(req.ID); got != 1 {
		t.Fatalf("the crash left %d leases, want 1", got)
	}
	signed := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: quote.SatPerVByte})
	if signed.Failure != nil || h.leases(req.ID) != 1 {
		t.Fatalf("%+v, %d leases", signed, h.leases(req.ID))
	}
	if _, err := act(t.Context(), noResult(h.steps.ReleaseInputs), req.ID); err != nil || h.leases(req.ID) != 0 {
		t.Fatalf("%d leases are left, %v", h.leases(req.ID), err)
	}
}

func TestFeeAboveTheReserveIsRefusedAndNothingIsStored(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.quoted(h.onchain(100_000 * sat))
	signed := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: 10})
	if signed.Failure == nil || signed.Failure.Reason != payment.ReasonFeeOverLimit || h.row(req.ID).TxID != "" {
		t.Fatalf("%+v", signed)
	}
	h.conclude(req, step.Word{Status: step.NotPaid, Failure: signed.Failure})
	h.wantMoney(balance, 0)
	again := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: 2})
	if again.Failure == nil || again.Failure.Reason != payment.ReasonFeeOverLimit || h.row(req.ID).TxID != "" {
		t.Fatalf("signed what was given back: %+v", again)
	}
}

func TestSilenceOfTheSignerIsNotSent(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	for _, call := range []lndfake.Call{lndfake.FundPSBT, lndfake.SignPSBT, lndfake.ReleaseLeases} {
		req, quote := h.quoted(h.onchain(10_000 * sat))
		h.bank.Fail(call, lndfake.AfterEffect, lndclient.KindUnavailable)
		signed := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: quote.SatPerVByte})
		if signed.Failure == nil || signed.Failure.Reason != payment.ReasonNodeOffline || h.row(req.ID).TxID != "" {
			t.Fatalf("%s: %+v", call, signed)
		}
		must(t, noResult(h.steps.ReleaseInputs), req.ID)
		h.conclude(req, step.Word{Status: step.NotPaid, Failure: signed.Failure})
	}
	h.wantMoney(balance, 0)
}

// Send-all takes the fee out of the amount: the wallet ends at zero, to the sat.
func TestSendAllEndsAtZero(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req := h.onchain(0)
	req.SendAll = true
	req, quote := h.quoted(req)
	h.wantMoney(balance, balance)
	signed := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: quote.SatPerVByte})
	row := h.row(req.ID)
	if signed.Failure != nil || row.Amount != balance-minerFee || row.SignedFee != minerFee {
		t.Fatalf("signed %+v; the receiver gets %v, the miner %v", signed, row.Amount, row.SignedFee)
	}
	must(t, h.steps.PublishOnchain, req)
	h.network.Mine(int(depth))
	h.conclude(req, must(t, h.steps.AskOnchain, req))
	h.wantMoney(0, 0)
}

// A saga that is started again finds its own hold on the wallet and its own leases at the node: neither may fail it.
func TestEstimateOfAPaymentThatHasItsRow(t *testing.T) {
	t.Parallel()
	for name, sendAll := range map[string]bool{"an amount": false, "all": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.bank.Deposit(2_000_000) // one coin, so that the lease leaves nothing
			asked := h.onchain(100_000 * sat)
			if sendAll {
				asked = h.onchain(0)
				asked.SendAll = true
			}
			req, first := h.quoted(asked)
			_, _ = act(cut(h, lndfake.FundPSBT), h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: first.SatPerVByte})
			if h.leases(req.ID) != 1 || h.row(req.ID).TxID != "" {
				t.Fatal("not reserved with a lease")
			}
			again := must(t, h.steps.EstimateOnchain, h.row(req.ID).Asked())
			if again != first {
				t.Fatalf("reserved: quote %+v (%+v), want %+v", again, again.Failure, first)
			}

			signed := must(t, h.steps.SignOnchain, step.SignInput{Request: req, SatPerVByte: again.SatPerVByte})
			h.bank.Down() // what is signed needs no node to go on
			again = must(t, h.steps.EstimateOnchain, h.row(req.ID).Asked())
			if again.Failure != nil || again.FeeReserve != h.row(req.ID).FeeReserve {
				t.Fatalf("signed: quote %+v (%+v)", again, again.Failure)
			}
			h.bank.Up()
			if resumed := must(t, h.steps.SignOnchain, step.SignInput{Request: h.row(req.ID).Asked(), SatPerVByte: again.SatPerVByte}); resumed != signed {
				t.Fatalf("signed %+v, then %+v", signed, resumed)
			}
			wantBroadcast(t, must(t, h.steps.PublishOnchain, req), signed.TxID)
			h.confirm(req)
			h.bank.Down()
			if again = must(t, h.steps.EstimateOnchain, h.row(req.ID).Asked()); again.Failure != nil {
				t.Fatalf("settled: %+v", again.Failure)
			}
			h.wantMoney(balance-h.row(req.ID).Amount-minerFee, 0)
		})
	}
}

// A payment that is reserved and not signed still needs a rate, and nothing has left: what keeps LND from that fails it.
func TestEstimateOfAReservedPaymentSaysWhyNot(t *testing.T) {
	t.Parallel()
	h := newChainHouse(t)
	req, _ := h.quoted(h.onchain(100_000 * sat))
	h.bank.Refuse(lndfake.EstimateFee, payment.ReasonNodeFunds)
	if quote := must(t, h.steps.EstimateOnchain, req); quote.Failure == nil || quote.Failure.Reason != payment.ReasonNodeFunds {
		t.Errorf("the node lacks funds: %+v", quote)
	}
	for _, call := range []lndfake.Call{lndfake.ReleaseLeases, lndfake.EstimateFee} {
		h.bank.Fail(call, lndfake.AfterEffect, lndclient.KindUnavailable)
		if quote := must(t, h.steps.EstimateOnchain, req); quote.Failure == nil || quote.Failure.Reason != payment.ReasonNodeOffline {
			t.Errorf("%s: %+v", call, quote)
		}
	}
}

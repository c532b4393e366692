package starter

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// answers stands for Temporal and everything behind it: it answers a started workflow with a value, an error, or not at all.
type answers struct {
	client.Client

	answer  any
	failure error
	silent  bool
	asked   []any
}

type question struct {
	client.WorkflowRun

	of *answers
}

func (c *answers) ExecuteWorkflow(_ context.Context, _ client.StartWorkflowOptions, _ any, args ...any) (client.WorkflowRun, error) {
	c.asked = append(c.asked, args...)
	return question{of: c}, nil
}

func (r question) Get(ctx context.Context, out any) error {
	if r.of.silent {
		<-ctx.Done()
		return ctx.Err()
	}
	if r.of.failure != nil {
		return r.of.failure
	}
	text, err := json.Marshal(r.of.answer)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

// withAnswer is a door whose questions to a node are answered so.
func withAnswer(t *testing.T, answer any) (*door, *answers) {
	t.Helper()
	d, c := newDoor(t), &answers{answer: answer}
	d.s.temporal = c
	return d, c
}

func no(reason payment.Reason) *payment.Failure {
	return &payment.Failure{Reason: reason, Message: "Said by the node: try again."}
}

func (d *door) probe(invoice string, amount payment.Msat) (payment.Sat, error) {
	return d.s.ProbeInvoiceFee(d.t.Context(), ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Invoice: invoice, Amount: amount})
}

func TestProbeInvoiceFee(t *testing.T) {
	t.Parallel()
	const limit = 50 // 0.5 % of 10,000 sat
	for name, c := range map[string]struct {
		answer step.Probe
		fee    payment.Sat
		reason payment.Reason
	}{
		"a route":             {step.Probe{Fee: 2001}, 3, ""},
		"a free one":          {step.Probe{}, 0, ""},
		"one at the limit":    {step.Probe{Fee: limit * sat}, limit, ""},
		"one above the limit": {step.Probe{Fee: limit*sat + 1}, limit, payment.ReasonFeeOverLimit},
		"none":                {step.Probe{Failure: no(payment.ReasonNoRoute)}, limit, payment.ReasonNoRoute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, asked := withAnswer(t, c.answer)
			fee, err := d.probe(d.peer.MakeInvoice(10_000).Request, 0)
			if fee != c.fee || payment.ReasonOf(err) != c.reason {
				t.Fatalf("%v, %v", fee, err)
			}
			if in, ok := asked.asked[0].(step.ProbeInput); !ok || in.Node != bank || in.Amount != 10_000*sat {
				t.Fatalf("asked %+v", asked.asked)
			}
			d.untouched()
		})
	}
}

func TestProbeInvoiceFeeAsksNobody(t *testing.T) {
	t.Parallel()
	d := newDoor(t) // without Temporal
	other := d.otherWallet()
	if fee, err := d.probe(d.ownInvoice(other, 500).Request, 0); err != nil || fee != 0 {
		t.Fatalf("our own: %v, %v", fee, err)
	}
	for name, c := range map[string]struct {
		ask    ProbeInvoice
		reason payment.Reason
	}{
		"another owner's wallet": {ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: other.ID, Invoice: d.peer.MakeInvoice(1).Request}, payment.ReasonWalletNotFound},
		"no invoice":             {ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Invoice: "lnbcrt1"}, payment.ReasonInvoiceInvalid},
		"expired":                {ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Invoice: d.peer.MakeExpired(1).Request}, payment.ReasonInvoiceExpired},
		"without amount":         {ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Invoice: d.peer.MakeInvoice(0).Request}, payment.ReasonInvalidAmount},
		"with two amounts":       {ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Invoice: d.peer.MakeInvoice(5).Request, Amount: sat}, payment.ReasonInvalidAmount},
		"the wallet's own":       {ProbeInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Invoice: d.ownInvoice(d.wallet, 5).Request}, payment.ReasonSelfPayment},
	} {
		_, err := d.s.ProbeInvoiceFee(t.Context(), c.ask)
		if payment.ReasonOf(err) != c.reason {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
}

func TestEstimateOnchainFee(t *testing.T) {
	t.Parallel()
	d, asked := withAnswer(t, step.Quote{Fee: 154 * sat, FeeReserve: 200 * sat})
	outside := lndfake.OutsideAddress()
	estimate := func(address string, amount payment.Sat, speed payment.Speed) (payment.Sat, error) {
		return d.s.EstimateOnchainFee(t.Context(), d.wallet.AccountID, d.wallet.ID, address, amount, speed)
	}
	if fee, err := estimate(outside, 20_000, payment.Slow); err != nil || fee != 154 {
		t.Fatalf("%v, %v", fee, err)
	}
	if req, ok := asked.asked[0].(payment.Request); !ok || req.Node != bank || req.Speed != payment.Slow || req.Address != outside {
		t.Fatalf("asked %+v", asked.asked)
	}
	asked.answer = step.Quote{Failure: no(payment.ReasonInsufficientBalance)}
	_, err := estimate(outside, 20_000, "")
	wantRefusal(t, err, payment.ReasonInsufficientBalance)

	n := len(asked.asked)
	if fee, err := estimate(d.ownAddress(d.otherWallet()), 20, ""); err != nil || fee != 0 {
		t.Fatalf("our own: %v, %v", fee, err)
	}
	_, err = estimate(outside, 20, "")
	wantRefusal(t, err, payment.ReasonDust)
	_, err = estimate("bc1nonsense", 20_000, "")
	wantRefusal(t, err, payment.ReasonInvalidAddress)
	_, err = estimate(outside, 20_000, "WARP")
	wantRefusal(t, err, payment.ReasonInvalidInput)
	_, err = d.s.EstimateOnchainFee(t.Context(), newUUID(), d.wallet.ID, outside, 20_000, "")
	wantRefusal(t, err, payment.ReasonWalletNotFound)
	if len(asked.asked) != n {
		t.Fatalf("asked the node: %+v", asked.asked[n:])
	}
}

func TestCancelInvoice(t *testing.T) {
	t.Parallel()
	d, asked := withAnswer(t, step.Closed{})
	made := d.ownInvoice(d.wallet, 500)
	cancel := func(account payment.AccountID, wallet payment.WalletID, hash payment.Hash) error {
		return d.s.CancelInvoice(t.Context(), account, wallet, hash)
	}
	other := d.otherWallet()
	for _, err := range []error{
		cancel(d.wallet.AccountID, d.wallet.ID, payment.Hash{1}),
		cancel(other.AccountID, other.ID, made.Hash),
		cancel(other.AccountID, d.wallet.ID, made.Hash),
		cancel(d.wallet.AccountID, other.ID, made.Hash),
	} {
		wantRefusal(t, err, payment.ReasonNotFound)
	}
	if len(asked.asked) != 0 {
		t.Fatalf("asked the node: %+v", asked.asked)
	}
	if err := cancel(d.wallet.AccountID, d.wallet.ID, made.Hash); err != nil {
		t.Fatal(err)
	}
	if in, ok := asked.asked[0].(step.CancelInput); !ok || in != (step.CancelInput{Hash: made.Hash, Node: "spare"}) { // the node that made it
		t.Fatalf("asked %+v", asked.asked)
	}
	asked.answer = step.Closed{Failure: no(payment.ReasonAlreadyPaid)}
	wantRefusal(t, cancel(d.wallet.AccountID, d.wallet.ID, made.Hash), payment.ReasonAlreadyPaid)

	d.s.temporal = nil // from here on the ledger knows
	if err := d.ledger.CancelInvoice(t.Context(), made.Hash); err != nil {
		t.Fatal(err)
	}
	if err := cancel(d.wallet.AccountID, d.wallet.ID, made.Hash); err != nil {
		t.Fatal(err)
	}
	paid := d.ownInvoice(d.wallet, 500)
	if _, err := d.ledger.CreditInvoice(t.Context(), "spare", paid.Hash, 500*sat, 1); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, cancel(d.wallet.AccountID, d.wallet.ID, paid.Hash), payment.ReasonAlreadyPaid)
}

func TestCurrentAddress(t *testing.T) {
	t.Parallel()
	d, asked := withAnswer(t, "bcrt1new")
	current := func() string {
		t.Helper()
		address, err := d.s.CurrentAddress(t.Context(), d.wallet.AccountID, d.wallet.ID)
		if err != nil {
			t.Fatal(err)
		}
		return address
	}
	if got := current(); got != "bcrt1new" {
		t.Fatalf("%q", got)
	}
	known := d.ownAddress(d.wallet)
	for range 2 {
		if got := current(); got != known || len(asked.asked) != 1 {
			t.Fatalf("%q, asked %d times", got, len(asked.asked))
		}
	}
	if err := d.ledger.SeeDeposit(t.Context(), "spare", ledger.Deposit{TxID: "aa", Address: known, Amount: 5}); err != nil {
		t.Fatal(err)
	}
	if got := current(); got != "bcrt1new" {
		t.Fatalf("%q", got)
	}
	_, err := d.s.CurrentAddress(t.Context(), newUUID(), d.wallet.ID)
	wantRefusal(t, err, payment.ReasonWalletNotFound)
}

func TestCreateInvoiceWithAnExternalID(t *testing.T) {
	t.Parallel()
	d, asked := withAnswer(t, step.Invoice{Request: "lnbcrt1", Hash: payment.Hash{1}})
	hash := [32]byte{5}
	ask := ReceiveInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID, Amount: sat, ExternalID: "order-7", DescriptionHash: &hash}
	if made, err := d.s.CreateInvoice(t.Context(), ask); err != nil || made.Request != "lnbcrt1" {
		t.Fatalf("%+v, %v", made, err)
	}
	if in, ok := asked.asked[0].(step.InvoiceInput); !ok || in.ExternalID != "order-7" || in.DescriptionHash != payment.Hash(hash) {
		t.Fatalf("asked %+v", asked.asked)
	}
	err := d.ledger.AddInvoice(t.Context(), ledger.Invoice{
		Hash: payment.Hash{2}, WalletID: d.wallet.ID, AccountID: d.wallet.AccountID, Node: bank, ExternalID: "order-7", ExpiresAt: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	n := len(asked.asked)
	for _, id := range []string{"order-7", "order 8", strings.Repeat("x", 101), "ö"} {
		ask.ExternalID = id
		_, err := d.s.CreateInvoice(t.Context(), ask)
		wantRefusal(t, err, payment.ReasonInvalidInput)
	}
	if len(asked.asked) != n {
		t.Fatal("asked the node")
	}
	asked.answer = step.Invoice{Failure: no(payment.ReasonInvalidInput)} // taken meanwhile
	ask.ExternalID = "order-9"
	_, err = d.s.CreateInvoice(t.Context(), ask)
	wantRefusal(t, err, payment.ReasonInvalidInput)
}

// Somebody who is not the owner names only the wallet.
func TestCreateInvoiceOnBehalf(t *testing.T) {
	t.Parallel()
	d, asked := withAnswer(t, step.Invoice{Request: "lnbcrt1"})
	if _, err := d.s.CreateInvoice(t.Context(), ReceiveInvoice{WalletID: d.wallet.ID, OnBehalf: true}); err != nil {
		t.Fatal(err)
	}
	if in, ok := asked.asked[0].(step.InvoiceInput); !ok || in.AccountID != d.wallet.AccountID || !in.OnBehalf {
		t.Fatalf("asked %+v", asked.asked)
	}
	// The owner's names are his own: a stranger learns nothing of them, and takes none.
	add := func(hash byte, onBehalf bool) error {
		return d.ledger.AddInvoice(t.Context(), ledger.Invoice{
			Hash: payment.Hash{hash}, WalletID: d.wallet.ID, AccountID: d.wallet.AccountID, Node: bank, ExternalID: "order-7", OnBehalf: onBehalf, ExpiresAt: time.Now(),
		})
	}
	if err := errors.Join(add(1, true), add(2, true), add(3, false)); err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.CreateInvoice(t.Context(), ReceiveInvoice{WalletID: d.wallet.ID, OnBehalf: true, ExternalID: "order-7"}); err != nil {
		t.Fatalf("a stranger learns that the owner has an order: %v", err)
	}
	if own, err := d.ledger.InvoiceByExternalID(t.Context(), d.wallet.AccountID, "order-7"); err != nil || own.Hash != (payment.Hash{3}) {
		t.Fatalf("%+v, %v", own, err)
	}
	_, err := d.s.CreateInvoice(t.Context(), ReceiveInvoice{WalletID: d.wallet.ID})
	wantRefusal(t, err, payment.ReasonWalletNotFound)
	_, err = d.s.CreateInvoice(t.Context(), ReceiveInvoice{WalletID: newUUID(), OnBehalf: true})
	wantRefusal(t, err, payment.ReasonWalletNotFound)
}

// A node or its worker that is away, and workers that are away altogether: an answer, and soon.
func TestQuestionsNeverHang(t *testing.T) {
	t.Parallel()
	d, away := withAnswer(t, nil)
	made := d.ownInvoice(d.wallet, 500)
	for name, ask := range map[string]func() error{
		"probe": func() error { _, err := d.probe(d.peer.MakeInvoice(500).Request, 0); return err },
		"estimate": func() error {
			_, err := d.s.EstimateOnchainFee(t.Context(), d.wallet.AccountID, d.wallet.ID, lndfake.OutsideAddress(), 20_000, "")
			return err
		},
		"cancel": func() error { return d.s.CancelInvoice(t.Context(), d.wallet.AccountID, d.wallet.ID, made.Hash) },
		"address": func() error {
			_, err := d.s.CurrentAddress(t.Context(), d.wallet.AccountID, d.wallet.ID)
			return err
		},
		"invoice": func() error {
			_, err := d.s.CreateInvoice(t.Context(), ReceiveInvoice{AccountID: d.wallet.AccountID, WalletID: d.wallet.ID})
			return err
		},
	} {
		away.failure, away.silent = &temporal.WorkflowExecutionError{}, false
		if err := ask(); payment.ReasonOf(err) != payment.ReasonNodeOffline {
			t.Errorf("%s, the step gave up: %v", name, err)
		}
		away.failure, away.silent, d.s.patience = nil, true, 20*time.Millisecond
		if err := ask(); payment.ReasonOf(err) != payment.ReasonUnavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s, nobody serves it: %v", name, err)
		}
	}
}

func TestDecodeInvoice(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	made := d.peer.MakeInvoice(500)
	got, err := d.s.DecodeInvoice("lightning:" + strings.ToUpper(made.Request))
	if err != nil || got.Request != made.Request || got.Hash != made.Hash || got.Amount != 500*sat || got.Description != made.Memo ||
		len(got.PaymentSecret) != 32 || !got.CreatedAt.Equal(made.CreatedAt) || !got.ExpiresAt.Equal(made.ExpiresAt) {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = d.s.DecodeInvoice("lnbcrt1")
	wantRefusal(t, err, payment.ReasonInvoiceInvalid)
}

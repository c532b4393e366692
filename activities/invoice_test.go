package activities_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

func (h *house) kept(hash payment.Hash) ledger.Invoice {
	h.t.Helper()
	kept, err := h.ledger.Invoice(context.Background(), hash)
	if err != nil {
		h.t.Fatal(err)
	}
	return kept
}

func (h *house) invoiceInput(externalID string) step.InvoiceInput {
	return step.InvoiceInput{
		WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank, Amount: 5000 * sat, Memo: "one tea", Expiry: time.Hour, ExternalID: externalID,
	}
}

func TestAddInvoiceRecordsWhatItSays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	in := h.invoiceInput("order-7")
	in.DescriptionHash = sha256.Sum256([]byte("a long story"))
	made := must(t, h.steps.AddInvoice, in)
	decoded, err := lndclient.DecodeInvoice(made.Request, lndclient.Regtest)
	if err != nil || !bytes.Equal(decoded.DescriptionHash, in.DescriptionHash[:]) || decoded.Description != "" {
		t.Fatalf("%+v, %v", decoded, err)
	}
	kept := h.kept(made.Hash)
	if kept.ExternalID != "order-7" || !bytes.Equal(kept.DescriptionHash, in.DescriptionHash[:]) || !bytes.Equal(kept.PaymentSecret, decoded.Secret) ||
		len(kept.PaymentSecret) != 32 || kept.Preimage != nil || kept.Memo != "one tea" {
		t.Fatalf("%+v", kept)
	}
}

// An external id that was taken in the meantime is the caller's mistake, not a reason to try again.
func TestAddInvoiceWithATakenExternalID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	first := must(t, h.steps.AddInvoice, h.invoiceInput("order-7"))
	second := must(t, h.steps.AddInvoice, h.invoiceInput("order-7"))
	if first.Failure != nil || second.Failure == nil || second.Failure.Reason != payment.ReasonInvalidInput || second.Request != "" {
		t.Fatalf("%+v, %+v", first, second)
	}
}

// An attempt whose answer was lost is found by its external id: the retry hands the same invoice over.
func TestAddInvoiceAgainAfterALostAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	var first step.Invoice
	env.RegisterActivityWithOptions(func(ctx context.Context, in step.InvoiceInput) (step.Invoice, error) {
		made, err := h.steps.AddInvoice(ctx, in)
		if activity.GetInfo(ctx).Attempt == 1 && err == nil {
			first, err = made, errors.New("the answer was lost")
		}
		return made, err
	}, activity.RegisterOptions{Name: step.AddInvoice})
	env.RegisterWorkflow(workflows.CreateInvoice)
	env.ExecuteWorkflow(workflows.CreateInvoice, h.invoiceInput("order-7"))
	var got step.Invoice
	if err := env.GetWorkflowResult(&got); err != nil || got.Failure != nil || got.Hash != first.Hash || got.Request != first.Request || first.Request == "" {
		t.Fatalf("%+v, first %+v, %v", got, first, err)
	}
}

// CancelInvoice decides the race between a payment and the owner: one of them wins.
func TestCancelInvoiceRaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(*house, payment.Hash)
		want   payment.Reason // "": canceled
	}{
		"open": {func(*house, payment.Hash) {}, ""},
		"canceled by an earlier attempt": {func(h *house, hash payment.Hash) {
			must(h.t, h.steps.CancelInvoice, step.CancelInput{Hash: hash, Node: bank})
		}, ""},
		"canceled in LND only": {func(h *house, hash payment.Hash) {
			if err := h.bank.CancelInvoice(context.Background(), hash); err != nil {
				h.t.Fatal(err)
			}
		}, ""},
		"LND has settled it, not credited yet": {func(h *house, hash payment.Hash) {
			if err := h.bank.ReceivePayment(hash, 0); err != nil {
				h.t.Fatal(err)
			}
		}, payment.ReasonAlreadyPaid},
		"paid inside the ledger": {func(h *house, hash payment.Hash) {
			must(h.t, h.steps.CloseInvoice, payment.Request{PaymentHash: hash})
			payer := ledgertest.Funded(h.t, h.ledger, 6000*sat)
			row, err := h.ledger.Transfer(context.Background(), payment.Request{
				ID: payment.NewID(), Kind: payment.Intraledger, Door: payment.DoorGo, AccountID: payer.AccountID, WalletID: payer.ID,
				RecipientID: h.wallet.ID, Amount: 5000 * sat, PaymentHash: hash, Node: bank,
			})
			if err != nil || row.State != payment.Settled {
				h.t.Fatalf("%+v, %v", row, err)
			}
		}, payment.ReasonAlreadyPaid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			made := h.ownInvoice(5000 * sat)
			c.before(h, made.Hash)
			closed := must(t, h.steps.CancelInvoice, step.CancelInput{Hash: made.Hash, Node: bank})
			switch {
			case c.want == "" && closed.Failure != nil, c.want != "" && (closed.Failure == nil || closed.Failure.Reason != c.want):
				t.Fatalf("closed %+v, want %q", closed.Failure, c.want)
			case c.want == "" && (h.bank.ReceivePayment(made.Hash, 0) == nil || h.kept(made.Hash).State != ledger.InvoiceCanceled):
				t.Fatal("it could still be paid")
			}
		})
	}
}

func TestCancelInvoiceThatLNDForgotOrCannotAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hash := ledgertest.RandomHash()
	err := h.ledger.AddInvoice(t.Context(), ledger.Invoice{
		Hash: hash, WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank, Request: "lnbcrt1", ExpiresAt: h.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	in := step.CancelInput{Hash: hash, Node: bank}
	for _, kind := range []lndclient.ErrorKind{lndclient.KindUnavailable, lndclient.KindUnknown} {
		h.bank.Fail(lndfake.CancelInvoice, lndfake.BeforeEffect, kind)
		if _, err := act(t.Context(), h.steps.CancelInvoice, in); err == nil || h.kept(hash).State != ledger.InvoiceOpen {
			t.Fatalf("%s: %v, %s", kind, err, h.kept(hash).State)
		}
	}
	if closed := must(t, h.steps.CancelInvoice, in); closed.Failure != nil || h.kept(hash).State != ledger.InvoiceCanceled {
		t.Fatalf("nobody can pay what LND does not know: %+v", closed.Failure)
	}
}

// The proof of payment of an invoice of ours: for who pays it inside the ledger, and for who asks about one that LND settled.
func TestPreimageOfAnInvoice(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	inside := h.ownInvoice(5000 * sat)
	must(t, h.steps.CloseInvoice, payment.Request{PaymentHash: inside.Hash})
	if kept := h.kept(inside.Hash); kept.Preimage != nil {
		t.Fatal("shown before it is paid")
	}
	payer := ledgertest.Funded(t, h.ledger, 6000*sat)
	req := payment.Request{
		ID: payment.NewID(), Kind: payment.Intraledger, Door: payment.DoorGo, AccountID: payer.AccountID, WalletID: payer.ID,
		RecipientID: h.wallet.ID, Amount: 5000 * sat, PaymentHash: inside.Hash, Invoice: inside.Request, Node: bank,
	}
	if row, err := h.ledger.Transfer(t.Context(), req); err != nil || row.State != payment.Settled {
		t.Fatalf("%+v, %v", row, err)
	}
	sent, err := h.ledger.TransactionOfPayment(t.Context(), payer.AccountID, payer.ID, req.ID)
	if err != nil || payment.Hash(sha256.Sum256(sent.Settlement.Preimage)) != inside.Hash || !bytes.Equal(h.kept(inside.Hash).Preimage, sent.Settlement.Preimage) {
		t.Fatalf("%+v, %v", sent, err)
	}
}

func TestProbeFee(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(500)
	in := step.ProbeInput{Node: bank, Invoice: invoice.Request, Amount: 500 * sat}
	h.peer.SetRouteFee(invoice.Hash, 1234)
	if probe := must(t, h.steps.ProbeFee, in); probe.Failure != nil || probe.Fee != 1234 {
		t.Fatalf("%+v", probe)
	}
	h.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonNoRoute))
	if probe := must(t, h.steps.ProbeFee, in); probe.Failure == nil || probe.Failure.Reason != payment.ReasonNoRoute {
		t.Fatalf("%+v", probe)
	}
	h.bank.Down()
	if _, err := act(t.Context(), h.steps.ProbeFee, in); err == nil {
		t.Fatal("a node that is down answered")
	}
	h.bank.Up()
	if _, err := h.bank.LookupPayment(t.Context(), invoice.Hash); !errors.Is(err, lndclient.ErrNotFound) {
		t.Fatalf("a probe left something behind: %v", err)
	}
}

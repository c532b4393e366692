package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// ownInvoice is an invoice of the customer, as AddInvoice makes it.
func (h *house) ownInvoice(amount payment.Msat) step.Invoice {
	h.t.Helper()
	return must(h.t, h.steps.AddInvoice, step.InvoiceInput{
		WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank, Amount: amount, Memo: "one tea", Expiry: time.Hour,
	})
}

func TestAddInvoiceRecordsWhoseItIs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made := h.ownInvoice(5000 * sat)
	kept, err := h.ledger.Invoice(t.Context(), made.Hash)
	if err != nil || kept.WalletID != h.wallet.ID || kept.Node != bank || kept.Amount != 5000*sat || kept.Request != made.Request ||
		kept.State != ledger.InvoiceOpen || kept.Memo != "one tea" || !kept.ExpiresAt.Equal(made.ExpiresAt) {
		t.Fatalf("%+v, %v", kept, err)
	}
	h.bank.Down()
	if _, err := act(t.Context(), h.steps.AddInvoice, step.InvoiceInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID}); err == nil {
		t.Fatal("an invoice of a node that is down")
	}
}

func TestAddAddressRecordsWhoseItIs(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	in := step.AddressInput{WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank}
	first, second := must(t, h.steps.AddAddress, in), must(t, h.steps.AddAddress, in)
	if first == second {
		t.Fatal("an address was given twice")
	}
	for _, address := range []string{first, second} {
		if owner, err := h.ledger.AddressOwner(t.Context(), address); err != nil || owner.WalletID != h.wallet.ID || owner.Node != bank {
			t.Fatalf("%+v, %v", owner, err)
		}
	}
	h.bank.Down()
	if _, err := act(t.Context(), h.steps.AddAddress, in); err == nil {
		t.Fatal("an address of a node that is down")
	}
}

// CloseInvoice decides the race between a payment from outside and one inside the ledger: one of them wins.
func TestCloseInvoiceRaces(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(*house, payment.Hash)
		want   payment.Reason // "": closed
	}{
		"open": {func(*house, payment.Hash) {}, ""},
		"closed by an earlier attempt": {func(h *house, hash payment.Hash) {
			must(h.t, h.steps.CloseInvoice, payment.Request{PaymentHash: hash})
		}, ""},
		"LND has settled it, not credited yet": {func(h *house, hash payment.Hash) {
			if err := h.bank.ReceivePayment(hash, 0); err != nil {
				h.t.Fatal(err)
			}
		}, payment.ReasonAlreadyPaid},
		"credited": {func(h *house, hash payment.Hash) {
			if _, err := h.ledger.CreditInvoice(context.Background(), bank, hash, 5000*sat, 1); err != nil {
				h.t.Fatal(err)
			}
		}, payment.ReasonAlreadyPaid},
		"canceled in the ledger": {func(h *house, hash payment.Hash) {
			if err := h.ledger.CancelInvoice(context.Background(), hash); err != nil {
				h.t.Fatal(err)
			}
		}, payment.ReasonInvoiceCanceled},
		"canceled in LND": {func(h *house, hash payment.Hash) {
			if err := h.bank.CancelInvoice(context.Background(), hash); err != nil {
				h.t.Fatal(err)
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			made := h.ownInvoice(5000 * sat)
			c.before(h, made.Hash)
			closed := must(t, h.steps.CloseInvoice, payment.Request{PaymentHash: made.Hash})
			switch {
			case c.want == "" && closed.Failure != nil, c.want != "" && (closed.Failure == nil || closed.Failure.Reason != c.want):
				t.Fatalf("closed %+v, want %q", closed.Failure, c.want)
			case c.want == "" && h.bank.ReceivePayment(made.Hash, 0) == nil:
				t.Fatal("somebody outside could still pay it")
			}
		})
	}
}

func TestCloseInvoiceThatLNDForgotOrCannotAnswer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	hash := ledgertest.RandomHash()
	err := h.ledger.AddInvoice(t.Context(), ledger.Invoice{
		Hash: hash, WalletID: h.wallet.ID, AccountID: h.wallet.AccountID, Node: bank, Request: "lnbcrt1", ExpiresAt: h.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if closed := must(t, h.steps.CloseInvoice, payment.Request{PaymentHash: hash}); closed.Failure != nil {
		t.Fatalf("nobody can pay what LND does not know: %+v", closed.Failure)
	}
	for _, kind := range []lndclient.ErrorKind{lndclient.KindUnavailable, lndclient.KindUnknown} {
		h.bank.Fail(lndfake.CancelInvoice, lndfake.BeforeEffect, kind)
		if _, err := act(t.Context(), h.steps.CloseInvoice, payment.Request{PaymentHash: hash}); err == nil {
			t.Fatalf("%s: an open invoice was called closed", kind)
		}
	}
	if _, err := act(t.Context(), h.steps.CloseInvoice, payment.Request{PaymentHash: ledgertest.RandomHash()}); err == nil {
		t.Fatal("an invoice that is none of ours was closed")
	}
}

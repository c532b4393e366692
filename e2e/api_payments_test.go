package e2e_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

// TestAPIHoldInvoice: a held payment answers PENDING with the HTLC at the receiver, counts against the budget, and gives it
// back to the sat when the receiver cancels.
func TestAPIHoldInvoice(t *testing.T) {
	t.Parallel()
	c := signUp(t, 30_000)
	c.setLimit("DAILY", 25_000)
	invoice, hash := c.hold(bob, 20_000)
	began := time.Now()
	got := c.payInvoice(c.byKey(), invoice)
	took := time.Since(began)
	t.Logf("a held payment answers %s after %v", got.Status, took)
	if got.Status != "PENDING" || got.Transaction == nil || got.Transaction.Status != "PENDING" || took > 3*patience {
		t.Fatalf("a held payment answers %+v after %v", got, took)
	}
	c.held(bob, hash)
	if spent := c.dailySpent(); spent < 20_000 || spent > 20_200 {
		t.Errorf("the budget counts %v", spent)
	}
	began = time.Now()
	c.cancelHold(bob, hash)
	until(t, "the budget to come back", func() error {
		if spent := c.dailySpent(); spent != 0 {
			return fmt.Errorf("the budget counts %v", spent)
		}
		return nil
	})
	t.Logf("cancel at the receiver to budget back: %v", time.Since(began))
	if balance := c.apiBalance(); balance != 30_000 {
		t.Errorf("the balance is %v", balance)
	}
	if again := c.payInvoice(c.byKey(), c.invoice(bob, 20_000)); again.Status != "SUCCESS" {
		t.Errorf("the same sats again: %+v", again)
	}
}

// TestAPIBudgetRace: twenty at once against a weekly budget for seven (the matrix has each mutation against a daily one).
func TestAPIBudgetRace(t *testing.T) {
	t.Parallel()
	c := signUp(t, 100_000)
	const calls, fit, each = 20, 7, 1_000
	c.setLimit("WEEKLY", fit*(each+10)) // with the fee reserve; an eighth does not fit, whatever comes back of it meanwhile
	invoices := make([]string, calls)
	for i := range invoices {
		invoices[i] = c.invoice(alice, each)
	}
	var passed, refused atomic.Int32
	atOnce(calls, func(i int) {
		keyed := c.byKey().once()
		switch got := c.answered(func() sent { return c.payInvoice(keyed, invoices[i]) }); {
		case got.Status == "SUCCESS":
			passed.Add(1)
		case got.code() == "TRANSACTION_RESTRICTED" && strings.Contains(got.Errors[0].Message, "weekly"):
			refused.Add(1)
		default:
			t.Errorf("call %d: %+v", i, got)
		}
	})
	if spent := c.dailySpent(); spent > fit*(each+10) || passed.Load() != fit || refused.Load() != calls-fit {
		t.Errorf("%d passed, %d refused, %v spent", passed.Load(), refused.Load(), spent)
	}
}

// TestAPIKilledBeforeTheAnswer: the api process dies between request and answer. The same idempotency key then answers for
// the one payment.
func TestAPIKilledBeforeTheAnswer(t *testing.T) {
	c := signUp(t, 50_000)
	invoice, hash := c.hold(bob, 9_000)
	keyed := c.byKey().with("X-Idempotency-Key", uuid.NewString())
	input := map[string]any{"walletId": c.wallet.String(), "paymentRequest": invoice}
	lost := make(chan error, 1)
	go func() {
		_, err := keyed.send("lnInvoicePaymentSend", "LnInvoicePaymentInput", input)
		lost <- err
	}()
	c.held(bob, hash)
	c.kill(apiProcess)
	if err := <-lost; err == nil {
		t.Error("the killed process has answered")
	}
	c.start(apiProcess)
	again, err := keyed.send("lnInvoicePaymentSend", "LnInvoicePaymentInput", input)
	if err != nil || again.Status != "PENDING" {
		t.Fatalf("the same key answers %+v, %v", again, err)
	}
	c.settleHold(bob, hash)
	until(t, "the same key to answer SUCCESS", func() error {
		last, err := keyed.send("lnInvoicePaymentSend", "LnInvoicePaymentInput", input)
		if err == nil && (last.Status != "SUCCESS" || last.Transaction == nil || last.Transaction.ID != again.Transaction.ID) {
			err = fmt.Errorf("it answers %+v", last)
		}
		return err
	})
	c.paidAt(bob, invoice, 9_000_000)
	input["paymentRequest"] = c.invoice(bob, 1_000)
	if other, err := keyed.send("lnInvoicePaymentSend", "LnInvoicePaymentInput", input); err != nil || other.Status != "FAILURE" {
		t.Errorf("the same key with another body: %+v, %v", other, err)
	}
}

// TestAPIOnchain: SUCCESS once broadcast, with the transaction pending until it confirms.
func TestAPIOnchain(t *testing.T) {
	t.Parallel()
	c := signUp(t, 100_000)
	c.aloneOnChain()
	got, err := c.byKey().send("onChainPaymentSend", "OnChainPaymentSendInput",
		map[string]any{"walletId": c.wallet.String(), "address": c.address(bob), "amount": "30000"})
	must(t, err)
	if got.Status != "SUCCESS" || got.Transaction == nil || got.Transaction.Status != "PENDING" {
		t.Fatalf("an on-chain send answers %+v", got)
	}
	c.mine(1)
	until(t, "the confirmation", func() error {
		var found struct {
			Me struct {
				DefaultAccount struct {
					WalletByID struct {
						TransactionByID struct{ Status string } `json:"transactionById"`
					} `json:"walletById"`
				}
			}
		}
		c.owner().must(`query($w: WalletId!, $t: ID!) { me { defaultAccount { walletById(walletId: $w) { transactionById(transactionId: $t) { status } } } } }`,
			map[string]any{"w": c.wallet.String(), "t": got.Transaction.ID}, &found)
		if status := found.Me.DefaultAccount.WalletByID.TransactionByID.Status; status != "SUCCESS" {
			return fmt.Errorf("the transaction is %s", status)
		}
		return nil
	})
	all, err := c.byKey().send("onChainPaymentSendAll", "OnChainPaymentSendAllInput", map[string]any{"walletId": c.wallet.String(), "address": c.address(bob), "speed": "SLOW"})
	must(t, err)
	if all.Status != "SUCCESS" {
		t.Fatalf("sending all answers %+v", all)
	}
	c.mine(1)
	until(t, "the wallet to be empty", func() error {
		if balance := c.apiBalance(); balance != 0 {
			return fmt.Errorf("the balance is %v", balance)
		}
		return nil
	})
}

// TestAPICodes: what only real nodes can say, by the codes of docs/api.md.
func TestAPICodes(t *testing.T) {
	t.Parallel()
	c := signUp(t, 20_000_000)
	paid := c.invoice(alice, 1_000)
	if got := c.payInvoice(c.byKey(), paid); got.Status != "SUCCESS" {
		t.Fatalf("%+v", got)
	}
	held, hash := c.hold(alice, 1_000)
	if got := c.payInvoice(c.byKey(), held); got.Status != "PENDING" {
		t.Fatalf("%+v", got)
	}
	withdrawn := c.invoice(alice, 1_000)
	c.cancelHold(alice, hashOf(t, withdrawn))
	for what, ask := range map[string]struct{ invoice, status, code, says string }{
		"paid already":      {paid, "ALREADY_PAID", "", ""},
		"in flight":         {held, "FAILURE", "INVALID_INPUT", "There is a pending payment for this invoice"},
		"rejected":          {withdrawn, "FAILURE", "LIGHTNING_PAYMENT_ERROR", ""},
		"expired":           {c.expired(), "FAILURE", "LIGHTNING_PAYMENT_ERROR", "expired"},
		"no route":          {made(t, regtest(), secret(), msat(1_000_000)), "FAILURE", "ROUTE_FINDING_ERROR", ""},
		"truncated":         {paid[:len(paid)-5], "FAILURE", "INVOICE_DECODE_ERROR", ""},
		"without an amount": {c.invoice(alice, 0), "FAILURE", "INVALID_INPUT", "amount"},
	} {
		got := c.payInvoice(c.byKey(), ask.invoice)
		if got.Status != ask.status || got.code() != ask.code || ask.code != "" && !strings.Contains(got.Errors[0].Message, ask.says) {
			t.Errorf("%s: %+v, want %s %s %q", what, got, ask.status, ask.code, ask.says)
		}
	}
	c.cancelHold(alice, hash)
	until(t, "the held payment to come back", func() error {
		if balance := c.apiBalance(); balance != 20_000_000-1_000 {
			return fmt.Errorf("the balance is %v", balance)
		}
		return nil
	})
}

// TestAPINodeOffline: nothing was sent, and the code says that the node is away.
func TestAPINodeOffline(t *testing.T) {
	c := signUp(t, 10_000)
	invoice := c.invoice(alice, 1_000)
	c.stop("lnd-bank")
	if got := c.payInvoice(c.byKey(), invoice); got.Status != "FAILURE" || got.code() != "LND_OFFLINE" {
		t.Errorf("%+v", got)
	}
	if spent, balance := c.dailySpent(), c.apiBalance(); spent != 0 || balance != payment.Sat(10_000) {
		t.Errorf("%v spent, %v left", spent, balance)
	}
}

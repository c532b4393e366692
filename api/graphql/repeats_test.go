package graphqlapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// An idempotency key is the account's: a client whose API key was replaced learns what became of its payment.
func TestReplayUnderAnotherCredential(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		o.t = t
		idempotency := uuid.NewString()
		old, id := o.key("READ WRITE", nil)
		fresh, _ := o.key("READ WRITE", map[string]any{"DAILY": 1}) // what is repeated is not paid, and needs no budget
		input := e.for_(o)
		first := old.with("X-Idempotency-Key", idempotency).pay(e.door, input)
		first.wantPaid()
		left := o.balance()
		o.revoke(id)
		for name, caller := range map[string]*owner{"another key": fresh, "the session": o} {
			again := caller.with("X-Idempotency-Key", idempotency).pay(e.door, input)
			again.wantPaid()
			if again.text(again.field+".transaction.id") != first.text(first.field+".transaction.id") {
				t.Errorf("%s: %s, want the answer %s", name, again.raw, first.raw)
			}
		}
		input["memo"] = "another body"
		fresh.with("X-Idempotency-Key", idempotency).pay(e.door, input).wantFailed(codeInput, "idempotency key")
		if o.balance() != left {
			t.Errorf("the balance went from %d to %d", left, o.balance())
		}
	})
}

// The same while the first call still runs, and for a hold invoice.
func TestReplayUnderAnotherCredentialWhileHeld(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 100_000)
	old, _ := o.key("READ WRITE", nil)
	idempotency := uuid.NewString()
	input := vars{"walletId": o.wallet.ID, "paymentRequest": h.peer.MakeHold(5_000).Request}
	answers := make(chan paid, 2)
	for _, caller := range []*owner{old, o} {
		go func() { answers <- caller.with("X-Idempotency-Key", idempotency).pay(payment.DoorInvoice, input) }()
	}
	one, other := <-answers, <-answers
	for _, p := range []paid{one, other} {
		if p.status() != "PENDING" || p.code() != "" {
			t.Errorf("got %s", p.raw)
		}
	}
	if one.text(one.field+".transaction.id") != other.text(other.field+".transaction.id") {
		t.Errorf("two payments: %s and %s", one.raw, other.raw)
	}
}

// With an idempotency key an operation has one payment: of two, the second would be told what became of the first.
func TestOnePaymentPerIdempotencyKey(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, to := h.funded(t, 10_000), h.funded(t, 1)
	input := fmt.Sprintf(`(input: {walletId: "%s", recipientWalletId: "%s", amount: 5}) { status transaction { id } }`, o.wallet.ID, to.wallet.ID)
	two := "mutation { a: intraLedgerPaymentSend" + input + " ...F } fragment F on Mutation { b: intraLedgerPaymentSend" + input + " }"
	o.once().send(two, nil).wantRefused(codeInput, "Send each payment by itself")
	if o.balance() != 10_000 {
		t.Errorf("the balance is %d", o.balance())
	}
	a := o.ask(two, nil)
	if a.text("a.transaction.id") == a.text("b.transaction.id") || o.balance() != 9_990 {
		t.Errorf("without a key they are two payments: %s", a.raw)
	}
	o.once().ask("mutation { a: intraLedgerPaymentSend"+input+" userUpdateUsername(input: {username: \"x\"}) { errors { code } } }", nil).want("a.status", "SUCCESS")
}

// What clients got wrong by hand, and must be told in our words.
func TestWrongByHand(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, to := h.funded(t, 10_000), h.funded(t, 1)
	for _, amount := range []string{"1.0", "1e3", "5.5"} {
		p := paid{o.ask(fmt.Sprintf(`mutation { intraLedgerPaymentSend(input: {walletId: "%s", recipientWalletId: "%s", amount: %s}) { status errors { code message } } }`,
			o.wallet.ID, to.wallet.ID, amount), nil), "intraLedgerPaymentSend"}
		if p.status() != "" || p.code() != "" || !strings.Contains(p.message(), "whole number") {
			t.Errorf("%s: %s", amount, p.raw)
		}
	}
	for _, body := range []string{`{"query":"{ me { id } }","variables":["secret"]}`, `{"query":["secret"]}`, `{"query":"{ me { id } }","operationName":{"secret":1}}`} {
		a := o.post(body)
		if a.status != http.StatusBadRequest || strings.Contains(a.raw, "secret") || strings.Contains(a.raw, "json:") {
			t.Errorf("HTTP %d: %s", a.status, a.raw)
		}
	}
	usd := o.usdWallet()
	a := o.ask(fmt.Sprintf(`mutation { lnInvoiceCreate(input: {walletId: "%s", amount: 5}) { errors { code message } } }`, usd.ID), nil)
	a.want("lnInvoiceCreate.errors.0.code", string(codeInput))
	o.pay(payment.DoorOnchain, vars{"walletId": o.wallet.ID, "address": lndfake.OutsideAddress(), "amount": 1_000_000_000}).wantFailed(codeBalance, "10,000 sat available")
	if o.balance() != 10_000 {
		t.Errorf("the balance is %d", o.balance())
	}
}

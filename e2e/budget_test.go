package e2e_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

func TestInsufficientBalance(t *testing.T) {
	t.Parallel()
	g := enter(t, 1_000)
	// The amount alone would fit: the fee reserve counts.
	g.failed(g.pay(g.invoice(alice, 1_000)), payment.Refused, payment.ReasonInsufficientBalance)
	g.money()
	g.charge(g.ended(g.pay(g.invoice(alice, 990)), payment.Settled))
	g.money()
}

// TestBudgetExceeded: in each window, named with its numbers; what fits to the sat is paid.
func TestBudgetExceeded(t *testing.T) {
	t.Parallel()
	for _, window := range payment.Windows() {
		t.Run(string(window), func(t *testing.T) {
			t.Parallel()
			g := enter(t, 30_000)
			g.limit(window, 10_000)
			first := g.ended(g.pay(g.invoice(alice, 5_000)), payment.Settled)
			g.charge(first)
			row := g.failed(g.pay(g.invoice(alice, 5_000)), payment.Refused, payment.ReasonBudgetExceeded)
			want := payment.BudgetShortfall{Window: window, Limit: 10_000, Spent: 5_000, Remaining: 5_000, Needed: 5_025}
			if got := row.Failure.Budget; got == nil {
				t.Error("the refusal does not tell the budget")
			} else {
				frees := got.FreesAt.Sub(first.CreatedAt)
				got.FreesAt = time.Time{}
				if *got != want || frees < window.Duration()-time.Second || frees > window.Duration()+time.Second {
					t.Errorf("the refusal says %+v, frees %v after the first payment; want %+v after %v", *got, frees, want, window.Duration())
				}
			}
			g.money()
			g.charge(g.ended(g.pay(g.invoice(alice, 4_975)), payment.Settled)) // with its reserve of 25 sat it fits exactly
			g.money()
		})
	}
}

// TestBudgetWhileHeld: what is in flight counts in full, also against a call at the same time.
func TestBudgetWhileHeld(t *testing.T) {
	t.Parallel()
	g := enter(t, 30_000)
	g.limit(payment.Weekly, 10_000)
	invoice, hash := g.hold(alice, 6_000)
	row := g.become(g.pay(invoice).ID, payment.Pending)
	g.failed(g.pay(g.invoice(alice, 4_000)), payment.Refused, payment.ReasonBudgetExceeded)
	g.money(row)
	g.cancelHold(alice, hash)
	g.failed(row, payment.Failed, payment.ReasonRejected)
	g.charge(g.ended(g.pay(g.invoice(alice, 4_000)), payment.Settled))
	g.money()
}

// TestKeyThatMayNotSpend: a revoked key, and none at all: the owner's session has no budget.
func TestKeyThatMayNotSpend(t *testing.T) {
	t.Parallel()
	g := enter(t, 5_000)
	must(t, g.books.RevokeKey(t.Context(), g.account, g.key))
	g.failed(g.pay(g.invoice(alice, 1_000)), payment.Refused, payment.ReasonKeyInactive)
	g.money()
	session := g.caller()
	session.KeyID = payment.KeyID{}
	row := g.ended(g.ask(starter.PayInvoice{Caller: session, WalletID: g.wallet, Invoice: g.invoice(alice, 1_000)}), payment.Settled)
	g.balance -= row.Amount + row.Fee
	g.money()
}

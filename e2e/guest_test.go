package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/payment/paymenttest"
	"github.com/holdfast-pay/holdfast/starter"
)

// guest is one test's customer: an account with a funded wallet and an API key, and what its money should be.
type guest struct {
	*house
	t       testing.TB
	account payment.AccountID
	wallet  payment.WalletID
	key     payment.KeyID

	compared []string // nodes beside our own whose payments are compared at the end

	balance payment.Msat // what the wallet should hold
	spent   payment.Sat  // what the key's budget should count
}

// enter gives a test a wallet with funds in sat and a key without limits. At the test's end the books must be right.
func enter(t testing.TB, funds payment.Sat) *guest {
	t.Helper()
	h := open(t)
	g := &guest{house: h, t: t, account: uuid.New()}
	t.Cleanup(func() {
		if !t.Skipped() {
			h.balanced(t, g.compared...)
		}
	})
	g.wallet = g.openWallet("main", funds)
	g.balance = funds.MustMsat()
	key, err := h.books.CreateKey(t.Context(), ledger.Key{ID: uuid.New(), AccountID: g.account, Name: "shop"}, randomHash())
	must(t, err)
	g.key = key.ID
	return g
}

// openWallet opens one more wallet of the guest, funded by the treasury.
func (g *guest) openWallet(name string, funds payment.Sat) payment.WalletID {
	g.t.Helper()
	w, err := g.books.OpenWallet(g.t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: g.account, Name: name, Currency: payment.BTC})
	must(g.t, err)
	if funds > 0 {
		g.fund(w.ID, funds)
	}
	return w.ID
}

// fund fills a wallet from the treasury.
func (g *guest) fund(wallet payment.WalletID, funds payment.Sat) {
	g.t.Helper()
	row, err := g.door.PayWallet(g.t.Context(), starter.PayWallet{
		Caller:   starter.Caller{AccountID: g.treasury.AccountID, Door: payment.DoorGo},
		WalletID: g.treasury.ID, RecipientID: wallet, Amount: funds.MustMsat(),
	})
	must(g.t, err)
	g.ended(row, payment.Settled)
}

// limit sets the key's daily limit.
func (g *guest) limit(window payment.Window, limit payment.Sat) {
	g.t.Helper()
	must(g.t, g.books.SetLimit(g.t.Context(), g.account, g.key, window, limit))
}

func (g *guest) caller() starter.Caller {
	return starter.Caller{AccountID: g.account, KeyID: g.key, Door: payment.DoorGo}
}

// pay asks to pay an invoice from the guest's wallet. It may be called from any goroutine.
func (g *guest) pay(invoice string) ledger.Payment {
	g.t.Helper()
	return g.ask(starter.PayInvoice{Caller: g.caller(), WalletID: g.wallet, Invoice: invoice})
}

func (g *guest) ask(ask starter.PayInvoice) ledger.Payment {
	g.t.Helper()
	g.sending.RLock()
	row, err := g.door.PayInvoice(g.t.Context(), ask)
	g.sending.RUnlock()
	if err != nil {
		g.t.Error("pay an invoice: ", err)
	}
	return row
}

// ended waits for a payment's end, which must be the state.
func (g *guest) ended(row ledger.Payment, want payment.State) ledger.Payment {
	g.t.Helper()
	row = g.become(row.ID, payment.Settled, payment.Failed, payment.Refused)
	if row.State != want {
		g.t.Fatalf("payment %s ended %s, want %s", row.ID, words(row), want)
	}
	return row
}

// failed waits for a payment's end, which must be failed or refused for the reason, with a message for the user.
func (g *guest) failed(row ledger.Payment, want payment.State, reason payment.Reason) ledger.Payment {
	g.t.Helper()
	row = g.ended(row, want)
	if row.Failure == nil || row.Failure.Reason != reason {
		g.t.Fatalf("payment %s ended %s, want %s (%s)", row.ID, words(row), want, reason)
	}
	speaks(g.t, row.Failure.Message)
	return row
}

// become waits until the payment is in one of the states.
func (g *guest) become(id payment.ID, states ...payment.State) (row ledger.Payment) {
	g.t.Helper()
	until(g.t, fmt.Sprintf("payment %s to be %v", id, states), func() error {
		var err error
		row, err = g.books.Payment(g.t.Context(), id)
		switch {
		case err != nil:
			return err
		case slices.Contains(states, row.State):
			return nil
		case row.State.Terminal():
			g.t.Fatalf("payment %s ended %s, want %v", id, words(row), states)
		}
		return errors.New(g.about(row))
	})
	return row
}

// about tells what is known of a payment that does not end as it should, by us and by our node.
func (g *guest) about(row ledger.Payment) string {
	text := fmt.Sprintf("it is %s, fenced %d times, baseline %d", words(row), row.Send.Attempt, row.Send.Baseline)
	if known, err := g.nodes[bank].LookupPayment(g.t.Context(), row.PaymentHash); err == nil {
		text += fmt.Sprintf("; the node says %s, index %d, %d HTLCs, failure %q", known.Status, known.Index, known.HTLCs, known.Failure)
	}
	return text
}

// charge expects what a settled payment cost.
func (g *guest) charge(row ledger.Payment) {
	cost := row.Amount + row.Fee
	g.balance -= cost
	g.spent += cost.Ceil()
}

// money checks wallet and budget against what they should be, with so much held by payments in flight.
func (g *guest) money(held ...ledger.Payment) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var holding payment.Msat
	spent := g.spent
	for _, row := range held {
		holding += row.Amount + row.FeeReserve
		spent += (row.Amount + row.FeeReserve).Ceil()
	}
	wallet, err := g.books.Wallet(ctx, g.wallet)
	must(g.t, err)
	if wallet.Balance != g.balance || wallet.Held != holding {
		g.t.Errorf("the wallet has %v, %v of it held; it should have %v, %v held", wallet.Balance, wallet.Held, g.balance, holding)
	}
	spending, err := g.books.Spending(ctx, g.key)
	must(g.t, err)
	for _, w := range spending.Windows {
		if w.Spent != spent {
			g.t.Errorf("the %s budget counts %v, it should count %v", w.Window, w.Spent, spent)
		}
	}
}

// count is how many payments the guest's account has, refused ones included.
func (g *guest) count() int {
	g.t.Helper()
	return len(g.payments())
}

// payments are those of the guest's account.
func (g *guest) payments() []ledger.Payment {
	g.t.Helper()
	rows, err := g.door.List(g.t.Context(), ledger.Filter{AccountID: g.account})
	must(g.t, err)
	return rows
}

// refusal expects a call to be refused for the reason, with a message for the user.
func (g *guest) refusal(err error, want payment.Reason) {
	g.t.Helper()
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || coded.Reason != want {
		g.t.Fatalf("the call answers %v, want %s", err, want)
	}
	speaks(g.t, coded.Message)
}

// untouched expects wallet and budget as they were, and so many payments in the account, refused ones included.
func (g *guest) untouched(payments int) {
	g.t.Helper()
	g.money()
	if n := g.count(); n != payments {
		g.t.Errorf("the account has %d payments, want %d", n, payments)
	}
}

// atOnce runs n calls side by side and waits for all. They must not end the test: t.Fatal is for its own goroutine.
func atOnce(n int, call func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { call(i) })
	}
	all.Wait()
}

// words is a payment's state and reason.
func words(row ledger.Payment) string {
	if row.Failure != nil {
		return fmt.Sprintf("%s (%s: %s)", row.State, row.Failure.Reason, row.Failure.Message)
	}
	return string(row.State)
}

// speaks fails the test unless a message is for a user: whole sentences that say what to do, no driver's words.
func speaks(t testing.TB, message string) {
	t.Helper()
	if lack := paymenttest.Lacks(message); lack != "" {
		t.Errorf("this message is not for a user: %q: %s", message, lack)
	}
}

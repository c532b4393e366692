package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// in is the same customer in another test.
func (c *customer) in(t testing.TB) *customer {
	g := *c.guest
	g.t = t
	return &customer{guest: &g, session: c.session, secret: c.secret, keyID: c.keyID}
}

// seated is the customer with a funded wallet and a new key for one situation.
func (c *customer) seated(scopes string, funds payment.Sat) *customer {
	c.t.Helper()
	s := c.in(c.t)
	s.wallet = s.openWallet(uuid.NewString(), funds)
	s.balance, s.spent = funds.MustMsat(), 0
	s.createKey(scopes)
	return s
}

// funds are for one payment, with room.
func (e errand) funds() payment.Sat { return 2 * e.amount }

// next is where one more payment goes.
func (e errand) next(c *customer) receiver { return e.to(c, e.amount) }

// needs is the least that a payment takes from the customer's budget.
func (e errand) needs(c *customer) payment.Sat {
	if e.all {
		return c.balance.Floor()
	}
	return e.amount
}

// asks sends one payment from a wallet. It may be called from any goroutine.
func (e errand) asks(l line, from payment.WalletID, r receiver) sent {
	l.c.t.Helper()
	l.c.sending.RLock() // no blocks while a payment looks for its way
	defer l.c.sending.RUnlock()
	input := maps.Clone(r.input)
	input["walletId"] = from.String()
	got, err := l.send(string(e.door), e.input, input)
	if err != nil {
		l.c.t.Error(err)
	}
	return got
}

// answered asks again while the answer is PENDING, because the machine is too busy for another in time. What it asks has an
// idempotency key. It may be called from any goroutine.
func (c *customer) answered(ask func() sent) (got sent) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), within)
	defer cancel()
	err := poll(ctx, "an answer", func() error {
		if got = ask(); got.Status == "PENDING" {
			return fmt.Errorf("it is %+v", got)
		}
		return nil
	})
	if err != nil {
		c.t.Error(err)
	}
	return got
}

// shown expects the API to tell wallet and budget as they should be, and the ledger to agree to the msat.
func (c *customer) shown(held ...ledger.Payment) {
	c.t.Helper()
	c.money(held...)
	var reserved payment.Sat
	for _, row := range held {
		reserved += (row.Amount + row.FeeReserve).Ceil()
	}
	if got, want := c.apiBalance(), (c.balance - reserved.MustMsat()).Floor(); got != want {
		c.t.Errorf("the API shows a balance of %v, want %v", got, want)
	}
	shown := c.budget()
	if got := *shown["reservedSats"]; got != reserved {
		c.t.Errorf("the API shows %v reserved, want %v", got, reserved)
	}
	for _, window := range payment.Windows() {
		name, spent := string(window), c.spent+reserved
		limit, remaining := shown[name+"LimitSats"], shown[name+"RemainingSats"]
		if got := *shown[name+"SpentSats"]; got != spent {
			c.t.Errorf("the API shows %v spent in the %s window, want %v", got, name, spent)
		}
		if (limit == nil) != (remaining == nil) || limit != nil && *remaining != max(0, *limit-spent) {
			c.t.Errorf("the API shows %v remaining of %v in the %s window, %v spent", remaining, limit, name, spent)
		}
	}
}

// row is the payment of an answer.
func (c *customer) row(got sent, states ...payment.State) ledger.Payment {
	c.t.Helper()
	if got.Transaction == nil || got.Status != "SUCCESS" && got.Status != "PENDING" || len(got.Errors) != 0 {
		c.t.Fatalf("not sent: %+v", got)
	}
	return c.become(uuid.MustParse(got.Transaction.ID), states...)
}

// concludes waits for the end of a payment and for its receiver, and returns what it has cost.
func (c *customer) concludes(e errand, got sent, r receiver) payment.Msat {
	c.t.Helper()
	row := c.row(got, payment.Settled)
	if fee := e.fee(c, row); row.Fee != fee {
		c.t.Errorf("charged a fee of %d msat, want %d", row.Fee, fee)
	}
	if arrived := r.got(row.TxID); arrived != row.Amount || !e.all && arrived != e.amount.MustMsat() {
		c.t.Errorf("the receiver got %v of %v, want %v", arrived, row.Amount, e.amount)
	}
	return row.Amount + row.Fee
}

// pays makes one payment of the errand, which must succeed, and checks money and budget on its way and at its end.
func (c *customer) pays(l line, e errand) {
	c.t.Helper()
	byKey := l.header.Get("X-API-KEY") != ""
	r := e.next(c)
	began := time.Now()
	got := e.asks(l, c.wallet, r)
	late := time.Since(began) >= patience // the machine is busy: pending is true, and all else must hold at the end
	if got.Status != "SUCCESS" && !late {
		c.t.Fatalf("%+v", got)
	}
	if e.chain {
		row := c.row(got, payment.Pending)
		if got.Transaction.Status != "PENDING" {
			c.t.Errorf("before its block the transaction is %s", got.Transaction.Status)
		}
		if byKey {
			c.shown(row)
		}
		c.mine(1)
	} else if c.row(got, payment.Settled); got.Transaction.Status != "SUCCESS" && !late {
		c.t.Errorf("the transaction is %s", got.Transaction.Status)
	}
	cost := c.concludes(e, got, r)
	c.balance -= cost
	if byKey {
		c.spent += cost.Ceil()
	}
	c.shown()
}

func withinBudget(c *customer, e errand) {
	s := c.seated("[READ, WRITE]", e.funds())
	for _, window := range payment.Windows() { // all four at once; what is reserved must fit too
		s.setLimit(strings.ToUpper(string(window)), e.needs(s)+e.reserve)
	}
	s.pays(s.byKey(), e)
}

// withoutBudget: a key without limits, whose spending is recorded all the same, and the owner's session.
func withoutBudget(c *customer, e errand) {
	s := c.seated("[READ, WRITE]", e.funds())
	s.pays(s.byKey(), e)
	s = c.seated("[READ, WRITE]", e.funds())
	s.pays(s.owner(), e)
}

// refused asks for a payment that must be refused with the code, and expects that nothing moves.
func (c *customer) refused(l line, e errand, code string) (message string) {
	c.t.Helper()
	r := e.next(c)
	return c.refusedTo(l, e, r, code)
}

func (c *customer) refusedTo(l line, e errand, r receiver, code string) (message string) {
	c.t.Helper()
	got := e.asks(l, c.wallet, r)
	if got.Status != "FAILURE" || len(got.Errors) != 1 || got.code() != code || got.Transaction != nil {
		c.t.Fatalf("%+v, want one error %s", got, code)
	}
	if arrived := r.got(""); arrived != 0 {
		c.t.Errorf("the receiver of a refused payment got %v", arrived)
	}
	c.shown()
	speaks(c.t, got.Errors[0].Message)
	return got.Errors[0].Message
}

// overEachWindow: the message names the window, its numbers, and when enough frees up, or that it never will.
func overEachWindow(c *customer, e errand) {
	s := c.seated("[READ, WRITE]", e.funds())
	spent := e.amount / 2
	began := time.Now()
	s.spends(spent)
	done := time.Now()
	for _, window := range payment.Windows() {
		name := strings.ToUpper(string(window))
		limit := spent + e.needs(s) - 1
		s.setLimit(name, limit)
		message := s.refused(s.byKey(), e, "TRANSACTION_RESTRICTED")
		says(s.t, message, window, limit, spent)
		_, rest, _ := strings.Cut(message, "Enough frees up at ")
		frees, err := time.Parse("2006-01-02 15:04:05 UTC.", rest)
		if earliest := began.Add(window.Duration()).Truncate(time.Second); err != nil || frees.Before(earliest) || frees.After(done.Add(window.Duration())) {
			s.t.Errorf("%q: enough frees up %v after %v (%v)", message, window.Duration(), began, err)
		}
		limit = e.needs(s) - 1
		s.setLimit(name, limit)
		message = s.refused(s.byKey(), e, "TRANSACTION_RESTRICTED")
		says(s.t, message, window, limit, spent)
		if !strings.Contains(message, "It is more than the limit itself") {
			s.t.Errorf("%q does not say that it never fits", message)
		}
		s.removeLimit(name)
	}
}

// spends moves money inside the ledger by the key, to have some history.
func (c *customer) spends(amount payment.Sat) {
	c.t.Helper()
	inside := errands()[0]
	inside.amount = amount
	c.pays(c.byKey(), inside)
}

// says expects a budget's numbers in a message.
func says(t testing.TB, message string, window payment.Window, limit, spent payment.Sat) {
	t.Helper()
	want := fmt.Sprintf("The %s limit of this API key is %v: %v spent, %v remaining", window, limit, spent, max(0, limit-spent))
	if !strings.HasPrefix(message, want) {
		t.Errorf("the message %q does not say %q", message, want)
	}
}

// readKey: refused before anything is looked at, on top of the answer.
func readKey(c *customer, e errand) {
	s := c.seated("[READ]", e.funds())
	r := e.next(s)
	s.unauthorized(e.door, e.input, r.input)
	if arrived := r.got(""); arrived != 0 {
		s.t.Errorf("the receiver got %v", arrived)
	}
	s.shown()
}

// unauthorized expects no data and one error on top for a payment by the key.
func (c *customer) unauthorized(door payment.Door, inputType string, input map[string]any) {
	c.t.Helper()
	input = maps.Clone(input)
	input["walletId"] = c.wallet.String()
	status, a, err := c.byKey().ask(sendQuery(string(door), inputType), map[string]any{"input": input})
	if err != nil || status != 200 || len(a.Data) > 0 && string(a.Data) != "null" || len(a.Errors) != 1 ||
		a.Errors[0].Extensions.Code != "NOT_AUTHORIZED" || !strings.Contains(a.Errors[0].Message, "Permission denied") {
		c.t.Errorf("HTTP %d, data %s, errors %+v, %v", status, a.Data, a.Errors, err)
	}
}

// othersWallet: by the thief's key and by his session; the same for a wallet that nobody has.
func othersWallet(c, thief *customer, e errand) {
	victim := c.seated("[READ, WRITE]", e.funds())
	thief = thief.seated("[READ, WRITE]", e.funds())
	for _, l := range []line{thief.byKey(), thief.owner()} {
		for _, wallet := range []payment.WalletID{victim.wallet, uuid.New()} {
			r := e.next(thief)
			got := e.asks(l, wallet, r)
			if got.Status != "FAILURE" || got.code() != "INVALID_INPUT" || got.Errors[0].Message != "Invalid walletId for account." || got.Transaction != nil {
				thief.t.Errorf("%+v", got)
			}
			if arrived := r.got(""); arrived != 0 {
				thief.t.Errorf("the receiver got %v", arrived)
			}
		}
	}
	victim.shown()
	thief.shown()
}

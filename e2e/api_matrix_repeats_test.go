package e2e_test

import (
	"maps"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

func (l line) once() line { return l.with("X-Idempotency-Key", uuid.NewString()) }

// replayed: five calls at once and one afterwards are one payment; another body is an error without effect.
func replayed(c *customer, e errand) {
	s := c.seated("[READ, WRITE]", e.funds())
	s.setLimit("DAILY", e.needs(s)+e.needs(s)/2) // for one
	keyed, r := s.byKey().once(), e.next(s)
	answers := make([]sent, 5)
	atOnce(len(answers), func(i int) { answers[i] = e.asks(keyed, s.wallet, r) })
	first := s.row(answers[0], payment.Pending, payment.Settled)
	for _, again := range answers {
		if row := s.row(again, payment.Pending, payment.Settled); row.ID != first.ID {
			s.t.Errorf("five calls with one key made the payments %s and %s", first.ID, row.ID)
		}
	}
	if e.chain {
		s.mine(1)
	}
	cost := s.concludes(e, answers[0], r)
	s.balance -= cost
	s.spent += cost.Ceil()
	s.shown()
	last := e.asks(keyed, s.wallet, r)
	if last.Status != "SUCCESS" || last.Transaction == nil || last.Transaction.ID != first.ID.String() ||
		last.Transaction.Status != "SUCCESS" || last.Transaction.SettlementAmount != int64((-cost).Floor()) {
		s.t.Errorf("the replay at the end answers %+v, the payment %s cost %v", last, first.ID, cost)
	}
	other := receiver{maps.Clone(r.input), func(string) payment.Msat { return 0 }}
	other.input["memo"] = "another body"
	s.refusedTo(keyed, e, other, "INVALID_INPUT")
	if arrived := r.got(first.TxID); arrived != first.Amount {
		s.t.Errorf("the receiver got %v in the end, want %v", arrived, first.Amount)
	}
}

// replayedRefusal: a refusal stays one for its key, also when the payment would fit by now; a new key pays.
func replayedRefusal(c *customer, e errand) {
	s := c.seated("[READ, WRITE]", e.funds())
	s.setLimit("DAILY", e.needs(s)-1)
	keyed, r := s.byKey().once(), e.next(s)
	message := s.refusedTo(keyed, e, r, "TRANSACTION_RESTRICTED")
	s.removeLimit("DAILY")
	if again := s.refusedTo(keyed, e, r, "TRANSACTION_RESTRICTED"); again != message {
		s.t.Errorf("the refusal was %q, and is %q", message, again)
	}
	s.pays(s.byKey().once(), e)
}

// exactlySevenPass: twenty at once against a budget for seven.
func exactlySevenPass(c *customer, e errand) {
	const calls, fit = 20, 7
	s := c.seated("[READ, WRITE]", calls*(e.amount+e.reserve)) // the balance is enough for all
	payers := make([]*customer, calls)
	receivers := make([]receiver, calls)
	for i := range payers {
		payers[i], receivers[i] = s, e.next(s)
		if e.all { // a wallet can be emptied once: twenty wallets of the owner, and one key
			payers[i] = s.in(s.t)
			payers[i].wallet, payers[i].balance = s.openWallet(uuid.NewString(), e.amount), e.amount.MustMsat()
		}
	}
	s.setLimit("DAILY", fit*(e.amount+e.reserve))
	answers := make([]sent, calls)
	atOnce(calls, func(i int) {
		keyed := s.byKey().once()
		answers[i] = s.answered(func() sent { return e.asks(keyed, payers[i].wallet, receivers[i]) })
	})

	var passed []int
	for i, got := range answers {
		switch {
		case got.Status == "SUCCESS":
			passed = append(passed, i)
			payers[i].row(got, payment.Pending, payment.Settled)
		case got.Status != "FAILURE" || got.code() != "TRANSACTION_RESTRICTED" || got.Transaction != nil:
			s.t.Errorf("call %d: %+v", i, got)
		case receivers[i].got("") != 0:
			s.t.Errorf("call %d was refused, and its receiver has something", i)
		}
	}
	if len(passed) != fit {
		s.t.Errorf("%d of %d passed a budget for %d", len(passed), calls, fit)
	}
	if e.chain {
		s.mine(1)
	}
	for _, i := range passed {
		cost := payers[i].concludes(e, answers[i], receivers[i])
		payers[i].balance -= cost
		s.spent += cost.Ceil()
	}
	s.shown()
	for _, payer := range payers {
		if payer != s {
			payer.spent = s.spent
			payer.shown()
		}
	}
}

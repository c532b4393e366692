package graphqlapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// errand is a payment that a mutation of a BTC wallet can make: a fresh one at every call.
type errand struct {
	door  payment.Door
	sat   payment.Sat // of the amount; what it needs is a little more where there are fees
	input func(h *house, t testing.TB, from string) vars
}

func errands() []errand {
	return []errand{
		{payment.DoorIntraLedger, 5_000, func(h *house, t testing.TB, from string) vars {
			return vars{"walletId": from, "recipientWalletId": h.funded(t, 1).wallet.ID.String(), "amount": 5_000}
		}},
		{payment.DoorInvoice, 5_000, func(h *house, _ testing.TB, from string) vars {
			return vars{"walletId": from, "paymentRequest": h.peer.MakeInvoice(5_000).Request}
		}},
		{payment.DoorNoAmountInvoice, 5_000, func(h *house, _ testing.TB, from string) vars {
			return vars{"walletId": from, "paymentRequest": h.peer.MakeInvoice(0).Request, "amount": 5_000}
		}},
		{payment.DoorOnchain, 5_000, func(_ *house, _ testing.TB, from string) vars {
			return vars{"walletId": from, "address": lndfake.OutsideAddress(), "amount": 5_000}
		}},
		{payment.DoorOnchainAll, 100_000, func(_ *house, _ testing.TB, from string) vars {
			return vars{"walletId": from, "address": lndfake.OutsideAddress()}
		}},
	}
}

// eachErrand runs a test for every mutation that pays from a BTC wallet, with an owner who has 100,000 sat.
func eachErrand(t *testing.T, test func(t *testing.T, o *owner, e errand)) {
	t.Parallel()
	h := home(t)
	for _, e := range errands() {
		t.Run(string(e.door), func(t *testing.T) {
			t.Parallel()
			test(t, h.funded(t, 100_000), e)
		})
	}
}

func (e errand) for_(o *owner) vars { return e.input(o.house, o.t, o.wallet.ID.String()) } //nolint:revive // reads as it is meant

func TestWithinTheBudget(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		key, id := o.key("READ WRITE", map[string]any{"DAILY": 200_000, "WEEKLY": 200_000, "MONTHLY": 200_000, "ANNUAL": 200_000})
		key.t = t
		p := key.pay(e.door, e.for_(o))
		p.wantPaid()
		if spent := o.limits(id)["dailySpentSats"]; spent < e.sat {
			t.Errorf("%d sat are counted as spent, at least %d were", spent, e.sat)
		}
		if left := o.balance(); left > 100_000-e.sat {
			t.Errorf("%d sat are left", left)
		}
		if e.door == payment.DoorOnchain || e.door == payment.DoorOnchainAll {
			p.want(p.field+".transaction.status", "PENDING") // until it confirms
		} else {
			p.want(p.field+".transaction.status", "SUCCESS")
		}
		p.want(p.field+".transaction.direction", "SEND")
	})
}

// limits are the numbers of a key's budget.
func (o *owner) limits(id string) map[string]payment.Sat {
	o.t.Helper()
	a := o.ask(`{ me { apiKeys { id limits { dailyLimitSats weeklyLimitSats monthlyLimitSats annualLimitSats dailySpentSats weeklySpentSats
		monthlySpentSats annualSpentSats dailyRemainingSats weeklyRemainingSats monthlyRemainingSats annualRemainingSats reservedSats } } } }`, nil)
	for _, key := range a.at("me.apiKeys").([]any) {
		key := key.(map[string]any)
		if key["id"] != id {
			continue
		}
		out := map[string]payment.Sat{}
		for name, value := range key["limits"].(map[string]any) {
			if number, ok := value.(json.Number); ok {
				n, err := number.Int64()
				if err != nil {
					o.t.Fatal(err)
				}
				out[name] = payment.Sat(n)
			}
		}
		return out
	}
	o.t.Fatalf("no key %s in %s", id, a.raw)
	return nil
}

func TestOverEachWindow(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		for _, window := range payment.Windows() {
			key, id := o.key("READ WRITE", map[string]any{strings.ToUpper(string(window)): 1_000})
			key.t = t
			p := key.pay(e.door, e.for_(o))
			p.wantFailed(codeRestricted, string(window))
			for _, part := range []string{"1,000 sat", "spent", "remaining"} {
				if !strings.Contains(p.message(), part) {
					t.Errorf("the message does not tell %q: %s", part, p.message())
				}
			}
			if spent := o.limits(id); spent[string(window)+"SpentSats"] != 0 || spent["reservedSats"] != 0 {
				t.Errorf("a refused payment was counted: %v", spent)
			}
		}
		if o.balance() != 100_000 {
			t.Errorf("the balance is %d", o.balance())
		}
		if !strings.Contains(o.house.log.String(), "a budget refused a payment") {
			t.Error("the refusal is not in the log")
		}
	})
}

func TestWithoutBudget(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		o.t = t
		o.pay(e.door, e.for_(o)).wantPaid()
	})
}

func TestKeyWithoutLimitsRecordsSpending(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 100_000)
	key, id := o.key("READ WRITE", nil)
	key.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": o.house.peer.MakeInvoice(5_000).Request}).wantPaid()
	got := o.limits(id)
	if got["dailySpentSats"] != 5_001 || got["annualSpentSats"] != 5_001 || got["reservedSats"] != 0 { // the unused fee reserve came back
		t.Errorf("got %v", got)
	}
	for name := range got {
		if strings.Contains(name, "Limit") || strings.Contains(name, "Remaining") {
			t.Errorf("%s is not null", name)
		}
	}
}

func TestReadKeyCannotPay(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		for _, scopes := range []string{"READ", "RECEIVE", "READ RECEIVE"} {
			key, _ := o.key(scopes, nil)
			key.t = t
			key.send(payQuery(e.door), vars{"input": e.for_(o)}).wantRefused(codeUnauthorized, "Permission denied")
		}
		nobody := o.house.nobody(t)
		nobody.send(payQuery(e.door), vars{"input": e.for_(o)}).wantRefused(codeUnauthorized, "Not authorized")
	})
}

func TestAnotherOwnersWallet(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		thief := o.house.funded(t, 100_000)
		for _, caller := range []*owner{thief, mustKey(thief)} {
			caller.pay(e.door, e.for_(o)).wantFailed(codeInput, "Invalid walletId for account.")
		}
		if o.balance() != 100_000 {
			t.Errorf("the balance is %d", o.balance())
		}
		unknown := e.input(o.house, t, uuid.NewString())
		thief.pay(e.door, unknown).wantFailed(codeInput, "Invalid walletId for account.")
	})
}

func mustKey(o *owner) *owner {
	key, _ := o.key("READ WRITE", nil)
	return key
}

func TestReplay(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		o = o.once()
		o.t = t
		input := e.for_(o)
		first := o.pay(e.door, input)
		first.wantPaid()
		id, left := first.text(first.field+".transaction.id"), o.balance()
		var together sync.WaitGroup
		for range 5 {
			together.Go(func() {
				again := o.pay(e.door, input)
				if again.text(again.field+".transaction.id") != id || again.status() != "SUCCESS" {
					t.Errorf("got %s, want transaction %s", again.raw, id)
				}
			})
		}
		together.Wait()
		if o.balance() != left {
			t.Errorf("the balance went from %d to %d", left, o.balance())
		}
		input["memo"] = "another body"
		o.pay(e.door, input).wantFailed(codeInput, "idempotency key")
		o.with("X-Idempotency-Key", "no-uuid").post("{}").wantStatus(http.StatusBadRequest)
	})
}

func (a *answer) wantStatus(status int) {
	a.t.Helper()
	if a.status != status {
		a.t.Errorf("HTTP %d, want %d: %s", a.status, status, a.raw)
	}
}

// 20 at once against a budget for 7. Seven fit with their fee reserves and eight do not even without: so exactly seven pass,
// whatever comes back of the reserves meanwhile.
func TestExactlySevenPass(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		const calls, fit = 20, 7
		reserve := map[payment.Door]payment.Sat{
			payment.DoorInvoice: 25, payment.DoorNoAmountInvoice: 25, // half a percent
			payment.DoorOnchain: 388, // a quarter above lndfake's fee for one input and two outputs
		}[e.door]
		limit := fit * (e.sat + reserve)
		if limit >= (fit+1)*e.sat {
			t.Fatalf("eight payments of %v could fit into %v", e.sat, limit)
		}
		o = o.house.funded(t, 1_000_000)
		key, id := o.key("READ WRITE", map[string]any{"DAILY": limit})
		inputs := make([]vars, calls)
		for i := range inputs {
			from := o.wallet
			if e.door == payment.DoorOnchainAll { // a wallet can be emptied once
				from = o.another(payment.BTC)
				ledgertest.Fund(t, o.house.ledger, from, e.sat.MustMsat())
			}
			inputs[i] = e.input(o.house, t, from.ID.String())
		}
		counted := map[string]int{}
		for _, p := range key.payAtOnce(e.door, inputs) {
			counted[p.status()+p.code()]++
		}
		if counted["SUCCESS"] != fit || counted["FAILURE"+string(codeRestricted)] != calls-fit {
			t.Errorf("%v", counted)
		}
		if spent := o.limits(id)["dailySpentSats"]; spent < fit*e.sat || spent > limit {
			t.Errorf("%d sat were spent", spent)
		}
	})
}

// payAtOnce pays all side by side, and asks again where the answer was that there is none yet: the machine may be busy.
func (o *owner) payAtOnce(door payment.Door, inputs []vars) []paid {
	o.t.Helper()
	answers, callers := make([]paid, len(inputs)), make([]*owner, len(inputs))
	var together sync.WaitGroup
	for i, input := range inputs {
		callers[i] = o.once()
		together.Go(func() { answers[i] = callers[i].pay(door, input) })
	}
	together.Wait()
	for i, input := range inputs {
		answered := func() bool { return answers[i].status() != "PENDING" }
		if !answered() {
			eventually(o.t, "an answer", func() bool { answers[i] = callers[i].pay(door, input); return answered() })
		}
	}
	return answers
}

// A hold invoice: PENDING in time, counted while held, given back when canceled.
func TestHoldInvoice(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 100_000)
	key, id := o.key("READ WRITE", map[string]any{"DAILY": 50_000})
	held := o.house.peer.MakeHold(5_000)
	p := key.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": held.Request})
	if p.status() != "PENDING" || p.code() != "" {
		t.Fatalf("got %s", p.raw)
	}
	p.want(p.field+".transaction.status", "PENDING")
	if got := o.limits(id); got["dailySpentSats"] != 5_025 || got["reservedSats"] != 5_025 || got["dailyRemainingSats"] != 50_000-5_025 {
		t.Errorf("while held: %v", got)
	}
	key.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": held.Request}).
		wantFailed(codeInput, "There is a pending payment for this invoice")
	if err := o.house.peer.CancelInvoice(t.Context(), held.Hash); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the compensation", func() bool { return o.balance() == 100_000 && o.limits(id)["dailySpentSats"] == 0 })
}

// Amounts as numbers and as strings, as literals and as variables, declared as what they are and as Int.
func TestAmountsOnTheWire(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, to := h.funded(t, 20_000), h.funded(t, 1)
	const mutation = `mutation%s { intraLedgerPaymentSend(input: {walletId: "%s", recipientWalletId: "%s", amount: %s}) { status errors { message code } } }`
	for i, c := range []struct {
		declared, amount string
		variables        vars
	}{
		{"", "100", nil}, {"", `"100"`, nil},
		{"($a: SatAmount!)", "$a", vars{"a": 100}}, {"($a: SatAmount!)", "$a", vars{"a": "100"}}, {"($a: Int!)", "$a", vars{"a": 100}},
	} {
		a := o.ask(fmt.Sprintf(mutation, c.declared, o.wallet.ID, to.wallet.ID, c.amount), c.variables)
		a.want("intraLedgerPaymentSend.status", "SUCCESS")
		if want := payment.Sat(20_000 - 100*(i+1)); o.balance() != want {
			t.Errorf("the balance is %d, want %d", o.balance(), want)
		}
	}
	// Beyond 32 bits: refused for the balance, not for the form.
	p := paid{o.ask(fmt.Sprintf(mutation, "($a: Int!)", o.wallet.ID, to.wallet.ID, "$a"), vars{"a": 5_000_000_000}), "intraLedgerPaymentSend"}
	if p.code() != string(codeBalance) {
		t.Errorf("got %s", p.raw)
	}
}

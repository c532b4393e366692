package graphqlapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/payment"
)

// The limit of the account refuses whoever asks, with or without a key, and says what it says for a key.
func TestAccountLimitRefuses(t *testing.T) {
	eachErrand(t, func(t *testing.T, o *owner, e errand) {
		o.t = t
		purpose := payment.Withdrawal
		if e.door == payment.DoorIntraLedger {
			purpose = payment.InternalSend
		}
		for _, window := range payment.Windows() {
			o.limitAccount(purpose, window, 1_000)
			for _, caller := range []*owner{o, mustKey(o)} {
				p := caller.pay(e.door, e.for_(o))
				p.wantFailed(codeRestricted, string(window))
				for _, part := range []string{"this account", "1,000 sat", "spent", "remaining", "operator"} {
					if !strings.Contains(p.message(), part) {
						t.Errorf("the message does not tell %q: %s", part, p.message())
					}
				}
			}
			if err := o.house.ledger.RemoveAccountLimit(t.Context(), o.wallet.AccountID, purpose, window); err != nil {
				t.Fatal(err)
			}
		}
		if o.balance() != 100_000 {
			t.Errorf("the balance is %d", o.balance())
		}
		o.limitAccount(purpose, payment.Daily, 110_000)
		o.pay(e.door, e.for_(o)).wantPaid()
	})
}

func (o *owner) limitAccount(purpose payment.Purpose, window payment.Window, limit payment.Sat) {
	o.t.Helper()
	if err := o.house.ledger.SetAccountLimit(o.t.Context(), o.wallet.AccountID, purpose, window, limit); err != nil {
		o.t.Fatal(err)
	}
}

const limitsQuery = `{ me { defaultAccount { limits {
	withdrawal { __typename totalLimit remainingLimit interval totalLimitSats remainingLimitSats }
	internalSend { totalLimitSats } convert { ... on OneDayAccountLimit { remainingLimitSats } } } } } }`

func TestAccountLimitsRead(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 100_000)
	o.ask(limitsQuery, nil).want("me.defaultAccount.limits.withdrawal", "[]")
	o.limitAccount(payment.Withdrawal, payment.Daily, 50_000)
	o.limitAccount(payment.Withdrawal, payment.Annual, 6_000_000_000)
	o.limitAccount(payment.Convert, payment.Daily, 3)
	o.pay(payment.DoorInvoice, vars{"walletId": o.wallet.ID, "paymentRequest": h.peer.MakeInvoice(5_000).Request}).wantPaid()

	a := o.ask(strings.NewReplacer("totalLimit ", "", "remainingLimit ", "").Replace(limitsQuery), nil)
	const of = "me.defaultAccount.limits."
	for path, want := range map[string]string{
		"withdrawal.0.__typename": "OneDayAccountLimit", "withdrawal.0.interval": "86400", "withdrawal.0.totalLimitSats": "50000",
		"withdrawal.0.remainingLimitSats": "44999", "withdrawal.1.__typename": "RollingAccountLimit", "withdrawal.1.interval": "31536000",
		"withdrawal.1.totalLimitSats": "6000000000", "internalSend": "[]", "convert.0.remainingLimitSats": "3",
	} {
		a.want(of+path, want)
	}

	// In cents they need a price, and the rest is answered without one.
	a = o.send(limitsQuery, nil)
	if !strings.Contains(a.raw, string(codeNoPrice)) || !strings.Contains(a.raw, `"totalLimitSats":50000`) {
		t.Errorf("without a price: %s", a.raw)
	}

	body, err := json.Marshal(vars{"query": limitsQuery})
	if err != nil {
		t.Fatal(err)
	}
	priced, err := post(h.doorWith(t, func(cfg *Config) { cfg.Prices = fixed{} }), o.header, string(body))
	if err != nil {
		t.Fatal(err)
	}
	priced.t = t
	priced.want(of+"withdrawal.0.totalLimit", "2500")
	priced.want(of+"withdrawal.0.remainingLimit", "2250")
}

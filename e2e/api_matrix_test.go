package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// The matrix: every payment mutation of the schema in every situation, over HTTP, on real nodes and the real chain.

// errand is a payment that one mutation makes from a BTC wallet.
type errand struct {
	door  payment.Door
	input string // the type of its input
	chain bool   // it waits for a block
	all   bool   // it empties the wallet
	to    func(c *customer, amount payment.Sat) receiver

	// Set by sized. amount is what the receiver gets, or what an emptied wallet holds; reserve bounds what is held beside it,
	// and the amount is so large against it that an eighth payment never fits where seven do.
	amount, reserve payment.Sat
}

// receiver is where one payment goes: the mutation's input but for the wallet, and what has arrived, by the receiver's word.
type receiver struct {
	input map[string]any
	got   func(txid string) payment.Msat
}

func errands() []errand {
	return []errand{
		{door: payment.DoorIntraLedger, input: "IntraLedgerPaymentSendInput", to: toWallet},
		{door: payment.DoorInvoice, input: "LnInvoicePaymentInput", to: toInvoice},
		{door: payment.DoorNoAmountInvoice, input: "LnNoAmountInvoicePaymentInput", to: toOpenInvoice},
		{door: payment.DoorOnchain, input: "OnChainPaymentSendInput", chain: true, to: toAddress},
		{door: payment.DoorOnchainAll, input: "OnChainPaymentSendAllInput", chain: true, all: true, to: toAddressWithAll},
	}
}

func toWallet(c *customer, amount payment.Sat) receiver {
	friend, err := c.books.OpenWallet(c.t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: uuid.New(), Name: "friend", Currency: payment.BTC})
	must(c.t, err)
	return receiver{map[string]any{"recipientWalletId": friend.ID.String(), "amount": amount}, func(string) payment.Msat {
		w, err := c.books.Wallet(c.t.Context(), friend.ID)
		must(c.t, err)
		return w.Balance
	}}
}

func toInvoice(c *customer, amount payment.Sat) receiver {
	invoice := c.invoice(bob, amount)
	return receiver{map[string]any{"paymentRequest": invoice}, func(string) payment.Msat { return c.received(bob, invoice) }}
}

func toOpenInvoice(c *customer, amount payment.Sat) receiver {
	r := toInvoice(c, 0)
	r.input["amount"] = amount
	return r
}

func toAddress(c *customer, amount payment.Sat) receiver {
	r := toAddressWithAll(c, amount)
	r.input["amount"] = amount
	return r
}

func toAddressWithAll(c *customer, _ payment.Sat) receiver {
	address := c.address(bob)
	return receiver{map[string]any{"address": address}, func(txid string) payment.Msat {
		if txid == "" {
			return 0
		}
		return c.outside(bob, txid, address).MustMsat()
	}}
}

// sized chooses the amounts. With reserves below a fourteenth of the amount, 7·(amount+reserve) is below 8·amount: so a budget
// between the two lets seven pass and never an eighth, whatever comes back of the reserves meanwhile.
func (e errand) sized(c *customer) errand {
	switch {
	case e.chain:
		estimate := c.minerFee()
		e.amount, e.reserve = max(20_000, 16*estimate), 2*estimate
	default:
		e.amount, e.reserve = 5_000, 25 // half a percent
	}
	if e.all {
		e.reserve = 0 // the fee comes out of the amount
	}
	return e
}

// minerFee is what the API expects an on-chain payment to cost now.
func (c *customer) minerFee() payment.Sat {
	c.t.Helper()
	var fee struct{ OnChainTxFee struct{ Amount payment.Sat } }
	c.owner().must(`query($w: WalletId!, $a: OnChainAddress!) { onChainTxFee(walletId: $w, address: $a, amount: 100000) { amount } }`,
		map[string]any{"w": c.wallet.String(), "a": c.address(bob)}, &fee)
	return fee.OnChainTxFee.Amount
}

// fee is what a payment must have cost beside its amount, by the word of who took it.
func (e errand) fee(c *customer, row ledger.Payment) payment.Msat {
	c.t.Helper()
	switch {
	case e.chain:
		tx, err := c.nodes[bank].LookupTransaction(c.t.Context(), row.TxID)
		must(c.t, err)
		return tx.Fee.MustMsat()
	case e.door == payment.DoorIntraLedger:
		return 0
	default:
		return aliceFee(row.Amount)
	}
}

// TestAPIMatrix: issue 3 names the situations.
func TestAPIMatrix(t *testing.T) {
	t.Parallel()
	thief := signUp(t, 1_000)
	for _, e := range errands() {
		t.Run(string(e.door), func(t *testing.T) {
			t.Parallel()
			c := signUp(t, 1_000)
			if e.chain {
				c.aloneOnChain()
			}
			e := e.sized(c)
			for _, situation := range []struct {
				name string
				try  func(c *customer, e errand)
			}{
				{"within budget", withinBudget},
				{"over each window", overEachWindow},
				{"without budget", withoutBudget},
				{"READ key", readKey},
				{"another owner's wallet", func(c *customer, e errand) { othersWallet(c, thief.in(c.t), e) }},
				{"replayed", replayed},
				{"replayed refusal", replayedRefusal},
				{"20 at once", exactlySevenPass},
			} {
				// One after the other: those that wait for blocks hold the chain, and must not wait for a slot as well.
				t.Run(situation.name, func(t *testing.T) { situation.try(c.in(t), e) })
			}
		})
	}
}

// TestAPIMatrixIsWhole: a payment mutation that the API serves and the matrix does not know fails here.
func TestAPIMatrixIsWhole(t *testing.T) {
	t.Parallel()
	known := map[string]string{}
	for _, e := range errands() {
		known[string(e.door)] = e.input
	}
	for _, w := range waiting() {
		known[string(w.door)] = w.input
	}
	type named struct {
		Name   string
		OfType *struct{ Name string }
	}
	var schema struct {
		Schema struct {
			MutationType struct {
				Fields []struct {
					Name string
					Type named
					Args []struct{ Type named }
				}
			}
		} `json:"__schema"`
	}
	c := &customer{guest: &guest{house: open(t), t: t}}
	c.as("").must(`{ __schema { mutationType { fields { name type { name ofType { name } } args { type { name ofType { name } } } } } } }`, nil, &schema)
	served := map[string]string{}
	for _, field := range schema.Schema.MutationType.Fields {
		if of := field.Type.OfType; of != nil && of.Name == "PaymentSendPayload" || field.Type.Name == "PaymentSendPayload" {
			served[field.Name] = field.Args[0].Type.OfType.Name
		}
	}
	if len(served) == 0 || !maps.Equal(served, known) {
		t.Errorf("the API serves\n%s\nthe matrix knows\n%s", listed(served), listed(known))
	}
}

func listed(inputs map[string]string) string {
	lines := []string{}
	for door, input := range inputs {
		lines = append(lines, door+"("+input+")")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

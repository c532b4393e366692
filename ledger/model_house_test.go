package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// What belongs to the wallets of ledgerMachine: keys, invoices of ours, addresses; and the transactions of its payments.

// plainKey counts what a key has spent. No run lasts a day, so nothing rolls off.
type plainKey struct {
	id              payment.KeyID
	spent, reserved payment.Sat
	revoked         bool
}

// plainKeyLimit is the limit of each key, in every window that has one.
const plainKeyLimit = payment.Sat(200)

type plainInvoice struct {
	ledger.Invoice
	state    ledger.InvoiceState
	received payment.Msat
	credited bool // by the node
}

// furnish gives a new wallet its key and its address.
func (m *ledgerMachine) furnish(w ledger.Wallet) {
	key := ledgertest.NewKey(m.t, m.l, w.AccountID, map[payment.Window]payment.Sat{payment.Weekly: plainKeyLimit})
	m.keys[w.ID] = &plainKey{id: key.ID}
	must[any](m.t)(nil, m.l.AddAddress(m.t.Context(), ledger.Address{Address: "bcrt1" + w.ID.String(), WalletID: w.ID, AccountID: w.AccountID, Node: "bank"}))
}

// drawKey is mostly none or the wallet's own, now and then that of a stranger.
func (m *ledgerMachine) drawKey(t *rapid.T, of ledger.Wallet) payment.KeyID {
	switch n := rapid.IntRange(0, 9).Draw(t, "key"); {
	case n < 2:
		return m.keys[of.ID].id
	case n < 9:
		return uuid.Nil
	default:
		return m.keys[m.pick(t, "owner of the key").ID].id
	}
}

// key is the model of a payment's key, nil for none.
func (m *ledgerMachine) key(id payment.KeyID) *plainKey {
	for _, k := range m.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

func (m *ledgerMachine) keyRefusal(req payment.Request) payment.Reason {
	switch key := m.key(req.KeyID); {
	case key == nil:
		return ""
	case key != m.keys[req.WalletID]:
		return payment.ReasonKeyNotFound
	case key.revoked:
		return payment.ReasonKeyInactive
	}
	return ""
}

func (m *ledgerMachine) overLimit(req payment.Request, amount payment.Msat) bool {
	key := m.key(req.KeyID)
	return key != nil && key.spent+(amount+req.FeeReserve).Ceil() > plainKeyLimit
}

// charge counts what a payment may cost; giveBack leaves what it has cost.
func (m *ledgerMachine) charge(p *plainPayment) {
	if key := m.key(p.req.KeyID); key != nil {
		key.spent += p.held().Ceil()
		key.reserved += p.held().Ceil()
	}
}

func (m *ledgerMachine) giveBack(p *plainPayment, cost payment.Sat) {
	if key := m.key(p.req.KeyID); key != nil {
		key.spent -= p.held().Ceil() - cost
		key.reserved -= p.held().Ceil()
	}
}

func (m *ledgerMachine) revoke(t *rapid.T) {
	w := m.pick(t, "wallet")
	if rapid.IntRange(0, 7).Draw(t, "seldom") < 7 {
		t.Skip("most keys stay")
	}
	must[any](m.t)(nil, m.l.RevokeKey(m.t.Context(), w.AccountID, m.keys[w.ID].id))
	m.keys[w.ID].revoked = true
}

func (m *ledgerMachine) checkKey(t *rapid.T, key *plainKey) {
	got, err := m.l.Spending(m.t.Context(), key.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range got.Windows {
		if w.Spent != key.spent || got.Reserved != key.reserved {
			t.Fatalf("%s: spent %v, %v in flight; want %v, %v", w.Window, w.Spent, got.Reserved, key.spent, key.reserved)
		}
	}
}

// invoice is the model of one of ours, nil for any other hash.
func (m *ledgerMachine) invoice(hash payment.Hash) *plainInvoice {
	at := slices.IndexFunc(m.invoices, func(inv *plainInvoice) bool { return inv.Hash == hash })
	if at < 0 {
		return nil
	}
	return m.invoices[at]
}

func (m *ledgerMachine) someInvoice(t *rapid.T) *plainInvoice {
	if len(m.invoices) == 0 {
		t.Skip("no invoices")
	}
	return rapid.SampledFrom(m.invoices).Draw(t, "invoice")
}

// drawInvoice has a payment inside the ledger pay an invoice of ours, mostly to the wallet that it credits.
func (m *ledgerMachine) drawInvoice(t *rapid.T, req *payment.Request) {
	if len(m.invoices) == 0 || !rapid.Bool().Draw(t, "own invoice") {
		return
	}
	inv := m.someInvoice(t)
	req.PaymentHash = inv.Hash
	if rapid.IntRange(0, 5).Draw(t, "to its wallet") < 5 {
		req.RecipientID = inv.WalletID
	}
}

func (m *ledgerMachine) invoiceRefusal(req payment.Request, amount payment.Msat) payment.Reason {
	inv := m.invoice(req.PaymentHash)
	switch {
	case inv == nil:
		return ""
	case inv.state == ledger.InvoicePaid:
		return payment.ReasonAlreadyPaid
	case inv.state == ledger.InvoiceCanceled:
		return payment.ReasonInvoiceCanceled
	case inv.WalletID != req.RecipientID:
		return payment.ReasonInvalidInput
	case inv.Amount > amount && !req.SendAll:
		return payment.ReasonInvalidAmount
	}
	return ""
}

// paidByOthers tells that the invoice of a payment in flight was paid over lightning meanwhile.
func (m *ledgerMachine) paidByOthers(p *plainPayment) bool {
	inv := m.invoice(p.req.PaymentHash)
	return inv != nil && p.state != payment.Settled && inv.state == ledger.InvoicePaid
}

func (m *ledgerMachine) addInvoice(t *rapid.T) {
	w := m.pick(t, "wallet")
	inv := ledger.Invoice{Hash: ledgertest.RandomHash(), WalletID: w.ID, AccountID: w.AccountID, Node: "bank", ExpiresAt: time.Now().Add(time.Hour)}
	inv.Amount = payment.Msat(rapid.SampledFrom([]int64{0, 5_000, 20_000}).Draw(t, "asks for"))
	must[any](m.t)(nil, m.l.AddInvoice(m.t.Context(), inv))
	m.invoices = append(m.invoices, &plainInvoice{Invoice: inv, state: ledger.InvoiceOpen})
}

// invoicePaid is lightning paying an invoice of ours, also one that was canceled or paid inside: what arrives is credited.
func (m *ledgerMachine) invoicePaid(t *rapid.T) {
	inv, amount := m.someInvoice(t), payment.Msat(rapid.Int64Range(1, 50_000).Draw(t, "msat"))
	credited, err := m.l.CreditInvoice(m.t.Context(), "bank", inv.Hash, amount, 1)
	if err != nil || credited == inv.credited {
		t.Fatalf("credited %v (before: %v), %v", credited, inv.credited, err)
	}
	if credited {
		inv.credited, inv.state = true, ledger.InvoicePaid
		inv.received += amount
		m.received(inv.WalletID, amount)
	}
}

// received is money from outside, in the model.
func (m *ledgerMachine) received(w payment.WalletID, amount payment.Msat) {
	m.plain[w].balance += amount
	m.receipts[w] = append(m.receipts[w], amount)
	m.node += amount
}

func (m *ledgerMachine) cancelInvoice(t *rapid.T) {
	inv := m.someInvoice(t)
	err := m.l.CancelInvoice(m.t.Context(), inv.Hash)
	switch {
	case inv.state == ledger.InvoicePaid:
		wantReason(m.t, err, payment.ReasonAlreadyPaid)
		return
	case inv.state == ledger.InvoiceOpen && m.beingPaid(inv.Hash):
		wantReason(m.t, err, payment.ReasonConflict)
		return
	}
	must[any](m.t)(nil, err)
	inv.state = ledger.InvoiceCanceled
}

// beingPaid reports whether a wallet of ours has a payment of the invoice that is not over.
func (m *ledgerMachine) beingPaid(hash payment.Hash) bool {
	for _, p := range m.payments {
		if p.req.PaymentHash == hash && !p.state.Terminal() {
			return true
		}
	}
	return false
}

func (m *ledgerMachine) checkInvoices(t *rapid.T) {
	for _, want := range m.invoices {
		got, err := m.l.Invoice(m.t.Context(), want.Hash)
		if err != nil || got.State != want.state || got.Received != want.received {
			t.Fatalf("invoice is %s with %v (%v), want %s with %v", got.State, got.Received, err, want.state, want.received)
		}
	}
}

// deposit is an output to a wallet's address: perhaps seen, then credited once.
func (m *ledgerMachine) deposit(t *rapid.T) {
	w := m.pick(t, "wallet")
	d := ledger.Deposit{
		TxID: uuid.NewString(), Vout: rapid.Uint32Range(0, 2).Draw(t, "vout"), Address: "bcrt1" + w.ID.String(),
		Amount: payment.Sat(rapid.Int64Range(1, 50).Draw(t, "sat")),
	}
	if rapid.Bool().Draw(t, "seen before") {
		must[any](m.t)(nil, m.l.SeeDeposit(m.t.Context(), "bank", d))
		if pending := must[[]ledger.Transaction](m.t)(m.l.PendingReceives(m.t.Context(), w.AccountID, nil, "")); len(pending) != 1 || pending[0].Amount != d.Amount.MustMsat() {
			t.Fatalf("pending %+v, want %v", pending, d.Amount)
		}
		m.check(t) // nothing is credited
	}
	d.BlockHeight = 7
	for first := range 2 {
		credited, err := m.l.CreditDeposit(m.t.Context(), "bank", d)
		if err != nil || credited != (first == 0) {
			t.Fatalf("credit %d: %v, %v", first, credited, err)
		}
	}
	m.received(w.ID, d.Amount.MustMsat())
}

// sign stores a transaction of an on-chain payment: a new one, or the same again.
func (m *ledgerMachine) sign(t *rapid.T) {
	var chain []*plainPayment
	for _, id := range slices.SortedFunc(maps.Keys(m.payments), func(a, b payment.ID) int { return slices.Compare(a[:], b[:]) }) {
		if p := m.payments[id]; p.req.Kind == payment.Onchain && p.state != payment.Refused {
			chain = append(chain, p)
		}
	}
	if len(chain) == 0 {
		t.Skip("nothing on-chain")
	}
	p := rapid.SampledFrom(chain).Draw(t, "payment")
	fee := payment.Msat(rapid.SampledFrom([]int64{0, 1_200, 3_500}).Draw(t, "miner fee")) // few, so that one comes again
	tx := ledger.Signed{TxID: fmt.Sprint("fee ", fee), Raw: []byte{1}, Amount: p.amount, Fee: fee, SatPerVByte: 1}
	if p.req.SendAll {
		tx.Fee = min(tx.Fee, p.held()-1)
		tx.Amount = p.held() - tx.Fee
	}
	wrong := rapid.IntRange(0, 5).Draw(t, "wrong amount") == 5
	if wrong {
		tx.Amount = p.held() + 1
	}
	err := m.l.RecordSigned(m.t.Context(), p.req.ID, tx)
	switch {
	case p.txid == tx.TxID: // the same again: whatever else it says, nothing changes
		must[any](m.t)(nil, err)
	case wrong || p.state != payment.Reserved:
		wantReason(m.t, err, payment.ReasonInternal)
	default:
		must[any](m.t)(nil, err)
		p.txid, p.signedFee = tx.TxID, tx.Fee
		p.amount, p.feeReserve = tx.Amount, p.held()-tx.Amount
	}
	got := must[ledger.Payment](m.t)(m.l.Payment(m.t.Context(), p.req.ID))
	if got.TxID != p.txid || got.SignedFee != p.signedFee || got.Amount != p.amount || got.FeeReserve != p.feeReserve {
		t.Fatalf("signed %s: %v for %v of %v reserved; want %s: %v for %v of %v",
			got.TxID, got.Amount, got.SignedFee, got.FeeReserve, p.txid, p.amount, p.signedFee, p.feeReserve)
	}
}

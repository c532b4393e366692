package ledger_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// plainWallet and plainPayment are what the ledger should say, kept in maps.
type plainWallet struct{ balance, held payment.Msat }

type plainPayment struct {
	req        payment.Request
	state      payment.State
	attempt    int
	amount     payment.Msat
	feeReserve payment.Msat
	fee        payment.Msat // what the wallet paid beside the amount, once settled
	txid       string       // on-chain, once signed
	signedFee  payment.Msat
}

func (p *plainPayment) held() payment.Msat { return p.amount + p.feeReserve }

// ledgerMachine drives the ledger and the plain model side by side. Each wallet has a key, an address and a few invoices;
// the windows of a budget, where time matters, have a model of their own.
type ledgerMachine struct {
	t        *testing.T
	l        *ledger.Ledger
	ids      []payment.WalletID
	wallets  map[payment.WalletID]ledger.Wallet
	plain    map[payment.WalletID]*plainWallet
	keys     map[payment.WalletID]*plainKey
	payments map[payment.ID]*plainPayment
	receipts map[payment.WalletID][]payment.Msat // credited from outside, oldest first
	node     payment.Msat                        // balance of the node "bank"
	hashes   []payment.Hash
	invoices []*plainInvoice
	steps    int
}

func newLedgerMachine(t *testing.T, l *ledger.Ledger) *ledgerMachine {
	m := &ledgerMachine{
		t: t, l: l, wallets: map[payment.WalletID]ledger.Wallet{}, plain: map[payment.WalletID]*plainWallet{}, payments: map[payment.ID]*plainPayment{},
		receipts: map[payment.WalletID][]payment.Msat{}, keys: map[payment.WalletID]*plainKey{},
	}
	m.node = must[payment.Msat](t)(l.NodeBalance(t.Context(), "bank"))
	for range 3 {
		w := ledgertest.Funded(t, l, 0)
		m.ids = append(m.ids, w.ID)
		m.wallets[w.ID], m.plain[w.ID] = w, &plainWallet{}
		m.furnish(w)
	}
	for range 4 {
		m.hashes = append(m.hashes, ledgertest.RandomHash())
	}
	return m
}

func (m *ledgerMachine) pick(t *rapid.T, name string) ledger.Wallet {
	return m.wallets[rapid.SampledFrom(m.ids).Draw(t, name)]
}

func (m *ledgerMachine) some(t *rapid.T) *plainPayment {
	if len(m.payments) == 0 {
		t.Skip("no payments")
	}
	ids := slices.SortedFunc(maps.Keys(m.payments), func(a, b payment.ID) int { return slices.Compare(a[:], b[:]) })
	live := slices.DeleteFunc(slices.Clone(ids), func(id payment.ID) bool { return m.payments[id].state.Terminal() })
	if len(live) > 0 && rapid.IntRange(0, 3).Draw(t, "any") < 3 { // most has ended, and little can happen to it
		ids = live
	}
	return m.payments[rapid.SampledFrom(ids).Draw(t, "payment")]
}

func (m *ledgerMachine) receive(t *rapid.T) {
	m.fund(t, m.pick(t, "wallet"), payment.Msat(rapid.Int64Range(1, 50_000).Draw(t, "msat")))
}

func (m *ledgerMachine) fund(t *rapid.T, w ledger.Wallet, amount payment.Msat) {
	hash := ledgertest.RandomHash()
	if err := m.l.AddInvoice(m.t.Context(), ledger.Invoice{Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: "bank"}); err != nil {
		t.Fatal(err)
	}
	for first := range 2 {
		credited, err := m.l.CreditInvoice(m.t.Context(), "bank", hash, amount, 1)
		if err != nil || credited != (first == 0) {
			t.Fatalf("credit %d: %v, %v", first, credited, err)
		}
	}
	m.received(w.ID, amount)
}

// refusal is what the model refuses a new payment for, "" for nothing.
func (m *ledgerMachine) refusal(req payment.Request, amount payment.Msat) payment.Reason {
	if req.Kind == payment.Intraledger && req.RecipientID == req.WalletID {
		return payment.ReasonSelfPayment
	}
	if reason := m.keyRefusal(req); reason != "" {
		return reason
	}
	for _, p := range m.payments {
		if req.PaymentHash.IsZero() || p.req.PaymentHash != req.PaymentHash || p.state == payment.Refused || p.state == payment.Failed {
			continue
		}
		if p.state == payment.Settled {
			return payment.ReasonAlreadyPaid
		}
		return payment.ReasonPaymentInFlight
	}
	if reason := m.invoiceRefusal(req, amount); reason != "" {
		return reason
	}
	if amount <= 0 {
		return payment.ReasonInsufficientBalance
	}
	if m.overLimit(req, amount) {
		return payment.ReasonBudgetExceeded
	}
	if w := m.plain[req.WalletID]; amount+req.FeeReserve > w.balance-w.held {
		return payment.ReasonInsufficientBalance
	}
	return ""
}

func (m *ledgerMachine) reserve(t *rapid.T)  { m.begin(t, m.l.Reserve, payment.Reserved) }
func (m *ledgerMachine) transfer(t *rapid.T) { m.begin(t, m.l.Transfer, payment.Settled) }

// request draws a payment of any kind; inside: one that can be transferred at once.
func (m *ledgerMachine) request(t *rapid.T, inside bool) (req payment.Request) {
	from := m.pick(t, "from")
	to := m.wallets[m.ids[(slices.Index(m.ids, from.ID)+rapid.SampledFrom([]int{1, 2, 0}).Draw(t, "to"))%len(m.ids)]]
	amount, fee := payment.Msat(rapid.Int64Range(1, 60_000).Draw(t, "msat")), payment.Msat(rapid.Int64Range(0, 3_000).Draw(t, "fee"))
	kind := payment.Intraledger
	if !inside {
		kind = rapid.SampledFrom([]payment.Kind{payment.Onchain, payment.Lightning, payment.Intraledger}).Draw(t, "kind")
	}
	key := m.drawKey(t, from)
	switch kind {
	case payment.Lightning:
		req = lightning(from, key, amount, fee)
		if rapid.IntRange(0, 2).Draw(t, "known hash") == 2 {
			req.PaymentHash = rapid.SampledFrom(m.hashes).Draw(t, "hash")
		}
	case payment.Onchain:
		req = onchain(from, key, amount.Ceil().MustMsat(), fee) // the chain knows whole sat
	default:
		req = intraledger(from, to, key, amount)
		m.drawInvoice(t, &req)
	}
	if rapid.IntRange(0, 5).Draw(t, "all") == 5 {
		req.SendAll, req.Amount = true, 0
	}
	return req
}

func (m *ledgerMachine) begin(t *rapid.T, call func(ctx context.Context, r payment.Request) (ledger.Payment, error), state payment.State) {
	req := m.request(t, state == payment.Settled)
	amount := req.Amount
	if req.SendAll {
		w := m.plain[req.WalletID]
		amount = max((w.balance-w.held-req.FeeReserve)/1000*1000, 0)
	}
	want := m.refusal(req, amount)
	p, err := call(m.t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	plain := &plainPayment{req: req, state: p.State, amount: amount, feeReserve: req.FeeReserve}
	m.payments[req.ID] = plain
	if want != "" {
		if p.State != payment.Refused || p.Failure.Reason != want {
			t.Fatalf("%s %+v, want refusal %s", p.State, p.Failure, want)
		}
		return
	}
	if p.State != state || p.Amount != amount {
		t.Fatalf("%s of %v %+v, want %s of %v", p.State, p.Amount, p.Failure, state, amount)
	}
	m.plain[req.WalletID].held += plain.held()
	m.charge(plain)
	if state == payment.Settled {
		m.paid(plain, 0)
	}
}

func (m *ledgerMachine) send(t *rapid.T) {
	p := m.some(t)
	seen := p.attempt + rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "seen")
	got, err := m.l.BeginSend(m.t.Context(), p.req.ID, ledger.Fence{Seen: seen, CallTimeout: time.Second})
	granted := !p.state.Terminal() && seen == p.attempt
	if granted && p.req.Kind == payment.Onchain && p.txid == "" {
		wantReason(m.t, err, payment.ReasonInternal) // nothing is signed yet
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if granted {
		p.attempt++
		if p.state == payment.Reserved {
			p.state = payment.Dispatched
		}
	}
	m.same(t, p, got)
}

func (m *ledgerMachine) pending(t *rapid.T) {
	p := m.some(t)
	err := m.l.RecordPending(m.t.Context(), p.req.ID, rapid.Uint32Range(0, 3).Draw(t, "expiry"))
	switch {
	case p.state == payment.Reserved:
		wantReason(m.t, err, payment.ReasonInternal) // it has not left
	case err != nil:
		t.Fatal(err)
	case p.state == payment.Dispatched:
		p.state = payment.Pending
	}
}

func (m *ledgerMachine) settle(t *rapid.T) {
	p := m.some(t)
	fee := payment.Msat(0)
	switch p.req.Kind {
	case payment.Lightning:
		fee = payment.Msat(rapid.Int64Range(0, 4_000).Draw(t, "actual_fee"))
	case payment.Onchain:
		fee = p.signedFee
	case payment.Intraledger: // free
	}
	got, err := m.l.Settle(m.t.Context(), p.req.ID, fee)
	allowed := p.state == payment.Dispatched || p.state == payment.Pending || (p.state == payment.Reserved && p.req.Kind == payment.Intraledger)
	allowed = allowed && !m.paidByOthers(p)
	if !allowed && p.state != payment.Settled {
		wantReason(m.t, err, payment.ReasonInternal)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if allowed {
		m.paid(p, fee)
	}
	m.same(t, p, got)
}

// paid settles a payment in the model.
func (m *ledgerMachine) paid(p *plainPayment, fee payment.Msat) {
	p.state = payment.Settled
	w := m.plain[p.req.WalletID]
	w.held -= p.held()
	p.fee = min(fee, p.feeReserve)
	w.balance -= p.amount + p.fee
	m.giveBack(p, (p.amount + p.fee).Ceil())
	if p.req.Kind != payment.Intraledger {
		m.node -= p.amount + fee
		return
	}
	m.plain[p.req.RecipientID].balance += p.amount
	if inv := m.invoice(p.req.PaymentHash); inv != nil {
		inv.state = ledger.InvoicePaid
		inv.received = p.amount
	}
}

func (m *ledgerMachine) void(t *rapid.T) {
	p := m.some(t)
	attempt := p.attempt + rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "about")
	got, err := m.l.Void(m.t.Context(), p.req, payment.Failure{Reason: payment.ReasonNoRoute, Message: "No."}, attempt)
	if p.state == payment.Settled {
		wantReason(m.t, err, payment.ReasonInternal)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !p.state.Terminal() && attempt == p.attempt {
		p.state = payment.Failed
		m.plain[p.req.WalletID].held -= p.held()
		m.giveBack(p, 0)
	}
	m.same(t, p, got)
}

// again repeats the first step of a payment: local activities run twice.
func (m *ledgerMachine) again(t *rapid.T) {
	p := m.some(t)
	got, err := m.l.Reserve(m.t.Context(), p.req)
	if err != nil {
		t.Fatal(err)
	}
	m.same(t, p, got)
}

func (m *ledgerMachine) same(t *rapid.T, want *plainPayment, got ledger.Payment) {
	if got.State != want.state || got.Send.Attempt != want.attempt {
		t.Fatalf("payment is %s at attempt %d, want %s at %d", got.State, got.Send.Attempt, want.state, want.attempt)
	}
}

func (m *ledgerMachine) snapshot(t *rapid.T) {
	if err := m.l.SnapshotSystemAccounts(m.t.Context()); err != nil {
		t.Fatal(err)
	}
}

// checkSome compares all, but after some steps only: a comparison costs more than a step.
func (m *ledgerMachine) checkSome(t *rapid.T) {
	if m.steps++; m.steps%4 == 0 {
		m.check(t)
	}
}

func (m *ledgerMachine) check(t *rapid.T) {
	for id, want := range m.plain {
		got, err := m.l.Wallet(m.t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.Balance != want.balance || got.Held != want.held || got.Available() < 0 {
			t.Fatalf("wallet has %v, %v held; want %v, %v", got.Balance, got.Held, want.balance, want.held)
		}
		m.checkHistory(t, m.wallets[id])
		m.checkKey(t, m.keys[id])
	}
	m.checkInvoices(t)
	if got, err := m.l.NodeBalance(m.t.Context(), "bank"); err != nil || got != m.node {
		t.Fatalf("node holds %v (%v), want %v", got, err, m.node)
	}
}

// TestLedgerEqualsPlainModel runs every operation in any order against balances kept in a map.
func TestLedgerEqualsPlainModel(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := newLedgerMachine(t, l)
		for _, id := range m.ids {
			m.fund(rt, m.wallets[id], 250_000)
		}
		actions := map[string]func(*rapid.T){ // in the order of their names: rapid prefers the first, of everything that it draws
			"":           m.checkSome,
			"1 settle":   m.settle,
			"2 send":     m.send,
			"3 reserve":  m.reserve,
			"4 sign":     m.sign,
			"5 transfer": m.transfer,
			"6 invoice":  m.addInvoice, "7 invoice paid": m.invoicePaid, "8 cancel": m.cancelInvoice,
			"9 void": m.void, "deposit": m.deposit, "pending": m.pending, "again": m.again, "receive": m.receive, "revoke": m.revoke, "snapshot": m.snapshot,
		}
		rt.Repeat(actions)
		rt.Repeat(actions) // one is about thirty steps: few for payments that take four
		m.check(rt)
	})
	ledgertest.Balanced(t, l)
}

package ledger_test

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// plainWallet and plainPayment are what the ledger should say, kept in maps.
type plainWallet struct{ balance, held payment.Msat }

type plainPayment struct {
	req     payment.Request
	state   payment.State
	attempt int
	amount  payment.Msat
	fee     payment.Msat // what the wallet paid beside the amount, once settled
}

// ledgerMachine drives the ledger and the plain model side by side: payments without keys, so that the budget, which has
// its own model, does not refuse.
type ledgerMachine struct {
	t        *testing.T
	l        *ledger.Ledger
	ids      []payment.WalletID
	wallets  map[payment.WalletID]ledger.Wallet
	plain    map[payment.WalletID]*plainWallet
	payments map[payment.ID]*plainPayment
	receipts map[payment.WalletID][]payment.Msat // credited from outside, oldest first
	node     payment.Msat                        // balance of the node "bank"
	hashes   []payment.Hash
}

func newLedgerMachine(t *testing.T, l *ledger.Ledger) *ledgerMachine {
	m := &ledgerMachine{
		t: t, l: l, wallets: map[payment.WalletID]ledger.Wallet{}, plain: map[payment.WalletID]*plainWallet{}, payments: map[payment.ID]*plainPayment{},
		receipts: map[payment.WalletID][]payment.Msat{},
	}
	m.node = must[payment.Msat](t)(l.NodeBalance(t.Context(), "bank"))
	for range 3 {
		w := ledgertest.Funded(t, l, 0)
		m.ids = append(m.ids, w.ID)
		m.wallets[w.ID], m.plain[w.ID] = w, &plainWallet{}
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
	return m.payments[rapid.SampledFrom(ids).Draw(t, "payment")]
}

func (m *ledgerMachine) receive(t *rapid.T) {
	w, amount := m.pick(t, "wallet"), payment.Msat(rapid.Int64Range(1, 50_000).Draw(t, "msat"))
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
	m.plain[w.ID].balance += amount
	m.receipts[w.ID] = append(m.receipts[w.ID], amount)
	m.node += amount
}

// refusal is what the model refuses a new payment for, "" for nothing.
func (m *ledgerMachine) refusal(req payment.Request, amount payment.Msat) payment.Reason {
	w := m.plain[req.WalletID]
	if req.Kind == payment.Intraledger && req.RecipientID == req.WalletID {
		return payment.ReasonSelfPayment
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
	if amount <= 0 || amount+req.FeeReserve > w.balance-w.held {
		return payment.ReasonInsufficientBalance
	}
	return ""
}

func (m *ledgerMachine) reserve(t *rapid.T)  { m.begin(t, m.l.Reserve, payment.Reserved) }
func (m *ledgerMachine) transfer(t *rapid.T) { m.begin(t, m.l.Transfer, payment.Settled) }

func (m *ledgerMachine) begin(t *rapid.T, call func(ctx context.Context, r payment.Request) (ledger.Payment, error), state payment.State) {
	from, to := m.pick(t, "from"), m.pick(t, "to")
	amount, fee := payment.Msat(rapid.Int64Range(1, 60_000).Draw(t, "msat")), payment.Msat(rapid.Int64Range(0, 3_000).Draw(t, "fee"))
	var req payment.Request
	if state == payment.Settled || rapid.Bool().Draw(t, "inside") {
		req = intraledger(from, to, uuid.Nil, amount)
	} else {
		req = lightning(from, uuid.Nil, amount, fee)
		req.PaymentHash = rapid.SampledFrom(m.hashes).Draw(t, "hash")
	}
	if rapid.IntRange(0, 5).Draw(t, "all") == 0 {
		req.SendAll, req.Amount = true, 0
		w := m.plain[from.ID]
		amount = max((w.balance-w.held-req.FeeReserve)/1000*1000, 0)
	}
	want := m.refusal(req, amount)
	p, err := call(m.t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	plain := &plainPayment{req: req, state: p.State, amount: amount}
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
	if state == payment.Settled {
		m.plain[from.ID].balance -= amount
		m.plain[to.ID].balance += amount
		return
	}
	m.plain[from.ID].held += amount + req.FeeReserve
}

func (m *ledgerMachine) send(t *rapid.T) {
	p := m.some(t)
	seen := p.attempt + rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "seen")
	got, err := m.l.BeginSend(m.t.Context(), p.req.ID, ledger.Fence{Seen: seen, CallTimeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if !p.state.Terminal() && seen == p.attempt {
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
	if p.req.Kind != payment.Intraledger {
		fee = payment.Msat(rapid.Int64Range(0, 4_000).Draw(t, "actual_fee"))
	}
	got, err := m.l.Settle(m.t.Context(), p.req.ID, fee)
	allowed := p.state == payment.Dispatched || p.state == payment.Pending || (p.state == payment.Reserved && p.req.Kind == payment.Intraledger)
	if !allowed && p.state != payment.Settled {
		wantReason(m.t, err, payment.ReasonInternal)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if allowed {
		p.state = payment.Settled
		w := m.plain[p.req.WalletID]
		w.held -= p.amount + p.req.FeeReserve
		p.fee = min(fee, p.req.FeeReserve)
		w.balance -= p.amount + p.fee
		if p.req.Kind == payment.Intraledger {
			m.plain[p.req.RecipientID].balance += p.amount
		} else {
			m.node -= p.amount + fee
		}
	}
	m.same(t, p, got)
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
		m.plain[p.req.WalletID].held -= p.amount + p.req.FeeReserve
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
	}
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
		rt.Repeat(map[string]func(*rapid.T){
			"":        m.check,
			"receive": m.receive, "reserve": m.reserve, "reserve more": m.reserve, "transfer": m.transfer, "again": m.again,
			"send": m.send, "pending": m.pending, "settle": m.settle, "void": m.void, "snapshot": m.snapshot,
		})
	})
	ledgertest.Balanced(t, l)
}

package payment

import "slices"

//go:generate go run ./statediagram ../ARCHITECTURE.md

// State is where a payment stands.
type State string

// The states of a payment. Only Settled, Failed and Refused are final.
const (
	// Refused: validation, balance or budget said no. Nothing moved.
	Refused State = "refused"
	// Reserved: the wallet's funds and the key's budget are held; nothing has left.
	Reserved State = "reserved"
	// Dispatched: written before anything leaves. From here only a terminal answer of LND or of the chain moves on.
	Dispatched State = "dispatched"
	// Pending: known to be in flight, or unknown.
	Pending State = "pending"
	// Settled: paid; funds and budget are charged at the actual cost.
	Settled State = "settled"
	// Failed: compensated; the hold is void and the budget given back.
	Failed State = "failed"
)

// Move is one allowed change of state and what causes it.
type Move struct {
	From  State // empty: the payment does not exist yet
	To    State
	Cause string
}

// Moves is the whole table of allowed changes. The database enforces the same table.
func Moves() []Move {
	return []Move{
		{"", Refused, "validation, balance or budget says no"},
		{"", Reserved, "funds and budget are held"},
		{Reserved, Dispatched, "written before anything leaves"},
		{Reserved, Settled, "inside the ledger"},
		{Reserved, Failed, "nothing was ever sent"},
		{Dispatched, Pending, "in flight, or unknown"},
		{Dispatched, Settled, "terminal success"},
		{Dispatched, Failed, "terminal failure"},
		{Pending, Settled, "terminal success"},
		{Pending, Failed, "terminal failure"},
	}
}

// States lists every state in the order of a payment's life.
func States() []State {
	return []State{Refused, Reserved, Dispatched, Pending, Settled, Failed}
}

// Terminal reports whether the payment can never change again.
func (s State) Terminal() bool { return s == Settled || s == Failed || s == Refused }

// CanMove reports whether the table allows the change.
func CanMove(from, to State) bool {
	return slices.ContainsFunc(Moves(), func(m Move) bool { return m.From == from && m.To == to })
}

package ledger

import (
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// Payment is the record of one payment: the request, and what has become of it.
type Payment struct {
	payment.Request // Amount and FeeReserve are what was held (a send-all has its amount filled in)

	Body       [32]byte // Request.Fingerprint as it was asked
	State      payment.State
	Failure    *payment.Failure // set when refused or failed
	Fee        payment.Msat     // actual fee, once settled
	FeeOverage payment.Msat     // the part of Fee above the reserve: paid by the operator, not by the wallet
	SignedFee  payment.Msat     // on-chain: miner fee of the transaction TxID
	Preimage   []byte           // 32 bytes, once LND has told it
	TxID       string           // of the latest signed transaction that pays, or the one that confirmed; big-endian hex
	RawTx      []byte           // that transaction, as stored before its first broadcast
	Send       Send             // the fence around what left the house
	Expiry     uint32           // block height at which the last HTLC in flight times out; 0 if unknown
	CreatedAt  time.Time
	UpdatedAt  time.Time
	ResolvedAt time.Time // zero until terminal
}

// Asked is the request as it was made, without what the ledger filled in: to ask the same again, for a saga that is
// started anew.
func (p Payment) Asked() payment.Request {
	req := p.Request
	if req.SendAll {
		req.Amount = 0
	}
	return req
}

// Outcome is the record in the words that workflows and callers share.
func (p Payment) Outcome() payment.Outcome {
	return payment.Outcome{ID: p.ID, State: p.State, Failure: p.Failure, Amount: p.Amount, Fee: p.Fee, TxID: p.TxID}
}

// Send is the fence that is written before every attempt to send. Attempt counts from 1; 0 means that nothing was
// ever sent. A payment that LND reports for our hash is ours only if its index is above Baseline.
type Send struct {
	Attempt  int
	Granted  bool      // only in the answer of BeginSend: this very call got the fence, and nobody else may send
	FirstAt  time.Time // when attempt 1 was fenced
	Deadline time.Time // when the latest attempt's outside call can no longer reach LND
	Baseline uint64    // LND's payment_index for the hash before attempt 1; 0 if LND did not know the hash
}

// Fence asks for the right to send once. It is granted only if Seen is still the row's attempt, so that of two callers
// with the same knowledge one sends.
type Fence struct {
	Seen        int           // Send.Attempt as the caller read it
	Baseline    uint64        // stored with attempt 1, ignored later
	CallTimeout time.Duration // the outside call ends within this time from now
}

// Signed is a transaction that is stored before its first broadcast. For a send-all, Amount and Fee divide what is held.
type Signed struct {
	TxID   string // big-endian hex
	Raw    []byte
	Amount payment.Msat // what the receiver gets
	Fee    payment.Msat // miner fee
	// SatPerVByte is the rate that was asked for.
	SatPerVByte uint64
}

// Event is one line of a payment's timeline, append-only.
type Event struct {
	At     time.Time
	State  payment.State     // the state after the event
	Name   string            // reserved, refused, dispatched, in_flight, signed, published, settled, failed …
	Detail map[string]string // numbers and ids as text, for people: attempt, expiry_height, txid, fee_msat, budget before and after
}

// Wallet is a customer's balance in one currency.
type Wallet struct {
	ID        payment.WalletID
	AccountID payment.AccountID
	Name      string
	Currency  payment.Currency
	Balance   payment.Msat // posted, held funds included
	Held      payment.Msat // reserved by payments in flight
	CreatedAt time.Time
}

// Available is what can be spent now: Balance less Held.
func (w Wallet) Available() payment.Msat { return w.Balance - w.Held }

// CanReceive refuses a wallet that no invoice or address can be made for: ReasonInvalidInput.
func (w Wallet) CanReceive() error {
	if w.Currency != payment.BTC {
		return noBitcoin()
	}
	return nil
}

// Key is an API key as the ledger sees it: whom it belongs to, what it may do and whether it may spend.
type Key struct {
	ID         payment.KeyID
	AccountID  payment.AccountID
	Name       string
	Scopes     []payment.Scope // in the order of payment.Scopes, never empty
	SecretHash [32]byte        // SHA-256 of its secret
	CreatedAt  time.Time
	RevokedAt  time.Time // zero: not revoked
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // zero: never; some seconds late, because uses are gathered before they are written
}

// WindowSpending is one window of a key's budget.
type WindowSpending struct {
	Window    payment.Window
	Limit     payment.Sat // meaningful only if Limited
	Limited   bool
	Spent     payment.Sat // within the window, reservations included
	Remaining payment.Sat // never below zero; meaningful only if Limited
	FreesAt   time.Time   // when the oldest spend still counted rolls off; zero if nothing is counted
}

// Spending is a key's budget, all windows, shortest first.
type Spending struct {
	KeyID    payment.KeyID
	Windows  [4]WindowSpending
	Reserved payment.Sat // in flight, part of every Spent
}

// AccountSpending is what an account has moved for one purpose, all windows, shortest first, since it was first limited.
type AccountSpending struct {
	Purpose  payment.Purpose
	Windows  [4]WindowSpending
	Reserved payment.Sat // in flight, part of every Spent
}

// AccountLimit is one limit that new accounts begin with.
type AccountLimit struct {
	Purpose payment.Purpose
	Window  payment.Window
	Limit   payment.Sat
}

// Invoice is an invoice of ours that waits for a payment, or has received one.
type Invoice struct {
	Hash            payment.Hash
	WalletID        payment.WalletID
	AccountID       payment.AccountID
	Node            string
	Request         string       // BOLT 11
	Amount          payment.Msat // 0: any amount
	Memo            string
	DescriptionHash []byte // 32 bytes, or nil: the invoice holds it instead of the memo
	ExternalID      string // the asker's own name for it; the owner's are unique per account; empty when added: the hash in hex
	OnBehalf        bool   // asked for by somebody who is not the owner
	PaymentSecret   []byte // 32 bytes, or nil
	WebhookURL      string // told when it is paid; empty: nobody is
	Preimage        []byte // 32 bytes, once paid and known
	State           InvoiceState
	Received        payment.Msat // what was credited
	CreatedAt       time.Time
	ExpiresAt       time.Time
	PaidAt          time.Time
}

// InvoiceState is where an invoice of ours stands.
type InvoiceState string

// States of an invoice. Expiry is read from ExpiresAt, not stored.
const (
	InvoiceOpen     InvoiceState = "open"
	InvoicePaid     InvoiceState = "paid"
	InvoiceCanceled InvoiceState = "canceled"
)

// Address is an on-chain address of ours; it belongs to one wallet for ever.
type Address struct {
	Address   string
	WalletID  payment.WalletID
	AccountID payment.AccountID
	Node      string
	CreatedAt time.Time
}

// Deposit is one output paid to an address of ours.
type Deposit struct {
	TxID        string // big-endian hex
	Vout        uint32
	Address     string
	Amount      payment.Sat
	BlockHeight int32 // 0: not confirmed
}

// Cursors say how far the receives of a node have been credited.
type Cursors struct {
	SettleIndex uint64 // LND's settle_index of the last credited invoice
	BlockHeight int32  // every deposit confirmed up to here is credited
}

// CheckResult is one line of `holdfast check`.
type CheckResult struct {
	Name   string // the rule, for example "zero sum"
	OK     bool
	Detail string // what was compared and, when not OK, the first offenders
}

// Cursor is a place in a listing that is sorted newest first: the last row that was seen.
type Cursor struct {
	CreatedAt time.Time
	ID        payment.ID
}

// Filter chooses payments; zero values choose all. Limit 0 means 100, which is also the most.
type Filter struct {
	AccountID payment.AccountID
	WalletID  payment.WalletID
	KeyID     payment.KeyID
	Kind      payment.Kind
	States    []payment.State
	Before    *Cursor // only payments older than this row
	Limit     int
}

// MigrationStatus is one migration of the schema.
type MigrationStatus struct {
	Version   int64
	Name      string
	Applied   bool
	AppliedAt time.Time
}

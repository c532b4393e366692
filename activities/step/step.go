package step

import (
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// Names of the activities, as registered by the worker.
const (
	// In the ledger: each is one SQL transaction, idempotent by payment id. They run as local activities.

	Reserve  = "Reserve"  // payment.Request -> payment.Outcome
	Transfer = "Transfer" // payment.Request -> payment.Outcome
	Settle   = "Settle"   // SettleInput -> payment.Outcome
	Void     = "Void"     // VoidInput -> payment.Outcome

	LockBudget  = "LockBudget"  // LockInput -> Lock
	AskLock     = "AskLock"     // payment.ID -> Lock
	ReleaseLock = "ReleaseLock" // payment.ID -> Lock: gives back what was never recorded

	// On the queue of one LND node.

	SendLightning    = "SendLightning"    // payment.Request -> Word
	FollowLightning  = "FollowLightning"  // payment.Request -> Word, terminal only: it is retried until then
	AbandonLightning = "AbandonLightning" // payment.Request -> Word: like SendLightning, but gives up what LND never registered
	CloseInvoice     = "CloseInvoice"     // payment.Request -> Closed
	EstimateOnchain  = "EstimateOnchain"  // payment.Request -> Quote
	SignOnchain      = "SignOnchain"      // SignInput -> Signed
	PublishOnchain   = "PublishOnchain"   // payment.Request -> Word
	AskOnchain       = "AskOnchain"       // payment.Request -> Word
	FollowOnchain    = "FollowOnchain"    // payment.Request -> Word, terminal only: it is retried until then
	AbandonOnchain   = "AbandonOnchain"   // payment.Request -> Word: like AskOnchain, and takes back what still waits
	BumpOnchain      = "BumpOnchain"      // BumpInput -> Bumped
	ReleaseInputs    = "ReleaseInputs"    // payment.ID -> nothing
	AddInvoice       = "AddInvoice"       // InvoiceInput -> Invoice
	AddAddress       = "AddAddress"       // AddressInput -> string
	CancelInvoice    = "CancelInvoice"    // CancelInput -> Closed
	ProbeFee         = "ProbeFee"         // ProbeInput -> Probe

	// The watcher of one node, and the upkeep of the whole house.

	WatchNode     = "WatchNode"     // node name -> nothing, after a day; on the node's queue
	CompareNode   = "CompareNode"   // nothing -> Comparison; on the node's queue
	RepairOrphans = "RepairOrphans" // nothing -> Repaired
	KeepLedger    = "KeepLedger"    // nothing -> nothing

	// To callback endpoints. The dispatcher is on the watchers' queue, the others on the queue of callbacks.

	DispatchCallbacks = "DispatchCallbacks" // nothing -> nothing, after a day: one in the fleet
	TellCallback      = "TellCallback"      // Callback -> Told: it is retried until the delivery has ended
	DropCallback      = "DropCallback"      // Callback -> Told: an operator gave it up
)

// Status is what is known about money that has been sent.
type Status string

// Statuses of a sent payment.
const (
	InFlight Status = "in_flight" // known to be in flight, or unknown
	Paid     Status = "paid"      // terminal: LND has the preimage, or the chain has the transaction deep enough
	NotPaid  Status = "not_paid"  // terminal: it can never be paid any more
)

// Word is what LND or the chain says about a payment.
type Word struct {
	Status        Status           `json:"status"`
	Fee           payment.Msat     `json:"fee_msat,omitempty"`      // actual fee, when paid
	Failure       *payment.Failure `json:"failure,omitempty"`       // when not paid
	TxID          string           `json:"txid,omitempty"`          // on-chain
	Rescue        string           `json:"rescue,omitempty"`        // on-chain: the transaction that takes the payment back, once there is one
	Confirmations int32            `json:"confirmations,omitempty"` // on-chain, in flight: of whichever of its transactions has some
	Expiry        uint32           `json:"expiry,omitempty"`        // lightning, in flight: the height at which the last HTLC times out
	Attempt       int              `json:"attempt,omitempty"`       // the fence that the word is about: 0 if nothing had left
	Unknown       bool             `json:"unknown,omitempty"`       // in flight only because we cannot tell
	Note          string           `json:"note,omitempty"`          // for operators: what it waits for
}

// Terminal reports whether the word is final.
func (w Word) Terminal() bool { return w.Status == Paid || w.Status == NotPaid }

// SettleInput posts a hold at the actual cost.
type SettleInput struct {
	ID  payment.ID   `json:"id"`
	Fee payment.Msat `json:"fee_msat"`
}

// VoidInput gives a hold back. The whole request, because a payment that was never reserved leaves a tombstone.
type VoidInput struct {
	Request payment.Request `json:"request"`
	Failure payment.Failure `json:"failure"`
	// Attempt is the fence that the evidence is about. The ledger voids only if no newer one was set since.
	Attempt int `json:"attempt"`
}

// Closed is what became of an invoice of ours that we want to settle inside the ledger.
type Closed struct {
	// Failure is set when the invoice could not be closed because it was paid or canceled before.
	Failure *payment.Failure `json:"failure,omitempty"`
}

// Quote is the price of an on-chain payment.
type Quote struct {
	Fee         payment.Msat     `json:"fee_msat,omitempty"` // as estimated; the reserve is more
	FeeReserve  payment.Msat     `json:"fee_reserve_msat"`
	SatPerVByte uint64           `json:"sat_per_vbyte"`
	Failure     *payment.Failure `json:"failure,omitempty"`
}

// SignInput asks for a signed transaction at a fee rate.
type SignInput struct {
	Request     payment.Request `json:"request"`
	SatPerVByte uint64          `json:"sat_per_vbyte"`
}

// Signed says that the transaction is stored, or why there is none.
type Signed struct {
	TxID    string           `json:"txid,omitempty"`
	Fee     payment.Msat     `json:"fee_msat,omitempty"`
	Failure *payment.Failure `json:"failure,omitempty"`
	// Rate of the newest transaction; Bumped if that is not the first one (this saga was started again).
	SatPerVByte uint64 `json:"sat_per_vbyte,omitempty"`
	Bumped      bool   `json:"bumped,omitempty"`
}

// BumpInput asks for a transaction that pays the miners more, in the place of the newest one.
type BumpInput struct {
	Request     payment.Request `json:"request"`
	SatPerVByte uint64          `json:"sat_per_vbyte"`
}

// Bumped says what is known after a bump, or why there was none.
type Bumped struct {
	Word    Word             `json:"word"`
	Refusal *payment.Failure `json:"refusal,omitempty"` // for the operator; the payment goes on as it was
	// SatPerVByte of the newest transaction.
	SatPerVByte uint64 `json:"sat_per_vbyte,omitempty"`
}

// InvoiceInput asks for an invoice that credits a wallet.
type InvoiceInput struct {
	WalletID  payment.WalletID  `json:"wallet_id"`
	AccountID payment.AccountID `json:"account_id"`
	Node      string            `json:"node"`
	Amount    payment.Msat      `json:"amount_msat"` // 0: any amount
	Memo      string            `json:"memo,omitempty"`
	Expiry    time.Duration     `json:"expiry"`
	// DescriptionHash stands in the invoice instead of the memo, if it is not zero.
	DescriptionHash payment.Hash `json:"description_hash,omitzero"`
	ExternalID      string       `json:"external_id,omitempty"` // empty: the hash
	OnBehalf        bool         `json:"on_behalf,omitempty"`   // asked for by somebody who is not the owner
	WebhookURL      string       `json:"webhook_url,omitempty"` // told when it is paid
}

// Invoice is a fresh invoice.
type Invoice struct {
	Hash      payment.Hash     `json:"payment_hash"`
	Request   string           `json:"payment_request"` // BOLT 11
	Amount    payment.Msat     `json:"amount_msat"`
	ExpiresAt time.Time        `json:"expires_at"`
	Failure   *payment.Failure `json:"failure,omitempty"` // instead: why there is none
}

// CancelInput names an invoice of ours and the node that made it.
type CancelInput struct {
	Hash payment.Hash `json:"payment_hash"`
	Node string       `json:"node"`
}

// ProbeInput asks what a payment of an invoice would cost now.
type ProbeInput struct {
	Node    string       `json:"node"`
	Invoice string       `json:"invoice"` // BOLT 11
	Amount  payment.Msat `json:"amount_msat"`
}

// Probe is the fee of the best route, or why there is none.
type Probe struct {
	Fee     payment.Msat     `json:"fee_msat"`
	Failure *payment.Failure `json:"failure,omitempty"`
}

// AddressInput asks for an on-chain address that credits a wallet.
type AddressInput struct {
	WalletID  payment.WalletID  `json:"wallet_id"`
	AccountID payment.AccountID `json:"account_id"`
	Node      string            `json:"node"`
}

// Repaired counts what the orphan repair did.
type Repaired struct {
	Looked    int          `json:"looked"`
	Restarted []payment.ID `json:"restarted,omitempty"`
	Failed    []payment.ID `json:"failed,omitempty"` // could not be looked for or started: the next run tries again
}

// Comparison is the ledger against one node.
type Comparison struct {
	Checks []Check `json:"checks"`
}

// Check is one line of a comparison.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	// Difference is what all that differs comes to together, in msat; 0 where the check is OK.
	Difference payment.Msat `json:"difference_msat,omitempty"`
}

package payment

import (
	"crypto/sha256"
	"encoding/json"
)

// Kind is the way a payment travels.
type Kind string

// The kinds of payment, one saga each.
const (
	Lightning   Kind = "lightning"
	Onchain     Kind = "onchain"
	Intraledger Kind = "intraledger"
)

// Currency of a wallet.
type Currency string

// Wallet currencies: BTC is counted in msat, USD in cents.
const (
	BTC Currency = "BTC"
	USD Currency = "USD"
)

// Speed is how soon an on-chain payment should confirm.
type Speed string

// Speeds of an on-chain payment, by the names of the schema's PayoutSpeed.
const (
	Fast   Speed = "FAST"
	Medium Speed = "MEDIUM"
	Slow   Speed = "SLOW"
)

// TargetBlocks is the confirmation target in blocks; false for an unknown speed.
func (s Speed) TargetBlocks() (int32, bool) {
	switch s {
	case Fast:
		return 2, true
	case Medium:
		return 6, true
	case Slow:
		return 24, true
	default:
		return 0, false
	}
}

// Request is what a caller asked for. It is complete before the workflow starts and never changes afterwards,
// except that an on-chain payment learns its FeeReserve from the node.
type Request struct {
	ID             ID        `json:"id"`
	Kind           Kind      `json:"kind"`
	Door           Door      `json:"door"`
	AccountID      AccountID `json:"account_id"`
	WalletID       WalletID  `json:"wallet_id"`
	KeyID          KeyID     `json:"key_id,omitzero"` // zero: no API key, no budget
	IdempotencyKey string    `json:"idempotency_key,omitempty"`
	// Node is the LND node that sends, fixed before dispatch; empty for a transfer between wallets.
	Node string `json:"node,omitempty"`

	// Amount in msat is what the receiver gets. Zero with SendAll.
	Amount Msat `json:"amount_msat"`
	// SendAll empties the wallet: the receiver gets the balance less the fee.
	SendAll bool `json:"send_all,omitempty"`
	// FeeReserve in msat is held beside the amount; it is also the fee limit given to LND.
	FeeReserve Msat `json:"fee_reserve_msat"`
	// MaxFee in msat is the fee limit that the caller named; nil: ours.
	MaxFee *Msat `json:"max_fee_msat,omitempty"`

	RecipientID WalletID `json:"recipient_id,omitzero"` // intraledger: the wallet that receives
	Invoice     string   `json:"invoice,omitempty"`     // BOLT 11, as given
	PaymentHash Hash     `json:"payment_hash,omitzero"` // of the invoice
	Address     string   `json:"address,omitempty"`     // on-chain destination, as given
	Speed       Speed    `json:"speed,omitempty"`       // on-chain only
	Memo        string   `json:"memo,omitempty"`
}

// Total is amount plus fee reserve in msat: what is held on the wallet. False when it would overflow.
func (r Request) Total() (Msat, bool) { return r.Amount.Add(r.FeeReserve) }

// Fingerprint identifies what was asked, without what we chose ourselves (id, node, fee reserve): the same
// idempotency key with another fingerprint is an error. Own invoices and addresses change a request's kind and
// recipient by what the ledger knows, so these are left out as well where the invoice or address says it all.
func (r Request) Fingerprint() [32]byte {
	asked := struct {
		Door      Door
		Account   AccountID
		Wallet    WalletID
		Key       KeyID
		Amount    Msat
		SendAll   bool
		MaxFee    *Msat
		Recipient WalletID
		Invoice   string
		Address   string
		Speed     Speed
		Memo      string
	}{r.Door, r.AccountID, r.WalletID, r.KeyID, r.Amount, r.SendAll, r.MaxFee, r.RecipientID, r.Invoice, r.Address, r.Speed, r.Memo}
	if r.Invoice != "" || r.Address != "" {
		asked.Recipient = WalletID{}
	}
	text, err := json.Marshal(asked)
	if err != nil {
		panic("payment: a request of plain values must encode: " + err.Error())
	}
	return sha256.Sum256(text)
}

// Outcome is what a saga can tell about its payment: the answer of its update and its result. It carries no
// preimage, because it is stored in Temporal's history.
type Outcome struct {
	ID      ID       `json:"id"`
	State   State    `json:"state"`
	Failure *Failure `json:"failure,omitempty"`  // set when refused or failed
	Amount  Msat     `json:"amount_msat"`        // what the receiver gets
	Fee     Msat     `json:"fee_msat,omitempty"` // actual fee, once settled
	TxID    string   `json:"txid,omitempty"`     // on-chain, once signed
}

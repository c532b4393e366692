package ledger

import (
	"encoding/hex"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

// asked is a request by the names of the columns of payments; the SQL functions read it as one row.
type asked struct {
	ID             uuid.UUID        `json:"id"`
	Kind           payment.Kind     `json:"kind"`
	Door           payment.Door     `json:"door"`
	AccountID      uuid.UUID        `json:"account_id"`
	WalletID       uuid.UUID        `json:"wallet_id"`
	KeyID          *uuid.UUID       `json:"key_id"`
	IdempotencyKey *string          `json:"idempotency_key"`
	Fingerprint    string           `json:"fingerprint"`
	Node           *string          `json:"node"`
	Amount         payment.Msat     `json:"amount"`
	SendAll        bool             `json:"send_all"`
	FeeReserve     payment.Msat     `json:"fee_reserve"`
	MaxFee         *payment.Msat    `json:"max_fee"`
	RecipientID    *uuid.UUID       `json:"recipient_id"`
	Invoice        *string          `json:"invoice"`
	PaymentHash    *string          `json:"payment_hash"`
	Address        *string          `json:"address"`
	Speed          *payment.Speed   `json:"speed"`
	Memo           *string          `json:"memo"`
	Failure        *payment.Failure `json:"failure"` // what is wrong before the database is asked
}

// encode validates what needs no database and gives the row to insert. What is wrong with it is stored as a refusal, so
// that a retry gets the same answer. An error is for what cannot be stored.
func encode(req payment.Request) (json.RawMessage, error) {
	switch req.Kind {
	case payment.Lightning, payment.Onchain, payment.Intraledger:
	default:
		return nil, payment.Errorf(payment.ReasonInvalidInput, "Unknown kind of payment %q: use lightning, onchain or intraledger.", req.Kind)
	}
	if req.ID == uuid.Nil || req.AccountID == uuid.Nil {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "A payment needs an id and an account. Give both.")
	}
	fingerprint := req.Fingerprint()
	row := asked{
		ID: req.ID, Kind: req.Kind, Door: req.Door, AccountID: req.AccountID, WalletID: req.WalletID, KeyID: orNull(req.KeyID),
		IdempotencyKey: orNull(req.IdempotencyKey), Fingerprint: bytea(fingerprint[:]), Node: orNull(req.Node), Amount: req.Amount,
		SendAll: req.SendAll, FeeReserve: req.FeeReserve, MaxFee: req.MaxFee, RecipientID: orNull(req.RecipientID), Invoice: orNull(req.Invoice),
		Address: orNull(req.Address), Speed: orNull(req.Speed), Memo: orNull(req.Memo), Failure: wrong(req),
	}
	if !req.PaymentHash.IsZero() {
		row.PaymentHash = new(bytea(req.PaymentHash[:]))
	}
	return json.Marshal(row)
}

// bytea is Postgres' text form of bytes.
func bytea(b []byte) string { return `\x` + hex.EncodeToString(b) }

// wrong says what is wrong with a request by itself, nil if nothing is.
func wrong(req payment.Request) *payment.Failure {
	maxMsat := payment.MaxSat.MustMsat()
	refuse := func(reason payment.Reason, message string) *payment.Failure {
		return &payment.Failure{Reason: reason, Message: message}
	}
	switch {
	case req.SendAll && req.Amount != 0:
		return refuse(payment.ReasonInvalidAmount, "Sending everything takes no amount. Leave the amount out.")
	case !req.SendAll && req.Amount <= 0:
		return refuse(payment.ReasonInvalidAmount, "The amount must be greater than zero.")
	case req.Amount > maxMsat:
		return refuse(payment.ReasonInvalidAmount, "The amount must be at most "+payment.MaxSat.String()+", which is all that a payment can carry.")
	case req.FeeReserve < 0 || req.FeeReserve > maxMsat:
		return refuse(payment.ReasonInvalidInput, "The fee reserve must be between zero and "+payment.MaxSat.String()+".")
	}
	switch req.Kind {
	case payment.Intraledger:
		if req.RecipientID == req.WalletID {
			return refuse(payment.ReasonSelfPayment, "A wallet cannot pay itself. Choose another recipient.")
		}
	case payment.Lightning, payment.Onchain:
		if req.Node == "" {
			return refuse(payment.ReasonNodeNotFound, "No LND node was chosen for this payment. Name one.")
		}
	}
	if req.Kind == payment.Lightning && req.PaymentHash.IsZero() {
		return refuse(payment.ReasonInvoiceInvalid, "A lightning payment needs the payment hash of its invoice. Give it.")
	}
	if req.Kind == payment.Onchain && req.Amount%1000 != 0 {
		return refuse(payment.ReasonInvalidAmount, "An on-chain amount must be in whole satoshi.")
	}
	return nil
}

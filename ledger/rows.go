package ledger

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// paymentOf reads a row. The stored failure is JSON of ours; should it not decode, the payment says so.
func paymentOf(row db.Payment) Payment {
	p := Payment{
		Request: payment.Request{
			ID: row.ID, Kind: payment.Kind(row.Kind), Door: payment.Door(row.Door), AccountID: row.AccountID, WalletID: row.WalletID,
			KeyID: row.KeyID.UUID, IdempotencyKey: orZero(row.IdempotencyKey), Node: orZero(row.Node),
			Amount: payment.Msat(row.Amount), SendAll: row.SendAll, FeeReserve: payment.Msat(row.FeeReserve),
			RecipientID: row.RecipientID.UUID, Invoice: orZero(row.Invoice), Address: orZero(row.Address),
			Speed: payment.Speed(orZero(row.Speed)), Memo: orZero(row.Memo),
		},
		State: payment.State(row.State), Fee: payment.Msat(row.Fee), FeeOverage: payment.Msat(row.FeeOverage),
		SignedFee: payment.Msat(orZero(row.SignedFee)), Preimage: row.Preimage, TxID: orZero(row.Txid), RawTx: row.RawTx,
		Send: Send{
			Attempt: int(row.Attempt), FirstAt: orZero(row.FirstAt), Deadline: orZero(row.Deadline), Baseline: uint64(orZero(row.Baseline)),
		},
		Expiry: uint32(orZero(row.Expiry)), CreatedAt: row.CreatedAt, UpdatedAt: row.UpdatedAt, ResolvedAt: orZero(row.ResolvedAt),
	}
	if row.MaxFee != nil {
		p.MaxFee = new(payment.Msat(*row.MaxFee))
	}
	copy(p.PaymentHash[:], row.PaymentHash)
	copy(p.Body[:], row.Fingerprint)
	if row.Failure != nil {
		p.Failure = &payment.Failure{}
		if err := json.Unmarshal(row.Failure, p.Failure); err != nil {
			p.Failure = &payment.Failure{Reason: payment.ReasonInternal, Message: "The reason of this failure cannot be read. Report it with the payment's id."}
		}
		*p.Failure = remedied(*p.Failure)
	}
	return p
}

func paymentsOf(rows []db.Payment) []Payment {
	out := make([]Payment, len(rows))
	for i, row := range rows {
		out[i] = paymentOf(row)
	}
	return out
}

func walletOf(row db.Wallet) Wallet {
	return Wallet{
		ID: row.ID, AccountID: row.AccountID, Name: row.Name, Currency: payment.Currency(row.Currency),
		Balance: payment.Msat(row.CreditsPosted - row.DebitsPosted), Held: payment.Msat(row.DebitsPending), CreatedAt: row.CreatedAt,
	}
}

func keyOf(row db.ApiKey) Key {
	k := Key{
		ID: row.ID, AccountID: row.AccountID, Name: row.Name, CreatedAt: row.CreatedAt,
		RevokedAt: orZero(row.RevokedAt), ExpiresAt: orZero(row.ExpiresAt), LastUsedAt: orZero(row.LastUsedAt),
	}
	copy(k.SecretHash[:], row.SecretHash)
	for _, s := range payment.Scopes() {
		if slices.Contains(row.Scopes, string(s)) {
			k.Scopes = append(k.Scopes, s)
		}
	}
	return k
}

func invoiceOf(row db.Invoice) Invoice {
	inv := Invoice{
		WalletID: row.WalletID, AccountID: row.AccountID, Node: row.Node, Request: row.Request, Amount: payment.Msat(row.Amount),
		Memo: row.Memo, DescriptionHash: row.DescriptionHash, ExternalID: row.ExternalID, OnBehalf: row.OnBehalf, PaymentSecret: row.PaymentSecret,
		WebhookURL: orZero(row.WebhookUrl),
		State:      InvoiceState(row.State), Received: payment.Msat(row.Received),
		CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, PaidAt: orZero(row.PaidAt),
	}
	if inv.State == InvoicePaid {
		inv.Preimage = row.Preimage
	}
	copy(inv.Hash[:], row.Hash)
	return inv
}

func depositOf(row db.Deposit) Deposit {
	return Deposit{TxID: row.Txid, Vout: uint32(row.Vout), Address: row.Address, Amount: payment.Sat(row.AmountSat), BlockHeight: row.BlockHeight}
}

func addressOf(row db.Address) Address {
	return Address{Address: row.Address, WalletID: row.WalletID, AccountID: row.AccountID, Node: row.Node, CreatedAt: row.CreatedAt}
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// orNull is the inverse of orZero.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func orNullID(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

func orNullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

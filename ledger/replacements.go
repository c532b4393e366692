package ledger

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// TransactionKind is what a signed transaction of a payment is for.
type TransactionKind string

// Kinds of transaction. All of one payment conflict with each other, so that at most one of them is ever mined.
const (
	OriginalTransaction    TransactionKind = "original"    // the first one; pays the receiver
	ReplacementTransaction TransactionKind = "replacement" // pays the receiver the same, and the miners more
	RescueTransaction      TransactionKind = "rescue"      // spends an input back to the node: the payment is given up
)

// PaymentTransaction is a signed transaction of an on-chain payment, stored before its first broadcast and kept for ever.
type PaymentTransaction struct {
	TxID        string // big-endian hex
	Raw         []byte
	Fee         payment.Msat // miner fee
	SatPerVByte uint64       // the rate that was asked for; 0 if not known
	Kind        TransactionKind
	CreatedAt   time.Time
}

// Pays reports whether the transaction pays the receiver.
func (t PaymentTransaction) Pays() bool { return t.Kind != RescueTransaction }

// PaymentTransactions lists the signed transactions of a payment in the order in which they were stored.
func (l *Ledger) PaymentTransactions(ctx context.Context, id payment.ID) ([]PaymentTransaction, error) {
	rows, err := l.q.PaymentTransactions(ctx, id)
	list := make([]PaymentTransaction, len(rows))
	for i, row := range rows {
		list[i] = PaymentTransaction{
			TxID: row.Txid, Raw: row.Raw, Fee: payment.Msat(row.Fee), SatPerVByte: uint64(row.SatPerVbyte), //nolint:gosec // never negative (CHECK)
			Kind: TransactionKind(row.Kind), CreatedAt: row.CreatedAt,
		}
	}
	return list, coded(err)
}

// RecordReplacement stores the next transaction of a payment that has left, before it is broadcast (rule 9), and fences it:
// the attempt counts up, so that evidence about an earlier one no longer voids. A replacement becomes the payment's TxID; a
// rescue does not, for it pays nobody. It is granted, as BeginSend is, only to a caller whose fence.Seen is the row's
// present attempt; else the row is answered as it is.
//
// Nothing more is held: of the fee of whichever transaction confirms, Settle charges what exceeds the reserve to the
// system account "fees".
//
// Errors: ReasonInternal where the transaction is not dearer than all before it, or replaces a rescue.
func (l *Ledger) RecordReplacement(ctx context.Context, id payment.ID, fence Fence, tx PaymentTransaction) (Payment, error) {
	row, err := l.q.RecordReplacement(ctx, db.RecordReplacementParams{
		ID: id, Seen: int32(fence.Seen), Kind: string(tx.Kind), Txid: tx.TxID, Raw: tx.Raw, Fee: int64(tx.Fee), Rate: int64(tx.SatPerVByte), //nolint:gosec // a rate
		CallFor: fence.CallTimeout, Given: l.given(),
	})
	if isNoRows(err) { // not granted
		return l.Payment(ctx, id)
	}
	granted := paymentOf(row)
	granted.Send.Granted = err == nil
	return granted, coded(err)
}

// RecordConfirmed notes which of a payment's transactions has confirmed: that one becomes its TxID. Nothing happens to a
// terminal payment. Errors: ReasonInternal for a transaction that does not pay it.
func (l *Ledger) RecordConfirmed(ctx context.Context, id payment.ID, txid string) error {
	_, err := l.q.RecordConfirmed(ctx, db.RecordConfirmedParams{ID: id, Txid: txid, Given: l.given()})
	return coded(err)
}

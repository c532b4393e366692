package ledger

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// Transfer pays another wallet of this ledger: Reserve and Settle in one transaction, refused as Reserve refuses.
func (l *Ledger) Transfer(ctx context.Context, req payment.Request) (Payment, error) {
	if req.Kind != payment.Intraledger {
		return Payment{}, payment.Errorf(payment.ReasonInvalidInput, "Only a payment inside the ledger can be transferred, not %q: reserve the others.", req.Kind)
	}
	request, err := encode(req)
	if err != nil {
		return Payment{}, err
	}
	row, err := l.q.Transfer(ctx, db.TransferParams{Request: request, Given: l.given()})
	return l.announced(row, err)
}

// BeginSend is the fence, written before every attempt to send: reserved becomes dispatched, the attempt counts up, the
// deadline is now + CallTimeout (never earlier than before). The baseline stays as the first attempt stored it. If the
// row is terminal, or its attempt is no longer fence.Seen, it is answered unchanged with Send.Granted false: the caller did
// not get the fence.
// An on-chain payment needs its signed transaction first (RecordSigned).
func (l *Ledger) BeginSend(ctx context.Context, id payment.ID, fence Fence) (Payment, error) {
	row, err := l.q.BeginSend(ctx, db.BeginSendParams{
		ID: id, Seen: int32(fence.Seen), Baseline: int64(fence.Baseline), CallFor: fence.CallTimeout, Given: l.given(),
	})
	if isNoRows(err) { // not granted
		return l.Payment(ctx, id)
	}
	granted := paymentOf(row)
	granted.Send.Granted = err == nil
	return granted, coded(err)
}

// RecordPending notes that the payment is in flight, or unknown, and at which block height its last HTLC times out
// (0: not known). Nothing happens to a terminal payment.
func (l *Ledger) RecordPending(ctx context.Context, id payment.ID, expiry uint32) error {
	_, err := l.q.RecordPending(ctx, db.RecordPendingParams{ID: id, Height: int64(expiry), Given: l.given()})
	return coded(err)
}

// RecordPreimage stores the proof of payment. Errors: ReasonInternal if it is not the preimage of the payment's hash.
func (l *Ledger) RecordPreimage(ctx context.Context, id payment.ID, preimage [32]byte) error {
	_, err := l.q.RecordPreimage(ctx, db.RecordPreimageParams{ID: id, Preimage: preimage[:]})
	return coded(err)
}

// RecordSigned stores the transaction before its first broadcast (rule 9). Storing the same again is no error; another
// one replaces it as long as nothing has left. Errors: ReasonInternal once the payment is dispatched or over, or when the
// transaction pays another amount than was held for.
func (l *Ledger) RecordSigned(ctx context.Context, id payment.ID, tx Signed) error {
	_, err := l.q.RecordSigned(ctx, db.RecordSignedParams{
		ID: id, Txid: tx.TxID, Raw: tx.Raw, Amount: int64(tx.Amount), Fee: int64(tx.Fee), Rate: int64(tx.SatPerVByte), Given: l.given(), //nolint:gosec // a rate
	})
	return coded(err)
}

// Settle posts the hold at amount + fee (msat); the rest returns to the wallet and to the budget windows that still count
// the spend. What a fee exceeds its reserve by is charged to the system account "fees". The fee also tells which of an on-chain
// payment's transactions has confirmed: the row names that one, also where a later one was stored meanwhile. Settling again
// answers the row; settling what was refused or has failed is ReasonInternal: a contradiction that must be loud.
func (l *Ledger) Settle(ctx context.Context, id payment.ID, fee payment.Msat) (Payment, error) {
	if fee < 0 || fee > payment.MaxSat.MustMsat() {
		return Payment{}, payment.Errorf(payment.ReasonInternal, "A fee of %v cannot be. Report it with the time.", fee)
	}
	row, err := l.q.Settle(ctx, db.SettleParams{ID: id, Fee: int64(fee), Given: l.given()})
	return l.announced(row, err)
}

// Void gives hold and budget back and ends the payment as failed. If there is no such payment it leaves a refused one, so
// that a late Reserve of it moves nothing. attempt is the fence that the evidence is about: a row with another one is
// answered as it is; no row, but an attempt, is ReasonInternal. Voiding again answers the row; voiding what has settled is ReasonInternal.
//
// The caller answers for rule 2: failure must be terminal.
func (l *Ledger) Void(ctx context.Context, req payment.Request, failure payment.Failure, attempt int) (Payment, error) {
	request, err := encode(req)
	if err != nil {
		return Payment{}, err
	}
	why, err := json.Marshal(failure)
	if err != nil {
		return Payment{}, err
	}
	row, err := l.q.Void(ctx, db.VoidParams{Request: request, Failure: why, Attempt: int32(attempt), Given: l.given()})
	return l.announced(row, err)
}

// announced is a payment that may have ended.
func (l *Ledger) announced(row db.Payment, err error) (Payment, error) {
	p := paymentOf(row)
	if err == nil {
		l.announcePayment(p)
	}
	return p, coded(err)
}

// Payment reads one. Errors: ReasonPaymentNotFound.
func (l *Ledger) Payment(ctx context.Context, id payment.ID) (Payment, error) {
	row, err := l.q.Payment(ctx, id)
	return paymentOf(row), found(err, noPayment())
}

const maxPage = 100

// Payments lists newest first; the next page begins before the last row.
func (l *Ledger) Payments(ctx context.Context, f Filter) ([]Payment, error) {
	params := db.PaymentsParams{
		AccountID: orNullID(f.AccountID), WalletID: orNullID(f.WalletID), KeyID: orNullID(f.KeyID),
		Kind: orNull(string(f.Kind)), MaxRows: maxPage,
	}
	if f.Limit > 0 && f.Limit < maxPage {
		params.MaxRows = int32(f.Limit)
	}
	for _, s := range f.States {
		params.States = append(params.States, string(s))
	}
	if f.Before != nil {
		params.BeforeAt, params.BeforeID = &f.Before.CreatedAt, orNullID(f.Before.ID)
	}
	rows, err := l.q.Payments(ctx, params)
	return paymentsOf(rows), coded(err)
}

// Timeline lists a payment's events, oldest first.
func (l *Ledger) Timeline(ctx context.Context, id payment.ID) ([]Event, error) {
	rows, err := l.q.Timeline(ctx, id)
	if err != nil {
		return nil, coded(err)
	}
	events := make([]Event, len(rows))
	for i, row := range rows {
		events[i] = Event{At: row.At, State: payment.State(row.State), Name: row.Name}
		if err := json.Unmarshal(row.Detail, &events[i].Detail); err != nil {
			return nil, payment.Errorf(payment.ReasonInternal, "An event of this payment cannot be read. Report it with the payment's id.").Because(err)
		}
	}
	return events, nil
}

// LivePayments lists what a node may still have to do with: reserved, dispatched and pending, oldest first.
func (l *Ledger) LivePayments(ctx context.Context, node string) ([]Payment, error) {
	rows, err := l.q.LivePayments(ctx, node)
	return paymentsOf(rows), coded(err)
}

// UnresolvedOlderThan reads every payment that is not over although it began that long ago, oldest first. It reads page by
// page, so that ten thousand held payments are no burden and hide no later one. An error ends the sequence.
func (l *Ledger) UnresolvedOlderThan(ctx context.Context, age time.Duration) iter.Seq2[Payment, error] {
	page := db.UnresolvedBeforeParams{Age: age, Given: l.given(), MaxRows: pageOfPayments}
	return pages(func() ([]db.Payment, error) { return l.q.UnresolvedBefore(ctx, page) },
		func(last db.Payment) { page.AfterAt, page.AfterID = last.CreatedAt, last.ID })
}

// PaymentsResolvedSince reads every payment of a node that ended (settled, failed or refused) after a time, oldest first, page by
// page. An error ends the sequence.
func (l *Ledger) PaymentsResolvedSince(ctx context.Context, node string, since time.Time) iter.Seq2[Payment, error] {
	page := db.PaymentsResolvedSinceParams{Node: node, AfterAt: since, MaxRows: pageOfPayments}
	return pages(func() ([]db.Payment, error) { return l.q.PaymentsResolvedSince(ctx, page) },
		func(last db.Payment) { page.AfterAt, page.AfterID = *last.ResolvedAt, last.ID })
}

// pageOfPayments is how many payments are read at once where all are wanted.
const pageOfPayments = 500

// pages reads payments page by page, each behind the last of the one before. It can be ranged over once.
func pages(read func() ([]db.Payment, error), behind func(last db.Payment)) iter.Seq2[Payment, error] {
	return func(yield func(Payment, error) bool) {
		for {
			rows, err := read()
			if err != nil {
				yield(Payment{}, coded(err))
				return
			}
			for _, row := range rows {
				if !yield(paymentOf(row), nil) {
					return
				}
			}
			if len(rows) < pageOfPayments {
				return
			}
			behind(rows[len(rows)-1])
		}
	}
}

// PaymentsGivenUpBefore lists a node's lightning payments that were sent and that an operator abandoned before a time: whether
// LND pays one after all is to be looked at for as long as it has it.
func (l *Ledger) PaymentsGivenUpBefore(ctx context.Context, node string, before time.Time) ([]Payment, error) {
	rows, err := l.q.PaymentsGivenUpBefore(ctx, db.PaymentsGivenUpBeforeParams{Node: node, Before: before})
	return paymentsOf(rows), coded(err)
}

// PaymentByHash reads the payment of a hash that is live or has paid, else the newest. Errors: ReasonPaymentNotFound.
func (l *Ledger) PaymentByHash(ctx context.Context, hash payment.Hash) (Payment, error) {
	row, err := l.q.PaymentByHash(ctx, hash[:])
	return paymentOf(row), found(err, noPayment())
}

// LivePaymentByHash reads the payment of a hash that is reserved, dispatched or pending. Errors: ReasonPaymentNotFound.
func (l *Ledger) LivePaymentByHash(ctx context.Context, hash payment.Hash) (Payment, error) {
	row, err := l.q.LivePaymentByHash(ctx, hash[:])
	return paymentOf(row), found(err, noPayment())
}

// LivePaymentByTxID reads the payment that is reserved, dispatched or pending by any of its transactions. Errors: ReasonPaymentNotFound.
func (l *Ledger) LivePaymentByTxID(ctx context.Context, txid string) (Payment, error) {
	row, err := l.q.LivePaymentByTxID(ctx, txid)
	return paymentOf(row), found(err, noPayment())
}

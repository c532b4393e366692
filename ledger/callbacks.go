package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// Delivery is one event that one callback endpoint is told, or the webhook of an invoice. Triggers write it with the money
// (migrations/00013_callbacks.sql); what it tells is the transaction, which is final.
type Delivery struct {
	ID            uuid.UUID // of the message, the same at every attempt
	AccountID     payment.AccountID
	TransactionID uuid.UUID
	EndpointID    uuid.UUID // zero: the webhook of an invoice
	URL           string    // empty: the endpoint was deleted
	Line          uuid.UUID // who waits for the same: the endpoint, or the webhook's URL
	Event         string    // send or receive, a dot, and how it moved: receive.lightning
	State         DeliveryState
	Attempts      int
	LastError     string
	CreatedAt     time.Time // of the event
	ResolvedAt    time.Time // zero while due
}

// DeliveryState is what became of a delivery.
type DeliveryState string

// States of a delivery. A due one ends once.
const (
	DeliveryDue       DeliveryState = "due"
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryGivenUp   DeliveryState = "given_up"
)

// DeliveryBatch says how much is asked for at once.
type DeliveryBatch struct {
	After   uuid.UUID // only lines after this one; zero: from the first
	PerLine int       // no line has more than this many under way
	Limit   int
}

// DeliveriesToStart lists what is due and nobody has, line by line, the oldest of each first. Their URL is not filled in.
func (l *Ledger) DeliveriesToStart(ctx context.Context, batch DeliveryBatch) ([]Delivery, error) {
	rows, err := l.q.DeliveriesToStart(ctx, db.DeliveriesToStartParams{
		AfterLine: batch.After, PerLine: int32(batch.PerLine), MaxRows: int32(batch.Limit), Given: l.given(), //nolint:gosec // both are small
	})
	out := make([]Delivery, len(rows))
	for i, row := range rows {
		out[i] = deliveryOf(row)
	}
	return out, coded(err)
}

// TakeDeliveries says that each of them has a workflow, for a time in which every attempt renews it. Afterwards, if they are
// still due, they are listed to be started again.
func (l *Ledger) TakeDeliveries(ctx context.Context, ids []uuid.UUID, takeFor time.Duration) error {
	if len(ids) == 0 {
		return nil
	}
	return coded(l.q.TakeDeliveries(ctx, db.TakeDeliveriesParams{Ids: ids, TakeFor: takeFor, Given: l.given()}))
}

// Delivery reads one, with the URL as it is now. Errors: ReasonNotFound.
func (l *Ledger) Delivery(ctx context.Context, id uuid.UUID) (Delivery, error) {
	row, err := l.q.Delivery(ctx, id)
	d := deliveryOf(db.CallbackDelivery{
		ID: row.ID, AccountID: row.AccountID, TransactionID: row.TransactionID, EndpointID: row.EndpointID, Line: row.Line, Event: row.Event,
		State: row.State, Attempts: row.Attempts, LastError: row.LastError, CreatedAt: row.CreatedAt, ResolvedAt: row.ResolvedAt,
	})
	d.URL = row.ToUrl
	return d, found(err, payment.Errorf(payment.ReasonNotFound, "There is no such callback. Check its id; those that have ended are kept for a month."))
}

// RecordDelivery notes an attempt: delivered, given up for a reason, or still due because of one (at most 500 characters are
// kept), and then taken for a time more. One that has ended stays as it is.
func (l *Ledger) RecordDelivery(ctx context.Context, id uuid.UUID, state DeliveryState, why string, takeFor time.Duration) error {
	const longest = 500
	if text := []rune(why); len(text) > longest {
		why = string(text[:longest])
	}
	_, err := l.q.RecordDelivery(ctx, db.RecordDeliveryParams{
		ID: id, State: string(state), LastError: orNull(why), TakeFor: takeFor, Given: l.given(),
	})
	return coded(err)
}

// ForgetDeliveries deletes those that ended longer ago than a duration, delivered or given up, and answers how many.
func (l *Ledger) ForgetDeliveries(ctx context.Context, olderThan time.Duration) (int, error) {
	now, err := l.now(ctx)
	if err != nil {
		return 0, err
	}
	const batch = 5000
	for total := 0; ; {
		gone, err := l.q.ForgetDeliveries(ctx, db.ForgetDeliveriesParams{OlderThan: now.Add(-olderThan), Batch: batch})
		total += int(gone)
		if err != nil || gone < batch {
			return total, coded(err)
		}
	}
}

func deliveryOf(row db.CallbackDelivery) Delivery {
	return Delivery{
		ID: row.ID, AccountID: row.AccountID, TransactionID: row.TransactionID, EndpointID: row.EndpointID.UUID, Line: row.Line, Event: row.Event,
		State: DeliveryState(row.State), Attempts: int(row.Attempts), LastError: orZero(row.LastError),
		CreatedAt: row.CreatedAt, ResolvedAt: orZero(row.ResolvedAt),
	}
}

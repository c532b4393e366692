package ledger

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// ReserveTogether sends requests as one batch, also a single one. The last error is the batch's own.
func (l *Ledger) ReserveTogether(ctx context.Context, reqs ...payment.Request) ([]Payment, []error, error) {
	asks := make([]reservation, len(reqs))
	for i, req := range reqs {
		ask, err := reservationOf(req)
		if err != nil {
			return nil, nil, err
		}
		asks[i] = ask
	}
	results, err := l.reserveBatch(ctx, asks)
	if err != nil {
		return nil, nil, err
	}
	payments, errs := make([]Payment, len(reqs)), make([]error, len(reqs))
	for i, r := range results {
		payments[i], errs[i] = r.answer, r.err
	}
	return payments, errs, nil
}

// Queued is how many calls wait in a lane.
func (l *Ledger) Queued(lane uuid.UUID) int {
	l.reserves.mu.Lock()
	defer l.reserves.mu.Unlock()
	return len(l.reserves.lanes[lane])
}

// Lanes is how many lanes are kept.
func (l *Ledger) Lanes() int {
	l.reserves.mu.Lock()
	defer l.reserves.mu.Unlock()
	return len(l.reserves.lanes)
}

// Setting is what a setting of Postgres is for the ledger's connections.
func (l *Ledger) Setting(ctx context.Context, name string) (value string, err error) {
	err = l.pool.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value)
	return value, err
}

// TooOld judges a server_version_num.
func TooOld(version int) error { return tooOld(version) }

// OnTx reads within a transaction of the test's own.
func OnTx(tx pgx.Tx) *Ledger { return &Ledger{q: db.New(tx)} }

// Remedied is the text of a refusal as callers get it.
func Remedied(text string) string { return remedied(payment.Failure{Message: text}).Message }

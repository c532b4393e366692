package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// reservation is a request to reserve, ready to be sent.
type reservation struct {
	id          payment.ID
	hash        payment.Hash
	fingerprint [32]byte
	row         json.RawMessage
}

func reservationOf(req payment.Request) (reservation, error) {
	row, err := encode(req)
	return reservation{id: req.ID, hash: req.PaymentHash, fingerprint: req.Fingerprint(), row: row}, err
}

// errAlone is for the calls of a batch that the server has rolled back for something that one of them, or their order,
// has caused: each must be made by itself.
var errAlone = errors.New("this call must be made by itself")

// Reserve is rule 1: in one transaction it stores the payment, checks every budget window, holds amount and fee reserve
// on the wallet and records the spend. A refusal is a Payment in state Refused and no error; it is stored, so that asking
// again gets the same answer. A known id, or a known idempotency key with the same body, answers the payment as it is now.
//
// The wallet is debited in msat; the budget is charged whole sat, rounded up. With SendAll the amount becomes what is
// available less the fee reserve, in whole sat.
//
// Calls for one API key (without a key: one wallet) that arrive together are sent as one batch. A call whose context ends
// may still reserve; asking again tells.
//
// Errors: ReasonIdempotencyConflict, ReasonInvalidInput (no id, account or kind), ReasonUnavailable.
func (l *Ledger) Reserve(ctx context.Context, req payment.Request) (Payment, error) {
	ask, err := reservationOf(req)
	if err != nil {
		return Payment{}, err
	}
	lane := req.KeyID
	if lane == uuid.Nil {
		lane = req.WalletID
	}
	p, err := l.reserves.do(ctx, lane, ask)
	if errors.Is(err, errAlone) {
		p, err = l.reserveOne(ctx, ask)
	}
	return p, coded(err)
}

func (l *Ledger) reserveOne(ctx context.Context, ask reservation) (Payment, error) {
	row, err := l.q.Reserve(ctx, db.ReserveParams{Request: ask.row, Given: l.given()})
	return paymentOf(row), err
}

// reserveBatch sorts the requests, so that two batches with the same invoices meet them in the same order: neither then
// waits for a payment of the other that waits for it.
func (l *Ledger) reserveBatch(ctx context.Context, asks []reservation) ([]result[Payment], error) {
	order := make([]int, len(asks))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if c := bytes.Compare(asks[a].hash[:], asks[b].hash[:]); c != 0 {
			return c
		}
		return bytes.Compare(asks[a].id[:], asks[b].id[:])
	})
	requests := make([]json.RawMessage, len(asks))
	for place, i := range order {
		requests[place] = asks[i].row
	}
	rows, err := l.q.ReserveBatch(ctx, db.ReserveBatchParams{Requests: requests, Given: l.given()})
	if err != nil {
		if oneIsToBlame(err) {
			return nil, errAlone
		}
		return nil, err
	}
	if len(rows) != len(asks) {
		return nil, errAlone // the function promises one row each
	}
	results := make([]result[Payment], len(asks))
	for place, i := range order {
		if !bytes.Equal(rows[place].Fingerprint, asks[i].fingerprint[:]) {
			results[i].err = otherBody()
			continue
		}
		results[i].answer = paymentOf(rows[place])
	}
	return results, nil
}

// oneIsToBlame tells whether the calls of a failed batch may fare better one by one: the server has rolled it back, and
// not because it, or a lock, was not to be had.
func oneIsToBlame(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == stateDeadlock || payment.ReasonOf(coded(err)) != payment.ReasonUnavailable)
}

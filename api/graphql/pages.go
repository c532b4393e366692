package graphqlapi

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// maxPage is the longest page, and the one that nobody names.
const maxPage = 100

// page is what a Relay connection was asked for. The listing is newest first, so what comes after a cursor is older.
type page struct {
	limit         int
	oldest        bool // last: the end of the listing
	after, before *string
}

func pageOf(first, last *int, after, before *string) (page, error) {
	p := page{limit: maxPage, after: after, before: before}
	switch {
	case first != nil && last != nil:
		return p, payment.Errorf(payment.ReasonInvalidInput, "Give first or last, not both.")
	case first != nil:
		p.limit = *first
	case last != nil:
		p.limit, p.oldest = *last, true
	}
	if p.limit <= 0 || p.limit > maxPage {
		return p, payment.Errorf(payment.ReasonInvalidInput, "A page has 1 to %d entries. Give first or last in that range.", maxPage)
	}
	return p, nil
}

// info tells where a page stands. more: there is a row beyond its far end, in the direction that it was read.
func (p page) info(cursors []string, more bool) *generated.PageInfo {
	info := &generated.PageInfo{HasNextPage: more, HasPreviousPage: p.after != nil}
	if p.oldest {
		info.HasNextPage, info.HasPreviousPage = p.before != nil, more
	}
	if len(cursors) > 0 {
		info.StartCursor, info.EndCursor = &cursors[0], &cursors[len(cursors)-1]
	}
	return info
}

// read fetches one row more than the page has, to know whether there is another page, and takes it off again. At the longest
// page the ledger gives no more, so the row beyond is asked for.
func read[T any](p page, fetch func(limit int) ([]T, error), beyond func(last T) ([]T, error)) (rows []T, more bool, err error) {
	if p.limit < maxPage {
		rows, err = fetch(p.limit + 1)
		if more = len(rows) > p.limit; !more {
			return rows, false, err
		}
		if p.oldest {
			return rows[1:], true, err
		}
		return rows[:p.limit], true, err
	}
	rows, err = fetch(p.limit)
	if err != nil || len(rows) < p.limit {
		return rows, false, err
	}
	end := rows[len(rows)-1]
	if p.oldest {
		end = rows[0]
	}
	next, err := beyond(end)
	return rows, len(next) > 0, err
}

// A cursor is the place of a row, so a page stays what it is while rows are added: 8 bytes of microseconds, then the id.

func placeText(at time.Time, id []byte) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
	return base64.RawURLEncoding.EncodeToString(append(b, id...))
}

func placeOf(text *string, idLength int) (at time.Time, id []byte, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(*text)
	const year9999 = 253_402_300_799_000_000
	if err != nil || len(b) != 8+idLength || binary.BigEndian.Uint64(b) > year9999 {
		return at, nil, payment.Errorf(payment.ReasonInvalidInput, "This is no cursor of ours. Give one that a page has answered.")
	}
	return time.UnixMicro(int64(binary.BigEndian.Uint64(b))).UTC(), b[8:], nil
}

func cursorText(c ledger.Cursor) string { return placeText(c.CreatedAt, c.ID[:]) }

func cursorOf(text *string) (*ledger.Cursor, error) {
	if text == nil {
		return nil, nil
	}
	at, id, err := placeOf(text, len(payment.ID{}))
	if err != nil {
		return nil, err
	}
	return &ledger.Cursor{CreatedAt: at, ID: payment.ID(id)}, nil
}

func invoiceCursorText(c ledger.InvoiceCursor) string { return placeText(c.CreatedAt, c.Hash[:]) }

func invoiceCursorOf(text *string) (*ledger.InvoiceCursor, error) {
	if text == nil {
		return nil, nil
	}
	at, hash, err := placeOf(text, len(payment.Hash{}))
	if err != nil {
		return nil, err
	}
	return &ledger.InvoiceCursor{CreatedAt: at, Hash: payment.Hash(hash)}, nil
}

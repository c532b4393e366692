package graphqlapi

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// A cursor is read as it was written.
func TestCursorsRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(0, 253_402_300_799_000_000).Draw(t, "at")).UTC()
		var place ledger.InvoiceCursor
		place.CreatedAt = at
		copy(place.Hash[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "hash"))
		text := invoiceCursorText(place)
		if got, err := invoiceCursorOf(&text); err != nil || *got != place {
			t.Fatalf("got %+v, %v, want %+v", got, err, place)
		}
		id := ledger.Cursor{CreatedAt: at, ID: payment.NewID()}
		text = cursorText(id)
		if got, err := cursorOf(&text); err != nil || *got != id {
			t.Fatalf("got %+v, %v, want %+v", got, err, id)
		}
	})
}

// FuzzCursor: no text makes it panic, and what is taken is written as it was given.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(cursorText(ledger.Cursor{CreatedAt: time.Unix(1, 0), ID: payment.NewID()}))
	f.Fuzz(func(t *testing.T, text string) {
		if place, err := cursorOf(&text); err == nil && cursorText(*place) != text {
			t.Fatalf("%q is %+v", text, place)
		} else if err != nil && !payment.IsReason(err, payment.ReasonInvalidInput) {
			t.Fatal(err)
		}
		if place, err := invoiceCursorOf(&text); err == nil && invoiceCursorText(*place) != text {
			t.Fatalf("%q is %+v", text, place)
		}
	})
}

// Whatever the page and the listing, a page holds what Relay says and knows whether there is more.
func TestReadPages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(0, 250).Draw(t, "rows")
		listing := make([]int, total) // newest first
		for i := range listing {
			listing[i] = i
		}
		p := page{limit: rapid.IntRange(1, maxPage).Draw(t, "limit"), oldest: rapid.Bool().Draw(t, "oldest")}
		fetch := func(limit int) ([]int, error) {
			n := min(limit, maxPage, total) // the ledger gives no more than its longest page
			if p.oldest {
				return listing[total-n:], nil
			}
			return listing[:n], nil
		}
		beyond := func(end int) ([]int, error) {
			if p.oldest {
				return listing[max(end-1, 0):end], nil
			}
			return listing[end+1 : min(end+2, total)], nil
		}
		rows, more, err := read(p, fetch, beyond)
		if err != nil {
			t.Fatal(err)
		}
		n := min(p.limit, total)
		want := listing[:n]
		if p.oldest {
			want = listing[total-n:]
		}
		if len(rows) != n || n > 0 && (rows[0] != want[0] || rows[n-1] != want[n-1]) || more != (total > n) {
			t.Fatalf("%d rows, limit %d, oldest %v: got %v, more %v", total, p.limit, p.oldest, rows, more)
		}
	})
}

func TestRates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate   Rate
		amount int64
		want   int64
		text   string
	}{
		{Rate{50_000, 6}, 1_000, 50, "0.05"}, {Rate{50_000, 6}, 10, 1, "0.05"}, {Rate{50_000, 6}, 9, 0, "0.05"}, {Rate{50_000, 6}, -10, -1, "0.05"},
		{Rate{1, 0}, 7, 7, "1"}, {Rate{9_007_199_254_740_991, 8}, 10_000_000_000, 900_719_925_474_099_100, "90071992.54740991"},
	} {
		if got := c.rate.of(c.amount); got != c.want || c.rate.String() != c.text {
			t.Errorf("%d at %s is %d, want %d at %s", c.amount, c.rate, got, c.want, c.text)
		}
	}
	if got := (Rate{50_000, 6}).major(2); math.Abs(got-0.0005) > 1e-12 {
		t.Errorf("got %v", got)
	}
}

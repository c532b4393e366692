package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestMain(m *testing.M) { ledgertest.MainDurable(m) }

// histories are how many earlier spends the key has.
var histories = []int{0, 10_000, 100_000, 1_000_000}

// callers are how many reserve at once: many of them only for the least and the most earlier spends, to save time.
func callers(history int) []int {
	if history == histories[0] || history == histories[len(histories)-1] {
		return []int{1, 16, 64}
	}
	return []int{1, 16}
}

// BenchmarkReserve reserves against one key with a year of earlier spends: Holdfast's Reserve, which also writes the
// payment and holds the wallet's funds, beside a plain service that sums the year's rows under an advisory lock.
func BenchmarkReserve(b *testing.B) {
	report := newReport("reserve")
	for _, history := range histories {
		url := ledgertest.Database(b)
		mine := newHoldfast(b, url, history)
		plain := newPlain(b, url, history)
		for _, n := range callers(history) {
			for _, side := range []struct {
				name    string
				reserve func(context.Context) error
			}{{"holdfast", mine.reserve}, {"plain", plain.reserve}} {
				b.Run(fmt.Sprintf("%s/spends=%d/callers=%d", side.name, history, n), func(b *testing.B) {
					elapsed := run(b, n, side.reserve)
					report.add(result{Side: side.name, Spends: history, Callers: n, Operations: b.N, PerSecond: float64(b.N) / elapsed.Seconds()})
				})
			}
		}
	}
	report.print()
	report.write(b)
}

// run makes b.N calls by n callers and returns the time they took.
func run(b *testing.B, n int, call func(context.Context) error) time.Duration {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var working sync.WaitGroup
	b.ResetTimer()
	for range n {
		working.Go(func() {
			for left.Add(-1) >= 0 {
				if err := call(b.Context()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	working.Wait()
	b.StopTimer()
	return b.Elapsed()
}

// year is the time over which the earlier spends are spread.
const year = 360 * 24 * time.Hour

type holdfast struct {
	ledger *ledger.Ledger
	ask    payment.Request
}

func newHoldfast(b *testing.B, url string, history int) holdfast {
	b.Helper()
	ctx := b.Context()
	books, err := ledger.Open(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(books.Close)
	wallet := ledgertest.Funded(b, books, payment.Sat(1_000_000_000).MustMsat())
	limits := map[payment.Window]payment.Sat{}
	for _, window := range payment.Windows() {
		limits[window] = payment.MaxSat
	}
	key := ledgertest.NewKey(b, books, wallet.AccountID, limits)
	ledgertest.SeedSpends(b, url, key.ID, history, year)
	return holdfast{ledger: books, ask: payment.Request{
		Kind: payment.Lightning, Door: payment.DoorGo, AccountID: wallet.AccountID, WalletID: wallet.ID, KeyID: key.ID,
		Node: "bank", Amount: 1000, FeeReserve: 1000,
	}}
}

func (h holdfast) reserve(ctx context.Context) error {
	ask := h.ask
	ask.ID, ask.PaymentHash = payment.NewID(), ledgertest.RandomHash()
	row, err := h.ledger.Reserve(ctx, ask)
	if err == nil && row.State != payment.Reserved {
		err = fmt.Errorf("reserve answered %s: %+v", row.State, row.Failure)
	}
	return err
}

// plain is what budget services commonly do: one lock per key, one sum of the rows of each window, one insert.
type plain struct {
	pool *pgxpool.Pool
	key  uuid.UUID
}

func newPlain(b *testing.B, url string, history int) plain {
	b.Helper()
	ctx := b.Context()
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	p := plain{pool: pool, key: uuid.New()}
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS plain_spends (key_id uuid NOT NULL, sat bigint NOT NULL, at timestamptz NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS plain_spends_key_at ON plain_spends (key_id, at)`,
	} {
		if _, err := pool.Exec(ctx, statement); err != nil {
			b.Fatal(err)
		}
	}
	_, err = pool.Exec(ctx, `INSERT INTO plain_spends SELECT $1, 1, now() - $3::interval * (g::float8 / $2) FROM generate_series(1, $2::int) g`, p.key, history, year)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := pool.Exec(ctx, `VACUUM ANALYZE plain_spends`); err != nil {
		b.Fatal(err)
	}
	return p
}

func (p plain) reserve(ctx context.Context) error {
	tx, err := p.pool.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // after Commit this says that there is nothing to roll back
	if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))`, p.key); err != nil {
		return err
	}
	var daily, weekly, monthly, annual int64
	err = tx.QueryRow(ctx, `
		SELECT coalesce(sum(sat) FILTER (WHERE at > now() - interval '1 day'), 0), coalesce(sum(sat) FILTER (WHERE at > now() - interval '7 days'), 0),
		       coalesce(sum(sat) FILTER (WHERE at > now() - interval '30 days'), 0), coalesce(sum(sat), 0)
		FROM plain_spends WHERE key_id = $1 AND at > now() - interval '365 days'`, p.key).Scan(&daily, &weekly, &monthly, &annual)
	if err != nil {
		return err
	}
	if annual+2 > int64(payment.MaxSat) {
		return fmt.Errorf("over the limit")
	}
	if _, err := tx.Exec(ctx, `INSERT INTO plain_spends VALUES ($1, 2, clock_timestamp())`, p.key); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

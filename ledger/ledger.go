package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
)

//go:generate go tool -modfile=../tools/go.mod sqlc generate

// Ledger is safe for use by many goroutines.
type Ledger struct {
	pool  *pgxpool.Pool
	q     *db.Queries
	clock func() time.Time

	reserves batcher[reservation, Payment]
	news     *announcer
}

// Option changes how a ledger is opened.
type Option func(*settings)

type settings struct {
	clock    func() time.Time
	maxConns int32
}

// WithClock replaces the database's clock, for tests.
func WithClock(now func() time.Time) Option { return func(s *settings) { s.clock = now } }

// WithMaxConns bounds the pool; the default is 16 connections.
func WithMaxConns(n int32) Option { return func(s *settings) { s.maxConns = n } }

// sessionSettings: every connection acts with the ledger's own rights, and gives up soon rather than hold a lock for
// long. UTC, because times are also written as text. A commit waits for the disk, whatever the URL, the role, the database
// or the server is set to (rule 13).
func sessionSettings() map[string]string {
	return map[string]string{
		"role":                                role,
		"timezone":                            "UTC",
		"synchronous_commit":                  "on",
		"statement_timeout":                   "15s",
		"lock_timeout":                        "5s",
		"idle_in_transaction_session_timeout": "15s",
		"application_name":                    "holdfast-ledger",
	}
}

const (
	role            = "holdfast_app"
	defaultMaxConns = 16
)

// Open connects to a migrated database and checks that it answers and is fit: Postgres 15 or newer that keeps what it has
// committed (rule 13). Errors: ReasonUnavailable.
func Open(ctx context.Context, databaseURL string, opts ...Option) (*Ledger, error) {
	s := settings{maxConns: defaultMaxConns}
	for _, opt := range opts {
		opt(&s)
	}
	config, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, badURL(err)
	}
	config.MaxConns = s.maxConns
	for name, value := range sessionSettings() {
		config.ConnConfig.RuntimeParams[name] = value
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, coded(err)
	}
	l := &Ledger{pool: pool, q: db.New(pool), clock: s.clock}
	l.reserves.alone, l.reserves.together = l.reserveOne, l.reserveBatch
	if err := l.fit(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	if _, err := l.q.Cursors(ctx, ""); err != nil && !isNoRows(err) {
		pool.Close()
		return nil, coded(err)
	}
	l.news = newAnnouncer(pool)
	return l, nil
}

// Close waits for running calls and disconnects.
func (l *Ledger) Close() {
	l.news.stop()
	l.pool.Close()
}

// given is the injected time, to the microsecond that Postgres keeps; nil asks the database for its own.
func (l *Ledger) given() *time.Time {
	if l.clock == nil {
		return nil
	}
	now := l.clock().Truncate(time.Microsecond)
	return &now
}

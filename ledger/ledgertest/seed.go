package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Exec runs SQL as the owner of the tables.
func Exec(t testing.TB, databaseURL, sql string, args ...any) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	if _, err := conn.Exec(ctx, sql, args...); err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
}

// SeedSpends gives a key n settled spends of 1 sat, evenly spread over the time before now, and sums to match. The key
// must have no spends. A million take some seconds.
func SeedSpends(t testing.TB, databaseURL string, key payment.KeyID, n int, spreadOver time.Duration) {
	t.Helper()
	if n <= 0 {
		return
	}
	Exec(t, databaseURL, `INSERT INTO spends (key_id, at, payment_id, reserved, counted, state)
		SELECT $1, now() - make_interval(secs => $3::float8 * i / $2), gen_random_uuid(), 1, 1, 'settled' FROM generate_series($2::integer, 1, -1) i`,
		key, n, spreadOver.Seconds())
	Exec(t, databaseURL, `UPDATE budgets SET head = (SELECT max(at) FROM spends WHERE key_id = $1),
		sums   = ARRAY(SELECT (SELECT count(*) FROM spends WHERE key_id = $1 AND at > now() - budget_window(w)) FROM generate_series(1, 4) w),
		oldest = ARRAY(SELECT (SELECT min(at)  FROM spends WHERE key_id = $1 AND at > now() - budget_window(w)) FROM generate_series(1, 4) w)
		WHERE key_id = $1`, key)
	Exec(t, databaseURL, `INSERT INTO spend_chunks SELECT $1, min(at), max(at), sum(counted)
		FROM (SELECT at, counted, (row_number() OVER (ORDER BY at) - 1) / spend_chunk_size() AS chunk FROM spends WHERE key_id = $1) s GROUP BY chunk`, key)
	Exec(t, databaseURL, "VACUUM ANALYZE spends, spend_chunks")
	Exec(t, databaseURL, "VACUUM ANALYZE budgets")
}

// Funded opens a wallet of a new account with a balance, as if received by the node "seed".
func Funded(t testing.TB, l *ledger.Ledger, balance payment.Msat) ledger.Wallet {
	t.Helper()
	w, err := l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: uuid.New(), Name: "test", Currency: payment.BTC})
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	Fund(t, l, w, balance)
	w, err = l.Wallet(t.Context(), w.ID)
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	return w
}

// Fund credits a wallet by an invoice on the node "seed"; an amount of zero does nothing.
func Fund(t testing.TB, l *ledger.Ledger, w ledger.Wallet, amount payment.Msat) {
	t.Helper()
	if amount == 0 {
		return
	}
	hash := RandomHash()
	err := l.AddInvoice(t.Context(), ledger.Invoice{
		Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: "seed", Request: "lnbcrt" + hash.String(), ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	if ok, err := l.CreditInvoice(t.Context(), "seed", hash, amount, 1); err != nil || !ok {
		t.Fatalf("ledgertest: credit %v: %v, %v", amount, ok, err)
	}
}

// NewKey creates an API key of an account, with limits in sat by window.
func NewKey(t testing.TB, l *ledger.Ledger, account payment.AccountID, limits map[payment.Window]payment.Sat) ledger.Key {
	t.Helper()
	k, err := l.CreateKey(t.Context(), ledger.Key{ID: uuid.New(), AccountID: account, Name: "test"}, RandomHash())
	if err != nil {
		t.Fatalf("ledgertest: %v", err)
	}
	for window, limit := range limits {
		if err := l.SetLimit(t.Context(), account, k.ID, window, limit); err != nil {
			t.Fatalf("ledgertest: %v", err)
		}
	}
	return k
}

// RandomHash is 32 bytes that nobody else has.
func RandomHash() payment.Hash {
	var h payment.Hash
	a, b := uuid.New(), uuid.New()
	copy(h[:16], a[:])
	copy(h[16:], b[:])
	return h
}

// Balanced fails the test unless every check of the ledger is ok.
func Balanced(t testing.TB, l *ledger.Ledger) {
	t.Helper()
	results, err := l.Check(context.Background())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("check %s: %s", r.Name, r.Detail)
		}
	}
}

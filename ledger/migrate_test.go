package ledger_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// schemaOf lists what the migrations made: tables, columns, functions, triggers, indexes.
func schemaOf(t *testing.T, url string) (schema string) {
	t.Helper()
	queryRow(t, url, `SELECT coalesce(string_agg(item, E'\n' ORDER BY item), '') FROM (
		SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type AS item FROM information_schema.columns WHERE table_schema = 'public'
		UNION ALL SELECT 'function ' || oid::regprocedure || ' ' || coalesce(proacl::text, '') || md5(prosrc) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
		UNION ALL SELECT 'trigger ' || tgname || ' ' || tgrelid::regclass FROM pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
		UNION ALL SELECT 'rights ' || relname || ' ' || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
		) x WHERE item NOT LIKE '%ledger_migrations%'`)(&schema)
	return schema
}

func TestMigrateUpDownUp(t *testing.T) {
	t.Parallel()
	url := ledgertest.EmptyDatabase(t)
	ctx := t.Context()
	empty := schemaOf(t, url)
	if err := ledger.MigrateUp(ctx, url); err != nil {
		t.Fatal(err)
	}
	full := schemaOf(t, url)
	status := must[[]ledger.MigrationStatus](t)(ledger.MigrateStatus(ctx, url))
	schemas := []string{full}
	for i := range status {
		if !status[i].Applied || status[i].AppliedAt.IsZero() || i > 0 && status[i].Version <= status[i-1].Version {
			t.Fatalf("status %+v", status[i])
		}
		if err := ledger.MigrateDown(ctx, url); err != nil {
			t.Fatalf("down %d: %v", len(status)-i, err)
		}
		schemas = append(schemas, schemaOf(t, url))
	}
	if got := schemas[len(schemas)-1]; got != empty {
		t.Fatalf("after all downs there is left:\n%s", got)
	}
	for i := 1; i < len(schemas); i++ {
		if schemas[i] == schemas[i-1] {
			t.Fatalf("down %d changed nothing", i)
		}
	}
	together(3, func(int) { // replicas that start at once
		if err := ledger.MigrateUp(ctx, url); err != nil {
			t.Error(err)
		}
	})
	if got := schemaOf(t, url); got != full {
		t.Fatalf("up again differs:\n%s\n--- first:\n%s", got, full)
	}
	ledgertest.Balanced(t, ledgertest.Open(t, url))
}

// withoutMigration goes down to before one.
func withoutMigration(t *testing.T, url string, version int64) {
	t.Helper()
	for applied := version; applied >= version; {
		if err := ledger.MigrateDown(t.Context(), url); err != nil {
			t.Fatal(err)
		}
		applied = 0
		for _, status := range must[[]ledger.MigrationStatus](t)(ledger.MigrateStatus(t.Context(), url)) {
			if status.Applied {
				applied = status.Version
			}
		}
	}
}

// A payment signed before payment_transactions existed finds its transaction there.
func TestOldPaymentsKeepTheirTransaction(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	req := broadcastPayment(t, l, ledgertest.Funded(t, l, 20_000*sat), payment.KeyID{})
	withoutMigration(t, url, 8)
	if got := execAs(t, url, owner, "UPDATE payments SET raw_tx = 'x' WHERE id = $1", req.ID); got != illegalMove {
		t.Errorf("without the migration: SQLSTATE %q", got)
	}
	if err := ledger.MigrateUp(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	txs := must[[]ledger.PaymentTransaction](t)(l.PaymentTransactions(t.Context(), req.ID))
	if len(txs) != 1 || txs[0].TxID != "original" || txs[0].Fee != 90*sat || txs[0].Kind != ledger.OriginalTransaction {
		t.Fatalf("%+v", txs)
	}
	replaced(t, l, req.ID, 1, replacement("second", 150*sat))
}

func TestErrorsNameWhatToDoAndHideTheDriver(t *testing.T) {
	t.Parallel()
	check := func(err error, reason payment.Reason, says string) {
		t.Helper()
		wantReason(t, err, reason)
		coded := err.(*payment.Error) //nolint:errorlint // the ledger promises this very type
		if !strings.Contains(coded.Message, says) || strings.Contains(coded.Message, "SQLSTATE") || coded.Cause == nil {
			t.Fatalf("message %q, cause %v", coded.Message, coded.Cause)
		}
	}
	_, err := ledger.Open(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable&connect_timeout=2")
	check(err, payment.ReasonUnavailable, "not reachable")
	_, err = ledger.Open(t.Context(), "postgres://%zz")
	check(err, payment.ReasonInvalidInput, "database URL")
	_, err = ledger.Open(t.Context(), ledgertest.EmptyDatabase(t))
	check(err, payment.ReasonUnavailable, "being set up")                                                                                                          // clients read it; operators read the cause
	if !errors.Is(err, ledger.ErrNotSetUp) || !strings.Contains(err.Error(), "holdfast migrate up") || strings.Contains(err.(*payment.Error).Message, "migrate") { //nolint:errorlint // as above
		t.Fatalf("an empty database: %v", err)
	}

	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url, ledger.WithMaxConns(2))
	w := ledgertest.Funded(t, l, 100*sat)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Reserve(gone, lightning(w, payment.KeyID{}, sat, 0))
	check(err, payment.ReasonUnavailable, "look before you repeat it") // whoever has no answer does not know

	// A wallet whose row is locked by somebody for longer than we wait.
	conn := connect(t, url)
	if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT FROM wallets WHERE id = $1 FOR UPDATE", w.ID); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req := lightning(w, payment.KeyID{}, sat, 0)
	_, err = l.Reserve(short, req)
	check(err, payment.ReasonUnavailable, "look before you repeat it")
	if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
}

// Payments that an account's limit has counted outlive the limits, which are gone with their migration.
func TestAccountLimitsGoAndPaymentsStay(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 20_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 1_000})
	limited(t, l, w.AccountID, payment.Withdrawal, payment.Daily, 5_000)
	alone, keyed, ended := lightning(w, payment.KeyID{}, 500*sat, 0), lightning(w, key.ID, 500*sat, 0), lightning(w, payment.KeyID{}, 500*sat, 0)
	for _, req := range []payment.Request{alone, keyed, ended} {
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	}
	mustPayment(t, payment.Failed)(l.Void(t.Context(), ended, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
	withoutMigration(t, url, 12)
	if err := ledger.MigrateUp(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	if got := must[[]ledger.AccountSpending](t)(l.AccountSpendings(t.Context(), w.AccountID)); len(got) != 0 {
		t.Errorf("the account is limited: %+v", got)
	}
	for _, req := range []payment.Request{alone, keyed} {
		mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
		mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 0))
	}
	ledgertest.Balanced(t, l)
}

// A payment that has begun, and holds what it has touched, ends while a migration waits for it.
func TestMigrationsArriveBesidePayments(t *testing.T) {
	t.Parallel()
	for version, steps := range map[int64][]string{
		12: { // payment_admit
			"SELECT FROM payments WHERE id = gen_random_uuid()",
			"SELECT FROM api_keys WHERE id = gen_random_uuid()",
			"SELECT FROM budgets WHERE key_id = gen_random_uuid() FOR NO KEY UPDATE",
		},
		13: { // payment_reserve
			"UPDATE payments SET updated_at = updated_at WHERE false",
			"UPDATE transactions SET txid = txid WHERE false",
		},
	} {
		t.Run(strconv.FormatInt(version, 10), func(t *testing.T) {
			t.Parallel()
			url := ledgertest.Database(t)
			withoutMigration(t, url, version)
			begun := connect(t, url)
			step := func(sql string) {
				t.Helper()
				if _, err := begun.Exec(t.Context(), sql); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			step("BEGIN")
			step(steps[0])
			migrated := make(chan error, 1)
			go func() { migrated <- ledger.MigrateUp(context.WithoutCancel(t.Context()), url) }()
			for waits := false; !waits; {
				queryRow(t, url, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'payments'::regclass AND NOT granted)")(&waits)
			}
			for _, sql := range steps[1:] {
				step(sql)
			}
			step("COMMIT")
			if err := <-migrated; err != nil {
				t.Error(err)
			}
			wantNoDeadlock(t, url)
		})
	}
}

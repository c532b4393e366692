package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// SQLSTATEs by which Postgres or our triggers refuse.
const (
	notPermitted  = "42501"
	notUnique     = "23505"
	checkFailed   = "23514"
	illegalMove   = "HF004"
	appendOnly    = "HF005"
	app           = "holdfast_app"
	owner         = ""
	placeholderTx = "aa"
)

// books is a ledger with one payment of each kind of standing, to be attacked in SQL.
type books struct {
	url                              string
	l                                *ledger.Ledger
	wallet, other                    ledger.Wallet
	key                              ledger.Key
	reserved, settled, failed, chain payment.Request
	hash                             payment.Hash // of a paid invoice
}

func newBooks(t *testing.T) books {
	t.Helper()
	b := books{url: ledgertest.Database(t)}
	b.l = ledgertest.Open(t, b.url)
	b.wallet, b.other = ledgertest.Funded(t, b.l, 1_000*sat), ledgertest.Funded(t, b.l, 10*sat)
	b.key = ledgertest.NewKey(t, b.l, b.wallet.AccountID, map[payment.Window]payment.Sat{payment.Daily: 1_000})
	make := func(req payment.Request, state payment.State) payment.Request {
		req.IdempotencyKey = uuid.NewString()
		mustPayment(t, payment.Reserved)(b.l.Reserve(t.Context(), req))
		switch state {
		case payment.Settled:
			mustPayment(t, payment.Dispatched)(b.l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
			mustPayment(t, payment.Settled)(b.l.Settle(t.Context(), req.ID, 0))
		case payment.Failed:
			mustPayment(t, payment.Failed)(b.l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
		}
		return req
	}
	b.reserved = make(lightning(b.wallet, b.key.ID, 100*sat, 5*sat), payment.Reserved)
	b.settled = make(lightning(b.wallet, b.key.ID, 100*sat, 5*sat), payment.Settled)
	b.failed = make(lightning(b.wallet, b.key.ID, 100*sat, 5*sat), payment.Failed)
	b.chain = make(onchain(b.wallet, b.key.ID, 100*sat, 5*sat), payment.Reserved)
	b.hash = ledgertest.RandomHash()
	inv := ledger.Invoice{Hash: b.hash, WalletID: b.wallet.ID, AccountID: b.wallet.AccountID, Node: "bank", ExpiresAt: time.Now().Add(time.Hour)}
	if err := b.l.AddInvoice(t.Context(), inv); err != nil {
		t.Fatal(err)
	}
	if _, err := b.l.CreditInvoice(t.Context(), "bank", b.hash, 7*sat, 3); err != nil {
		t.Fatal(err)
	}
	if err := b.l.AddAddress(t.Context(), ledger.Address{Address: "bcrt1ours", WalletID: b.wallet.ID, AccountID: b.wallet.AccountID, Node: "bank"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.l.CreditDeposit(t.Context(), "bank", ledger.Deposit{TxID: "cc", Address: "bcrt1ours", Amount: 9, BlockHeight: 5}); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRulesHoldInSQL tries to break each rule of ARCHITECTURE.md that a constraint can hold, by raw SQL: as the owner of
// the tables, and as the role that the ledger itself acts as.
func TestRulesHoldInSQL(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	id := func(r payment.Request) pgx.NamedArgs {
		return pgx.NamedArgs{
			"id": r.ID, "wallet": b.wallet.ID, "other": b.other.ID, "key": b.key.ID, "hash": r.PaymentHash[:], "idem": r.IdempotencyKey, "account": b.wallet.AccountID,
			"receipt": "invoice:" + b.hash.String(), "invoice": b.hash[:],
		}
	}
	const transfer = `INSERT INTO transfers (kind, pending_id, debit_account, credit_account, amount, currency, leg, payment_id, receipt, created_at) `
	const hold = ` FROM transfers WHERE payment_id = @id AND kind = 'pending'`
	const copyOf = `INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object('id', gen_random_uuid(), 'idempotency_key', gen_random_uuid()) || `
	for _, try := range []struct {
		rule, name string
		role, want string
		sql        string
		on         payment.Request
	}{
		{"1", "a second hold of one payment", owner, notUnique, transfer + `SELECT kind, NULL, debit_account, credit_account, 1, currency, leg, payment_id, NULL, now()` + hold, b.reserved},
		{"1", "a transfer of money beside the hold", owner, notUnique, transfer + `SELECT 'posted', NULL, debit_account, credit_account, 1, currency, leg, payment_id, NULL, now()` + hold, b.reserved},
		{"1", "a payment written by hand", app, notPermitted, copyOf + `'{"state":"reserved"}'::jsonb)).* FROM payments p WHERE id = @id`, b.failed},
		{"1", "money moved by hand", app, notPermitted, transfer + `VALUES ('posted', NULL, @other, @wallet, 1000, 'BTC', 'receive', NULL, 'x', now())`, b.reserved},
		{"1", "a payment that starts settled", owner, illegalMove, copyOf + `'{}'::jsonb)).* FROM payments p WHERE id = @id`, b.settled},
		{"2", "dispatched without a fence", owner, checkFailed, `UPDATE payments SET state = 'dispatched' WHERE id = @id`, b.reserved},
		{"2", "a lightning payment settled that was never sent", owner, illegalMove, `UPDATE payments SET state = 'settled', resolved_at = now() WHERE id = @id`, b.reserved},
		{"2", "failed without saying why", owner, checkFailed, `UPDATE payments SET state = 'failed', resolved_at = now() WHERE id = @id`, b.reserved},
		{"2", "failed after it settled", owner, illegalMove, `UPDATE payments SET state = 'failed', failure = '{}' WHERE id = @id`, b.settled},
		{"2", "settled after it failed", owner, illegalMove, `UPDATE payments SET state = 'settled', failure = NULL WHERE id = @id`, b.failed},
		{"3", "another node", owner, illegalMove, `UPDATE payments SET node = 'second' WHERE id = @id`, b.reserved},
		{"3", "no node", owner, checkFailed, copyOf + `'{"state":"reserved","failure":null,"resolved_at":null,"node":null}'::jsonb)).* FROM payments p WHERE id = @id`, b.failed},
		{"4", "a hold posted twice", owner, notUnique, transfer + `SELECT 'post', id, debit_account, credit_account, 1, currency, leg, payment_id, NULL, now()` + hold, b.settled},
		{"4", "a hold posted and voided", owner, notUnique, transfer + `SELECT 'void', id, debit_account, credit_account, amount, currency, leg, payment_id, NULL, now()` + hold, b.settled},
		{"4", "a hold posted above what it holds", owner, illegalMove, transfer + `SELECT 'post', id, debit_account, credit_account, amount + 1, currency, leg, payment_id, NULL, now()` + hold, b.reserved},
		{"4", "a hold posted to somebody else", owner, illegalMove, transfer + `SELECT 'post', id, debit_account, @other, amount, currency, leg, payment_id, NULL, now()` + hold, b.reserved},
		{"4", "a hold voided in part", owner, illegalMove, transfer + `SELECT 'void', id, debit_account, credit_account, 1, currency, leg, payment_id, NULL, now()` + hold, b.reserved},
		{"4", "a post of no hold", owner, illegalMove, transfer + `SELECT 'post', id, debit_account, credit_account, amount, currency, 'payment', @id, NULL, now() FROM transfers WHERE kind = 'posted' LIMIT 1`, b.settled},
		{"5", "a wallet below zero by a transfer", owner, checkFailed, transfer + `VALUES ('posted', NULL, @wallet, @other, 100000000, 'BTC', 'receive', NULL, 'x', now())`, b.reserved},
		{"5", "a wallet below zero by a hold", owner, checkFailed, transfer + `VALUES ('pending', NULL, @wallet, @other, 100000000, 'BTC', 'payment', gen_random_uuid(), NULL, now())`, b.reserved},
		{"5", "a balance written by hand", app, notPermitted, `UPDATE wallets SET credits_posted = credits_posted + 1 WHERE id = @wallet`, b.reserved},
		{"5", "a wallet opened with a balance", app, notPermitted, `INSERT INTO wallets (id, account_id, name, currency, created_at, credits_posted) VALUES (gen_random_uuid(), @account, '', 'BTC', now(), 5)`, b.reserved},
		{"5", "an amount of zero", owner, checkFailed, transfer + `VALUES ('posted', NULL, @wallet, @other, 0, 'BTC', 'receive', NULL, 'x', now())`, b.reserved},
		{"5", "from a wallet to itself", owner, checkFailed, transfer + `VALUES ('posted', NULL, @wallet, @wallet, 1, 'BTC', 'receive', NULL, 'x', now())`, b.reserved},
		{"5", "in another currency", owner, illegalMove, transfer + `VALUES ('posted', NULL, @wallet, @other, 1, 'USD', 'receive', NULL, 'x', now())`, b.reserved},
		{"6", "sums written by hand", app, notPermitted, `UPDATE budgets SET sums = '{0,0,0,0}' WHERE key_id = @key`, b.reserved},
		{"6", "a negative sum", owner, checkFailed, `UPDATE budgets SET sums[2] = -1 WHERE key_id = @key`, b.reserved},
		{"6", "a spend released twice", owner, appendOnly, `UPDATE spends SET state = 'settled' WHERE payment_id = @id`, b.failed},
		{"6", "a spend raised", owner, appendOnly, `UPDATE spends SET counted = reserved + 1, state = 'settled' WHERE payment_id = @id`, b.reserved},
		{"6", "a payment with a key and without a spend", owner, checkFailed, copyOf + `'{"state":"reserved","failure":null,"resolved_at":null,"spent_at":null}'::jsonb)).* FROM payments p WHERE id = @id`, b.failed},
		{"7", "a second live payment of a hash", owner, notUnique, copyOf + `'{}'::jsonb)).* FROM payments p WHERE id = @id`, b.reserved},
		{"8", "an idempotency key twice", owner, notUnique, copyOf + `jsonb_build_object('idempotency_key', @idem::text, 'state', 'refused'))).* FROM payments p WHERE id = @id`, b.failed},
		{"9", "on-chain dispatched without a transaction", owner, checkFailed, `UPDATE payments SET state = 'dispatched', attempt = 1, first_at = now(), deadline = now() WHERE id = @id`, b.chain},
		{"10", "an invoice credited twice", owner, notUnique, transfer + `SELECT kind, NULL, debit_account, credit_account, amount, currency, leg, NULL, receipt, now() FROM transfers WHERE receipt = @receipt`, b.reserved},
		{"10", "a deposit credited twice", owner, notUnique, transfer + `SELECT kind, NULL, debit_account, credit_account, amount, currency, leg, NULL, receipt, now() FROM transfers WHERE receipt = 'deposit:cc:0'`, b.reserved},
		{"10", "a receive without a receipt", owner, checkFailed, transfer + `SELECT kind, NULL, debit_account, credit_account, amount, currency, leg, NULL, NULL, now() FROM transfers WHERE receipt = @receipt`, b.reserved},
		{"10", "a paid invoice opened again", owner, appendOnly, `UPDATE invoices SET state = 'open', received = 0, paid_at = NULL WHERE hash = @invoice`, b.reserved},
		{"10", "an invoice marked paid by hand", app, checkFailed, `WITH i AS (INSERT INTO invoices (hash, wallet_id, account_id, node, request, amount, memo, external_id, state, created_at, expires_at) VALUES (sha256('x'), @wallet, @account, 'bank', '', 0, '', 'x', 'paid', now(), now()) RETURNING 1) SELECT * FROM i`, b.reserved},
		{"10", "a credited deposit forgotten", owner, appendOnly, `UPDATE deposits SET credited_at = NULL WHERE txid = 'cc'`, b.reserved},
		{"10", "an address given to another wallet", owner, appendOnly, `UPDATE addresses SET wallet_id = @other WHERE address = 'bcrt1ours'`, b.reserved},
		{"10", "a cursor moved on by hand", app, notPermitted, `UPDATE cursors SET settle_index = 999999 WHERE node = 'bank'`, b.reserved},
		{"10", "a cursor written by hand", app, notPermitted, `INSERT INTO cursors (node, settle_index) VALUES ('second', 999999)`, b.reserved},
		{"10", "a cursor of invoices moved back", owner, appendOnly, `UPDATE cursors SET settle_index = settle_index - 1 WHERE node = 'bank'`, b.reserved},
		{"10", "a cursor of blocks moved back", owner, appendOnly, `UPDATE cursors SET block_height = block_height - 1 WHERE node = 'bank'`, b.reserved},
		{"10", "a cursor given to another node", owner, appendOnly, `UPDATE cursors SET node = 'second' WHERE node = 'bank'`, b.reserved},
		{"10", "a cursor forgotten", owner, appendOnly, `DELETE FROM cursors WHERE node = 'bank'`, b.reserved},
		{"10", "all cursors forgotten", owner, appendOnly, `TRUNCATE cursors`, b.reserved},
		{"11", "a limit of zero", owner, checkFailed, `UPDATE budgets SET limits[1] = 0 WHERE key_id = @key`, b.reserved},
		{"11", "a limit written by hand", app, notPermitted, `UPDATE budgets SET limits[1] = 1000000 WHERE key_id = @key`, b.reserved},
		{"11", "a key that is revived", app, notPermitted, `DELETE FROM api_keys WHERE id = @key`, b.reserved},
		{"12", "a transfer changed", owner, appendOnly, `UPDATE transfers SET amount = 1 WHERE payment_id = @id`, b.settled},
		{"12", "a transfer deleted", owner, appendOnly, `DELETE FROM transfers WHERE payment_id = @id`, b.settled},
		{"12", "all transfers deleted", owner, appendOnly, `TRUNCATE transfers`, b.settled},
		{"12", "an event changed", owner, appendOnly, `UPDATE payment_events SET name = 'x' WHERE payment_id = @id`, b.settled},
		{"12", "an event deleted", owner, appendOnly, `DELETE FROM payment_events WHERE payment_id = @id`, b.settled},
		{"12", "a counted spend deleted", owner, appendOnly, `DELETE FROM spends WHERE payment_id = @id`, b.settled},
		{"12", "a released spend deleted", owner, appendOnly, `DELETE FROM spends WHERE payment_id = @id`, b.failed},
		{"12", "a payment deleted", owner, appendOnly, `DELETE FROM payments WHERE id = @id`, b.failed},
		{"12", "another amount", owner, illegalMove, `UPDATE payments SET amount = 1 WHERE id = @id`, b.reserved},
		{"12", "another wallet", owner, illegalMove, `UPDATE payments SET wallet_id = @other WHERE id = @id`, b.reserved},
		{"12", "another fee of a settled payment", owner, illegalMove, `UPDATE payments SET fee = 5000 WHERE id = @id`, b.settled},
		{"12", "a transaction changed", owner, appendOnly, `UPDATE transactions SET account_id = @other WHERE id = @id`, b.settled},
		{"12", "a transaction deleted", owner, appendOnly, `DELETE FROM transactions WHERE id = @id`, b.failed},
		{"12", "a transaction written by hand", app, notPermitted, `INSERT INTO transactions SELECT * FROM transactions WHERE id = @id`, b.failed},
		{"12", "a transaction twice", owner, notUnique, `INSERT INTO transactions SELECT * FROM transactions WHERE id = @id`, b.failed},
		{"12", "a payment's second transaction", owner, checkFailed, `INSERT INTO transactions SELECT (jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid()))).* FROM transactions t WHERE id = @id`, b.failed},
		{"12", "history rewritten by the ledger's own role: transfers", app, notPermitted, `UPDATE transfers SET amount = 1 WHERE payment_id = @id`, b.settled},
		{"12", "history rewritten by the ledger's own role: events", app, notPermitted, `DELETE FROM payment_events WHERE payment_id = @id`, b.settled},
		{"12", "history rewritten by the ledger's own role: spends", app, notPermitted, `UPDATE spends SET counted = 0 WHERE payment_id = @id`, b.settled},
		{"12", "history rewritten by the ledger's own role: payments", app, notPermitted, `UPDATE payments SET state = 'failed' WHERE id = @id`, b.settled},
	} {
		t.Run("rule "+try.rule+": "+try.name, func(t *testing.T) {
			t.Parallel()
			if got := execAs(t, b.url, try.role, try.sql, id(try.on)); got != try.want {
				t.Fatalf("SQLSTATE %q, want %q", got, try.want)
			}
		})
	}
	t.Cleanup(func() { ledgertest.Balanced(t, b.l) })
}

// TestSignedTransactionIsFixedOnceItHasLeft is rule 9.
func TestSignedTransactionIsFixedOnceItHasLeft(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	signed := ledger.Signed{TxID: placeholderTx, Raw: []byte{1}, Amount: b.chain.Amount, Fee: sat}
	if err := b.l.RecordSigned(t.Context(), b.chain.ID, signed); err != nil {
		t.Fatal(err)
	}
	replaced := signed
	replaced.TxID = "bb"
	if err := b.l.RecordSigned(t.Context(), b.chain.ID, replaced); err != nil {
		t.Fatal("before anything left, a new signature may replace the old one:", err)
	}
	wrongAmount := signed
	wrongAmount.Amount++
	wantReason(t, b.l.RecordSigned(t.Context(), b.chain.ID, wrongAmount), payment.ReasonInternal)
	mustPayment(t, payment.Dispatched)(b.l.BeginSend(t.Context(), b.chain.ID, ledger.Fence{CallTimeout: time.Second}))
	if err := b.l.RecordSigned(t.Context(), b.chain.ID, replaced); err != nil {
		t.Fatal("the same again:", err)
	}
	wantReason(t, b.l.RecordSigned(t.Context(), b.chain.ID, signed), payment.ReasonInternal)
	if got := execAs(t, b.url, owner, "UPDATE payments SET raw_tx = '' WHERE id = $1", b.chain.ID); got != illegalMove {
		t.Fatalf("SQLSTATE %q", got)
	}
}

// TestMovesInDatabaseEqualTheTable: payment.Moves is what the database enforces.
func TestMovesInDatabaseEqualTheTable(t *testing.T) {
	t.Parallel()
	rows, err := connect(t, ledgertest.Database(t)).Query(t.Context(), "SELECT from_state, to_state FROM payment_moves")
	if err != nil {
		t.Fatal(err)
	}
	type move struct{ From, To payment.State }
	stored, err := pgx.CollectRows(rows, pgx.RowToStructByPos[move])
	if err != nil {
		t.Fatal(err)
	}
	seen := map[move]bool{}
	for _, m := range stored {
		seen[m] = true
	}
	for _, m := range payment.Moves() {
		if !seen[move{m.From, m.To}] {
			t.Errorf("the database does not allow %q to %q", m.From, m.To)
		}
	}
	if len(seen) != len(payment.Moves()) {
		t.Errorf("the database has %d moves, payment.Moves %d", len(seen), len(payment.Moves()))
	}
}

// TestAcknowledgedMeansDurable is rule 13: no table is lost in a crash, and nothing of ours waits less for the disk than
// the server is set up to.
func TestAcknowledgedMeansDurable(t *testing.T) {
	t.Parallel()
	var unlogged, hasty int
	queryRow(t, ledgertest.Database(t), `SELECT (SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relpersistence <> 'p'),
		(SELECT count(*) FROM pg_proc, unnest(proconfig) c WHERE c LIKE 'synchronous_commit=%')
		+ (SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) c WHERE c LIKE 'synchronous_commit=%'
			AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))`)(&unlogged, &hasty)
	if unlogged != 0 || hasty != 0 {
		t.Fatalf("%d unlogged tables, %d settings of synchronous_commit", unlogged, hasty)
	}
}

// Whoever may execute a function of a trigger may put it on a table of his own and have it work there with its owner's
// rights, on rows that he writes. So nothing that works with the owner's rights is for everybody.
func TestOwnersRightsAreNotForEverybody(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	var open []string
	queryRow(t, b.url, `SELECT coalesce(array_agg(oid::regprocedure::text), '{}') FROM pg_proc
		WHERE prosecdef AND pronamespace = 'public'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')`)(&open)
	if len(open) > 0 {
		t.Errorf("everybody may execute %v", open)
	}
	got := execAs(t, b.url, app, `CREATE TEMP TABLE mine (account_limit_id uuid, spent_at timestamptz, state text, amount bigint, fee bigint, fee_overage bigint);
		CREATE TRIGGER mine AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION account_limit_resolve();
		INSERT INTO mine SELECT key_id, at, 'failed' FROM spends WHERE state = 'reserved'`)
	if got != notPermitted {
		t.Errorf("spends released through a trigger on a table of one's own: SQLSTATE %q", got)
	}
	ledgertest.Balanced(t, b.l)
}

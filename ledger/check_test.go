package ledger_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// sabotage breaks, behind the ledger's back, what one check compares; says is what the check must name.
type sabotage struct{ check, says, sql string }

const (
	addTransfer = `ALTER TABLE transfers DISABLE TRIGGER USER; INSERT INTO transfers (kind, pending_id, debit_account, credit_account, amount, currency, leg, payment_id, receipt, created_at) `
	setSpends   = `ALTER TABLE spends DISABLE TRIGGER USER; UPDATE spends SET `
	setPayments = `ALTER TABLE payments DISABLE TRIGGER USER; UPDATE payments SET `
	ofLocks     = ` WHERE payment_id IN (SELECT ephemeral_id FROM budget_locks WHERE state = `
)

// sabotages has one for each thing that each check looks at. As the owner of the tables: nobody else could.
func sabotages() []sabotage {
	return []sabotage{
		{"zero sum", "BTC", addTransfer + `SELECT kind, NULL, debit_account, credit_account, amount, currency, leg, NULL, 'x', now() FROM transfers WHERE leg = 'receive' LIMIT 1`},
		{"wallet columns", "wallet ", `UPDATE wallets SET debits_pending = debits_pending + 1 WHERE credits_posted > 5000`},
		{"never below zero", "wallet ", `ALTER TABLE wallets DROP CONSTRAINT wallet_never_below_zero; UPDATE wallets SET debits_pending = 100000000`},
		{"holds resolved once", "hold ", `DROP INDEX transfers_resolve_once; ` + addTransfer + `SELECT kind, pending_id, debit_account, credit_account, amount, currency, leg, payment_id, NULL, now() FROM transfers WHERE kind = 'post'`},
		{"holds resolved once", "resolution ", addTransfer + `SELECT kind, 999999, debit_account, credit_account, amount, currency, leg, payment_id, NULL, now() FROM transfers WHERE kind = 'post' LIMIT 1`},
		{"payments and holds", "(failed)", setPayments + `state = 'failed', failure = '{}', resolved_at = now() WHERE state = 'reserved'`},
		{"payments and holds", "(refused)", setPayments + `state = 'refused', failure = '{}', resolved_at = now() WHERE state = 'reserved'`},
		{"payments and holds", "(settled)", setPayments + `fee = fee + 1000 WHERE state = 'settled'`},
		{"payments and holds", "(reserved)", setPayments + `state = 'reserved', failure = NULL, resolved_at = NULL WHERE state = 'failed'`},
		{"payments and holds", "of no payment", addTransfer + `SELECT kind, NULL, debit_account, credit_account, amount, currency, leg, gen_random_uuid(), NULL, now() FROM transfers WHERE kind = 'pending' LIMIT 1`},
		{"budget sums", "window 3", `UPDATE budgets SET sums[3] = sums[3] + 1`},
		{"budget sums", "in flight", `UPDATE budgets SET reserved = reserved + 1`},
		{"budget sums", " chunk 20", `UPDATE spend_chunks SET counted = counted + 1`},
		{"budget sums", "open chunk", `UPDATE budgets SET chunk_counted = chunk_counted + 1`},
		{"payments and spends", "(settled)", setSpends + `counted = 0 WHERE state = 'settled'`},
		{"payments and spends", "(failed)", setSpends + `counted = reserved WHERE state = 'released'`},
		{"payments and spends", "(reserved)", setSpends + `counted = 0 WHERE key_id = (SELECT key_id FROM budgets WHERE account_id IS NOT NULL)`},
		{"payments and spends", "(dispatched)", setSpends + `state = 'settled' WHERE state = 'reserved'`},
		{"payments and spends", "without a payment or a lock", `INSERT INTO spends SELECT key_id, at + interval '1 hour', gen_random_uuid(), reserved, counted, 'reserved' FROM spends LIMIT 1`},
		{"payment states", "(settled)", `INSERT INTO payment_events (payment_id, at, state, name, detail) SELECT id, now(), 'pending', 'x', '{}' FROM payments WHERE state = 'settled'`},
		{"payment states", "(failed)", `ALTER TABLE payment_events DISABLE TRIGGER USER; DELETE FROM payment_events WHERE state = 'failed'`},
		{"one payment per hash", "hash ", `DROP INDEX payments_one_per_hash; ` + setPayments + `payment_hash = sha256('x')`},
		{"receives credited once", "invoice ", `ALTER TABLE invoices DISABLE TRIGGER USER; UPDATE invoices SET received = received + 1 WHERE state = 'paid'`},
		{"receives credited once", "deposit ", `ALTER TABLE deposits DISABLE TRIGGER USER; UPDATE deposits SET amount_sat = amount_sat + 1`},
		{"snapshots", "account node", `UPDATE system_snapshots SET debits_posted = debits_posted + 1`},
		{"guards", "trigger append_only on payment_events", `ALTER TABLE payment_events DISABLE TRIGGER append_only`},
		{"guards", "index transfers_credit_once", `DROP INDEX transfers_credit_once`},
		{"guards", "check wallet_never_below_zero", `ALTER TABLE wallets DROP CONSTRAINT wallet_never_below_zero`},
		{"transactions", "transaction ", `ALTER TABLE transactions DISABLE TRIGGER USER; DELETE FROM transactions WHERE txid IS NOT NULL`},
		{"transactions", "transaction 2d711642-b726-b044-0162-7ca9fbac32f5", `INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, created_at)
			SELECT receipt_id('x'), account_id, id, currency, 'receive', 'x', 1, now() FROM wallets LIMIT 1`},
		{"on-chain transactions", "(dispatched)", setPayments + `signed_fee = signed_fee + 1000 WHERE kind = 'onchain' AND attempt > 0`},
		{"on-chain transactions", "(settled)", setPayments + `fee = fee + 1000 WHERE kind = 'onchain' AND state = 'settled'`},
		{"owners", "trigger key_guard on api_keys", `ALTER TABLE api_keys DISABLE TRIGGER key_guard`},
		{"owners", "index accounts_phone", `DROP INDEX accounts_phone`},
		{"owners", "key ", `DELETE FROM budgets WHERE of_key IS NOT NULL`},
		{"budget locks", "(held)", setSpends + `state = 'settled'` + ofLocks + `'held')`},
		{"budget locks", "(recorded)", setSpends + `counted = 0` + ofLocks + `'recorded')`},
		{"budget locks", "(reversed)", setSpends + `counted = reserved` + ofLocks + `'reversed')`},
		{"budget locks", "trigger lock_guard on budget_locks", `ALTER TABLE budget_locks DISABLE TRIGGER lock_guard`},
	}
}

// newFullBooks is newBooks with something of every kind that a check looks at: on-chain payments that have left, a closed
// chunk of spends, an account's limit, locks.
func newFullBooks(t *testing.T) books {
	t.Helper()
	b := newBooks(t)
	smallChunks(t, b.url)
	for _, state := range []payment.State{payment.Dispatched, payment.Settled} {
		req := onchain(b.wallet, b.key.ID, 50*sat, 5*sat)
		mustPayment(t, payment.Reserved)(b.l.Reserve(t.Context(), req))
		must[any](t)(nil, b.l.RecordSigned(t.Context(), req.ID, ledger.Signed{TxID: string(state), Raw: []byte(state), Amount: req.Amount, Fee: 2 * sat}))
		mustPayment(t, payment.Dispatched)(b.l.BeginSend(t.Context(), req.ID, fence(0)))
		if state == payment.Settled {
			mustPayment(t, payment.Settled)(b.l.Settle(t.Context(), req.ID, 2*sat))
		}
	}
	limited(t, b.l, b.other.AccountID, payment.Withdrawal, payment.Daily, 1_000)
	mustPayment(t, payment.Reserved)(b.l.Reserve(t.Context(), lightning(b.other, uuid.Nil, sat, 0)))
	for _, state := range []payment.LockState{payment.LockHeld, payment.LockRecorded, payment.LockReversed} {
		lock := must[ledger.Lock](t)(b.l.LockBudget(t.Context(), uuid.New(), b.key.ID, 10, time.Hour))
		if state != payment.LockHeld {
			must[any](t)(nil, b.l.RecordSpend(t.Context(), b.key.ID, lock.ID, 10, string(state)))
		}
		if state == payment.LockReversed {
			must[any](t)(nil, b.l.ReverseSpend(t.Context(), string(state)))
		}
	}
	must[any](t)(nil, b.l.SnapshotSystemAccounts(t.Context()))
	ledgertest.Balanced(t, b.l)
	return b
}

// TestCheckFindsWhatIsWrong: each check fails, and names the row, when what it compares is broken.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, try := range sabotages() {
		t.Run(try.check+": "+try.says, func(t *testing.T) {
			t.Parallel()
			b := newFullBooks(t)
			ledgertest.Exec(t, b.url, "DO $sabotage$ BEGIN "+try.sql+"; END $sabotage$")
			for _, r := range must[[]ledger.CheckResult](t)(b.l.Check(t.Context())) {
				if r.Name == try.check {
					if r.OK || !strings.Contains(r.Detail, try.says) {
						t.Fatalf("ok %v: %s", r.OK, r.Detail)
					}
					return
				}
			}
			t.Fatal("there is no such check")
		})
	}
}

// A check that nothing can fail proves nothing: each SELECT of each file has its sabotage.
func TestEveryCheckHasItsSabotage(t *testing.T) {
	t.Parallel()
	tried := map[string]int{}
	for _, try := range sabotages() {
		tried[try.check]++
	}
	branch := regexp.MustCompile(`(?m)^SELECT `) // what is within is indented
	for file, text := range checkFiles(t) {
		title, _, _ := strings.Cut(strings.TrimPrefix(text, "-- "), ": ")
		if branches := len(branch.FindAllString(text, -1)); branches == 0 || tried[title] < branches {
			t.Errorf("%s compares %d things, and %d sabotages are about %q", file, branches, tried[title], title)
		}
		delete(tried, title)
	}
	if len(tried) > 0 {
		t.Errorf("there are no such checks: %v", tried)
	}
}

// A rule that a trigger holds is no rule once the trigger is off: some check asks for each of them.
func TestEveryTriggerIsChecked(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, text := range checkFiles(t) {
		all.WriteString(text)
	}
	var triggers []string
	queryRow(t, ledgertest.Database(t), `SELECT array_agg(format('(%L, %L)', tgname, tgrelid::regclass)) FROM pg_trigger
		WHERE NOT tgisinternal`)(&triggers)
	if len(triggers) < 20 {
		t.Fatalf("%d triggers", len(triggers))
	}
	for _, trigger := range triggers {
		if !strings.Contains(all.String(), trigger) {
			t.Errorf("no check asks for the trigger %s", trigger)
		}
	}
}

// checkFiles are the texts of the checks by file.
func checkFiles(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("checks/*.sql")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d checks, %v", len(names), err)
	}
	texts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	return texts
}

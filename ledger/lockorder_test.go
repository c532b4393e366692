package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// lockable is one row in the order in which everything must lock: invoice of ours, budgets by id, wallets by id.
type lockable struct {
	name, lock string
	arg        any
}

// TestLockOrder: whoever moves money waits for a row only while holding rows before it, so that no two can deadlock. For
// each operation and each row, the row is held by somebody else; the rows behind it must then be free.
func TestLockOrder(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	low, high := ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 1_000*sat)
	if bytes.Compare(low.ID[:], high.ID[:]) > 0 {
		low, high = high, low
	}
	key := ledgertest.NewKey(t, l, high.AccountID, nil)
	limited(t, l, high.AccountID, payment.InternalSend, payment.Daily, 1_000)
	budgets := []payment.KeyID{key.ID, key.ID}
	queryRow(t, url, "SELECT key_id FROM budgets WHERE account_id = $1", high.AccountID)(&budgets[1])
	slices.SortFunc(budgets, func(a, b payment.KeyID) int { return bytes.Compare(a[:], b[:]) })
	why := payment.Failure{Reason: payment.ReasonCanceled}
	reserved := func(t *testing.T, req payment.Request) {
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	}
	fresh := func(*testing.T, payment.Request) {}
	// A batch that meets the later wallet first: all its locks are taken up front.
	batch := func(ctx context.Context, req payment.Request) (ledger.Payment, error) {
		payments, errs, err := l.ReserveTogether(ctx, onchain(high, uuid.Nil, sat, 0), req)
		if err != nil {
			return ledger.Payment{}, err
		}
		return payments[1], errors.Join(errs...)
	}
	for _, op := range []struct {
		name  string
		given func(*testing.T, payment.Request)
		run   func(context.Context, payment.Request) (ledger.Payment, error)
	}{
		{"reserve", fresh, l.Reserve},
		{"batch", fresh, batch},
		{"transfer", fresh, l.Transfer},
		{"settle", reserved, func(ctx context.Context, r payment.Request) (ledger.Payment, error) { return l.Settle(ctx, r.ID, 0) }},
		{"void", reserved, func(ctx context.Context, r payment.Request) (ledger.Payment, error) { return l.Void(ctx, r, why, 0) }},
	} {
		for stage := range 5 {
			t.Run(fmt.Sprintf("%s, row %d", op.name, stage), func(t *testing.T) {
				req := intraledger(high, low, key.ID, sat) // the debited wallet is the later one
				req.PaymentHash = ownInvoice(t, l, low, 0, time.Hour)
				op.given(t, req)
				rows := []lockable{
					{"invoice", "SELECT FROM invoices WHERE hash = $1 FOR UPDATE", req.PaymentHash[:]},
					{"lower budget", "SELECT FROM budgets WHERE key_id = $1 FOR UPDATE", budgets[0]},
					{"higher budget", "SELECT FROM budgets WHERE key_id = $1 FOR UPDATE", budgets[1]},
					{"lower wallet", "SELECT FROM wallets WHERE id = $1 FOR UPDATE", low.ID},
					{"higher wallet", "SELECT FROM wallets WHERE id = $1 FOR UPDATE", high.ID},
				}
				blocker := holding(t, url, rows[stage])
				done := make(chan error, 1)
				go func() {
					_, err := op.run(t.Context(), req)
					done <- err
				}()
				waitUntilBlocked(t, url)
				for i, row := range rows {
					if i != stage && free(t, url, row) != (i > stage) {
						t.Errorf("while it waits for the %s, the %s is locked: %v", rows[stage].name, row.name, i > stage)
					}
				}
				if err := blocker.Rollback(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	ledgertest.Balanced(t, l)
}

// TestNewSystemAccountIsLast: a node's account is made at its first use, and others wait for it until then. So whoever
// makes it must have its wallet already: a credit that held the new account and waited for a wallet would deadlock with
// a reserve that holds the wallet and waits for the account.
func TestNewSystemAccountIsLast(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	address := func(node string) string {
		err := l.AddAddress(t.Context(), ledger.Address{Address: "bcrt1" + node, WalletID: w.ID, AccountID: w.AccountID, Node: node})
		if err != nil {
			t.Fatal(err)
		}
		return "bcrt1" + node
	}
	for node, run := range map[string]func(ctx context.Context, node string) error{ // each node is new
		"invoice": func(ctx context.Context, node string) error {
			hash := ledgertest.RandomHash()
			invoice := ledger.Invoice{Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: node, ExpiresAt: time.Now().Add(time.Hour)}
			if err := l.AddInvoice(ctx, invoice); err != nil {
				return err
			}
			_, err := l.CreditInvoice(ctx, node, hash, sat, 1)
			return err
		},
		"deposit": func(ctx context.Context, node string) error {
			_, err := l.CreditDeposit(ctx, node, ledger.Deposit{TxID: "aa", Address: address(node), Amount: 1, BlockHeight: 1})
			return err
		},
		"reserve": func(ctx context.Context, node string) error {
			req := lightning(w, uuid.Nil, sat, 0)
			req.Node = node
			_, err := l.Reserve(ctx, req)
			return err
		},
	} {
		blocker := holding(t, url, lockable{lock: "SELECT FROM wallets WHERE id = $1 FOR NO KEY UPDATE", arg: w.ID})
		done := make(chan error, 1)
		go func() { done <- run(t.Context(), node) }()
		waitUntilBlocked(t, url)
		if !insertable(t, url, node) {
			t.Errorf("%s: while it waits for the wallet it has made the node's account already", node)
		}
		if err := blocker.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	ledgertest.Balanced(t, l)
}

// insertable tells whether a node's account can be made without waiting. It leaves nothing behind.
func insertable(t *testing.T, url, node string) bool {
	t.Helper()
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SET LOCAL lock_timeout = '200ms'"); err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), "INSERT INTO system_accounts (name, node, currency) VALUES ('node', $1, 'BTC') ON CONFLICT DO NOTHING", node)
	if rollbackErr := tx.Rollback(t.Context()); rollbackErr != nil {
		t.Fatal(rollbackErr)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

func holding(t *testing.T, url string, row lockable) pgx.Tx {
	t.Helper()
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), row.lock, row.arg); err != nil {
		t.Fatal(err)
	}
	return tx
}

// free tells whether nobody holds the row.
func free(t *testing.T, url string, row lockable) bool {
	t.Helper()
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), row.lock+" NOWAIT", row.arg)
	if rollbackErr := tx.Rollback(t.Context()); rollbackErr != nil {
		t.Fatal(rollbackErr)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "55P03" {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// waitUntilBlocked returns once a connection of the database waits for a lock.
func waitUntilBlocked(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		var waiting int
		err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 0 {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nothing ever waited for the lock")
		}
	}
}

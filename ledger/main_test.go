package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestMain(m *testing.M) { ledgertest.Main(m) }

const sat = payment.Msat(1000)

// lightning is a payment of a fresh invoice through the node "bank".
func lightning(w ledger.Wallet, key payment.KeyID, amount, feeReserve payment.Msat) payment.Request {
	return payment.Request{
		ID: payment.NewID(), Kind: payment.Lightning, Door: payment.DoorGo, AccountID: w.AccountID, WalletID: w.ID, KeyID: key,
		Node: "bank", Amount: amount, FeeReserve: feeReserve, PaymentHash: ledgertest.RandomHash(), Invoice: "lnbcrt1" + uuid.NewString(),
	}
}

func intraledger(from, to ledger.Wallet, key payment.KeyID, amount payment.Msat) payment.Request {
	return payment.Request{
		ID: payment.NewID(), Kind: payment.Intraledger, Door: payment.DoorGo, AccountID: from.AccountID, WalletID: from.ID, KeyID: key,
		RecipientID: to.ID, Amount: amount,
	}
}

func onchain(w ledger.Wallet, key payment.KeyID, amount, feeReserve payment.Msat) payment.Request {
	return payment.Request{
		ID: payment.NewID(), Kind: payment.Onchain, Door: payment.DoorGo, AccountID: w.AccountID, WalletID: w.ID, KeyID: key,
		Node: "bank", Amount: amount, FeeReserve: feeReserve, Address: "bcrt1" + uuid.NewString(), Speed: payment.Fast,
	}
}

// must fails the test on an error and hands the value on.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func mustPayment(t testing.TB, want payment.State) func(ledger.Payment, error) ledger.Payment {
	return func(p ledger.Payment, err error) ledger.Payment {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if p.State != want {
			t.Fatalf("state %s, want %s (failure: %+v)", p.State, want, p.Failure)
		}
		return p
	}
}

func wantReason(t testing.TB, err error, want payment.Reason) {
	t.Helper()
	if payment.ReasonOf(err) != want {
		t.Fatalf("got %v, want %s", err, want)
	}
}

func wantBalance(t testing.TB, l *ledger.Ledger, id payment.WalletID, balance, held payment.Msat) {
	t.Helper()
	w := must[ledger.Wallet](t)(l.Wallet(t.Context(), id))
	if w.Balance != balance || w.Held != held {
		t.Fatalf("wallet has %v, %v held; want %v, %v held", w.Balance, w.Held, balance, held)
	}
}

func wantSpent(t testing.TB, l *ledger.Ledger, key payment.KeyID, spent, reserved payment.Sat) {
	t.Helper()
	s := must[ledger.Spending](t)(l.Spending(t.Context(), key))
	for _, w := range s.Windows {
		if w.Spent != spent {
			t.Fatalf("%s: spent %v, want %v", w.Window, w.Spent, spent)
		}
	}
	if s.Reserved != reserved {
		t.Fatalf("reserved %v, want %v", s.Reserved, reserved)
	}
}

// execAs runs SQL on a connection of its own as a role ("" is the tables' owner) and answers the SQLSTATE, "" if it worked.
func execAs(t testing.TB, url, role, sql string, args ...any) string {
	t.Helper()
	conn := connect(t, url)
	if role != "" {
		if _, err := conn.Exec(t.Context(), "SET ROLE "+role); err != nil {
			t.Fatal(err)
		}
	}
	_, err := conn.Exec(t.Context(), sql, args...)
	if err == nil {
		return ""
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		t.Fatal(err)
	}
	return pg.Code
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the database is dropped next
	return conn
}

// queryRow reads one row as the tables' owner.
func queryRow(t testing.TB, url, sql string, args ...any) func(into ...any) {
	return func(into ...any) {
		t.Helper()
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.Background()) }() // read only
		if err := conn.QueryRow(t.Context(), sql, args...).Scan(into...); err != nil {
			t.Fatal(err)
		}
	}
}

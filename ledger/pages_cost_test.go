package ledger_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// rowsRead is how many rows of any table this transaction has read so far, by Postgres' own count: whatever the plan is, a
// scan or a sort of a history shows here.
func rowsRead(t *testing.T, tx pgx.Tx) (rows int) {
	t.Helper()
	err := tx.QueryRow(t.Context(), `SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables`).Scan(&rows)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestPagesReadNoMoreThanThePage: no question of the API's reads looks at more rows than it answers, in a history of
// thousands, with statistics and without, however often it is asked (a prepared statement gets a generic plan in time).
func TestPagesReadNoMoreThanThePage(t *testing.T) {
	t.Parallel()
	const rows, page = 6_000, 20
	// A row of a page is read once by the index, once with its details, with its payment, its invoice, the other wallet and its owner.
	const most = 6*page + 20
	url := ledgertest.Database(t)
	books := ledgertest.Open(t, url)
	w, payer := ledgertest.Funded(t, books, 0), ledgertest.Funded(t, books, 0)
	second := must[ledger.Wallet](t)(books.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: w.AccountID, Name: "second", Currency: payment.BTC}))
	ledgertest.SeedHistory(t, url, w, payer, rows)
	if err := books.SeeDeposit(t.Context(), "bank", ledger.Deposit{TxID: "aa", Address: "bcrt1" + w.ID.String(), Amount: 5}); err != nil {
		t.Fatal(err)
	}
	middle := middleOf(t, books, w, rows)
	both := []payment.WalletID{w.ID, second.ID}
	address := "bcrt1" + w.ID.String()
	list := func(f ledger.TransactionFilter, want int) func(context.Context, *ledger.Ledger) (int, int, error) {
		f.AccountID, f.Limit = w.AccountID, page
		return func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			got, err := l.Transactions(ctx, f)
			return len(got), want, err
		}
	}
	invoices := func(f ledger.InvoiceFilter) func(context.Context, *ledger.Ledger) (int, int, error) {
		f.AccountID, f.Limit = w.AccountID, page
		return func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			got, err := l.InvoicesPage(ctx, f)
			return len(got), page, err
		}
	}
	at := ledger.Cursor{CreatedAt: middle.CreatedAt, ID: middle.ID}
	invoiceAt := ledger.InvoiceCursor{CreatedAt: middle.CreatedAt}
	questions := map[string]func(context.Context, *ledger.Ledger) (got, want int, err error){
		"first page":                     list(ledger.TransactionFilter{}, page),
		"first page of a wallet":         list(ledger.TransactionFilter{WalletIDs: both[:1]}, page),
		"first page of two wallets":      list(ledger.TransactionFilter{WalletIDs: both}, page),
		"first page of the empty wallet": list(ledger.TransactionFilter{WalletIDs: both[1:]}, 0),
		"last page":                      list(ledger.TransactionFilter{Oldest: true}, page),
		"last page of two wallets":       list(ledger.TransactionFilter{WalletIDs: both, Oldest: true}, page),
		"before the middle":              list(ledger.TransactionFilter{Before: &at}, page),
		"before the middle, of a wallet": list(ledger.TransactionFilter{Before: &at, WalletIDs: both}, page),
		"after the middle":               list(ledger.TransactionFilter{After: &at, Oldest: true}, page),
		"after the middle, newest":       list(ledger.TransactionFilter{After: &at}, page),
		"after the middle, of a wallet":  list(ledger.TransactionFilter{After: &at, Oldest: true, WalletIDs: both}, page),
		"by hash":                        list(ledger.TransactionFilter{PaymentHash: &middle.Initiation.PaymentHash}, 1),
		"by invoice":                     list(ledger.TransactionFilter{Invoice: middle.Initiation.Invoice, WalletIDs: both}, 1),
		"by address":                     list(ledger.TransactionFilter{Address: address}, page),
		"by address, last page":          list(ledger.TransactionFilter{Address: address, Oldest: true, WalletIDs: both}, page),
		"invoices":                       invoices(ledger.InvoiceFilter{}),
		"invoices of a wallet":           invoices(ledger.InvoiceFilter{WalletIDs: both[:1]}),
		"invoices of two wallets":        invoices(ledger.InvoiceFilter{WalletIDs: both, Oldest: true}),
		"invoices, last page":            invoices(ledger.InvoiceFilter{Oldest: true}),
		"invoices before the middle":     invoices(ledger.InvoiceFilter{WalletIDs: both, Before: &invoiceAt}),
		"invoices after the middle":      invoices(ledger.InvoiceFilter{After: &invoiceAt, Oldest: true}),
		"one": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			_, err := l.Transaction(ctx, w.AccountID, middle.ID)
			return 1, 1, err
		},
		"several": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			got, err := l.TransactionsByID(ctx, w.AccountID, []uuid.UUID{middle.ID, uuid.New(), uuid.New()})
			return len(got), 1, err
		},
		"of a payment": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			_, err := l.TransactionOfPayment(ctx, w.AccountID, w.ID, middle.PaymentID)
			return 1, 1, err
		},
		"pending": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			got, err := l.PendingReceives(ctx, w.AccountID, both, "")
			return len(got), 1, err
		},
		"invoice by external id": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			_, err := l.InvoiceByExternalID(ctx, w.AccountID, middle.Initiation.PaymentHash.String())
			return 1, 1, err
		},
		"the address in use": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			_, err := l.UnusedAddress(ctx, w.ID)
			return 1, 1, ignore(err, payment.ReasonNotFound)
		},
		"balance": func(ctx context.Context, l *ledger.Ledger) (int, int, error) {
			_, err := l.Wallet(ctx, w.ID)
			return 1, 1, err
		},
	}
	for _, statistics := range []string{"without statistics", "with statistics"} {
		if statistics == "with statistics" {
			ledgertest.Exec(t, url, "VACUUM ANALYZE")
		}
		for name, ask := range questions {
			t.Run(name+", "+statistics, func(t *testing.T) {
				tx, err := connect(t, url).Begin(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				l := ledger.OnTx(tx)
				for time := range 7 {
					before := rowsRead(t, tx)
					got, want, err := ask(t.Context(), l)
					if err != nil || got != want {
						t.Fatalf("%d rows, want %d (%v)", got, want, err)
					}
					if read := rowsRead(t, tx) - before; read > most {
						t.Fatalf("asked the %d. time, it read %d rows for a page of %d", time+1, read, page)
					}
				}
			})
		}
	}
}

// middleOf is an invoice that was paid inside the ledger, in the middle of the history.
func middleOf(t *testing.T, l *ledger.Ledger, w ledger.Wallet, rows int) ledger.Transaction {
	t.Helper()
	var before *ledger.Cursor
	for seen := 0; ; {
		page := must[[]ledger.Transaction](t)(l.Transactions(t.Context(), ledger.TransactionFilter{AccountID: w.AccountID, Before: before}))
		for _, tx := range page {
			if seen++; seen > rows/2 && tx.Settlement.Kind == payment.Intraledger {
				return tx
			}
		}
		before = new(page[len(page)-1].Cursor())
	}
}

func ignore(err error, reason payment.Reason) error {
	if payment.IsReason(err, reason) {
		return nil
	}
	return err
}

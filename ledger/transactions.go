package ledger

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

// Transaction is one line of a wallet's history: a payment that it made, or a receipt. A refused payment is none; a failed
// one is one line, whose status says so.
type Transaction struct {
	ID         uuid.UUID // of a send: the payment's id
	AccountID  payment.AccountID
	WalletID   payment.WalletID
	CreatedAt  time.Time // when the payment was reserved, or the receipt credited (a deposit that waits: first seen)
	Currency   payment.Currency
	Direction  Direction
	Status     TransactionStatus
	Amount     payment.Msat // below zero for a send: amount and Fee together. What failed moved nothing: the amount that was asked
	Fee        payment.Msat // what the wallet pays beside the amount: once settled the actual fee; before, as far as it is known (a signed transaction's)
	Memo       string
	ExternalID string // of a receipt for an invoice of ours, else empty
	Initiation Initiation
	Settlement Settlement
	PaymentID  payment.ID // zero for receipts from outside
}

// Direction tells whether a wallet gave or got.
type Direction string

// Directions.
const (
	DirectionSend    Direction = "send"
	DirectionReceive Direction = "receive"
)

// TransactionStatus is a payment's state in the words of a history.
type TransactionStatus string

// Statuses.
const (
	TransactionSuccess TransactionStatus = "success"
	TransactionPending TransactionStatus = "pending"
	TransactionFailure TransactionStatus = "failure"
)

// Initiation is what was asked for. Kind is Lightning with Invoice and PaymentHash, Onchain with Address, or Intraledger with
// the counterparty.
type Initiation struct {
	Kind                 payment.Kind
	Invoice              string // BOLT 11
	PaymentHash          payment.Hash
	Address              string
	CounterpartyWalletID payment.WalletID // zero unless it is one of ours
	CounterpartyUsername string
}

// Settlement is how the money moved, whatever was asked for: an invoice or an address of ours is paid inside the ledger.
type Settlement struct {
	Kind                 payment.Kind
	Preimage             []byte // 32 bytes, once known
	PaymentSecret        []byte // 32 bytes, of an invoice of ours
	TxID                 string // big-endian hex
	Vout                 *uint32
	CounterpartyWalletID payment.WalletID // zero unless it is one of ours
	CounterpartyUsername string
}

// TransactionFilter chooses a page. AccountID is mandatory. Without WalletIDs all wallets of the account are meant; those of
// others have no rows. Limit 0 means 100, which is also the most.
type TransactionFilter struct {
	AccountID   payment.AccountID
	WalletIDs   []payment.WalletID
	PaymentHash *payment.Hash
	Invoice     string // BOLT 11
	Address     string
	After       *Cursor // only rows newer than this place
	Before      *Cursor // only rows older than this place
	Limit       int
	Oldest      bool // the page is the oldest rows within the bounds, not the newest
}

// Cursor is the place of a transaction in its listing.
func (t Transaction) Cursor() Cursor { return Cursor{CreatedAt: t.CreatedAt, ID: t.ID} }

// Transactions reads a page, newest first whichever end it was read from. Its cost is that of the page, whatever the history.
// Errors: ReasonInvalidInput without an account.
func (l *Ledger) Transactions(ctx context.Context, f TransactionFilter) ([]Transaction, error) {
	if f.AccountID == uuid.Nil {
		return nil, accountMissing()
	}
	params := db.TransactionsParams{
		AccountID: f.AccountID, WalletIds: listed(f.WalletIDs), Invoice: orNull(f.Invoice), Address: orNull(f.Address),
		Oldest: f.Oldest, MaxRows: pageSize(f.Limit),
	}
	if f.PaymentHash != nil {
		params.Hash = f.PaymentHash[:]
	}
	if f.After != nil {
		params.AfterAt, params.AfterID = &f.After.CreatedAt, uuid.NullUUID{UUID: f.After.ID, Valid: true}
	}
	if f.Before != nil {
		params.BeforeAt, params.BeforeID = &f.Before.CreatedAt, uuid.NullUUID{UUID: f.Before.ID, Valid: true}
	}
	rows, err := l.q.Transactions(ctx, params)
	out := make([]Transaction, len(rows))
	for i, row := range rows {
		out[i] = transactionOf(row)
	}
	return out, coded(err)
}

// Transaction reads one of the account. Errors: ReasonNotFound.
func (l *Ledger) Transaction(ctx context.Context, account payment.AccountID, id uuid.UUID) (Transaction, error) {
	row, err := l.q.Transaction(ctx, db.TransactionParams{ID: id, AccountID: account})
	return transactionOf(row), found(err, noTransaction())
}

// TransactionsByID reads several in one statement, in no order; those that are not the account's are left out.
func (l *Ledger) TransactionsByID(ctx context.Context, account payment.AccountID, ids []uuid.UUID) ([]Transaction, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := l.q.TransactionsByID(ctx, db.TransactionsByIDParams{Ids: ids, AccountID: account})
	out := make([]Transaction, len(rows))
	for i, row := range rows {
		out[i] = transactionOf(row)
	}
	return out, coded(err)
}

// TransactionOfPayment reads a wallet's side of a payment: the sender's, or that of a receiver inside the ledger.
// Errors: ReasonNotFound, also while the payment is not settled and the wallet is the receiver's.
func (l *Ledger) TransactionOfPayment(ctx context.Context, account payment.AccountID, wallet payment.WalletID, id payment.ID) (Transaction, error) {
	row, err := l.q.TransactionOfPayment(ctx, db.TransactionOfPaymentParams{PaymentID: id, AccountID: account, WalletID: wallet})
	return transactionOf(row), found(err, noTransaction())
}

// PendingReceives lists deposits that are seen and not yet credited, newest first, at most 100. Empty walletIDs mean all of
// the account, an empty address means any. The id is the one that the transaction will have.
func (l *Ledger) PendingReceives(ctx context.Context, account payment.AccountID, walletIDs []payment.WalletID, address string) ([]Transaction, error) {
	rows, err := l.q.PendingReceives(ctx, db.PendingReceivesParams{
		AccountID: account, WalletIds: listed(walletIDs), Address: orNull(address), MaxRows: maxPage,
	})
	out := make([]Transaction, len(rows))
	for i, row := range rows {
		out[i] = Transaction{
			ID: row.ID, AccountID: row.AccountID, WalletID: row.WalletID, CreatedAt: row.SeenAt, Currency: payment.Currency(row.Currency),
			Direction: DirectionReceive, Status: TransactionPending, Amount: payment.Sat(row.AmountSat).MustMsat(),
			Initiation: Initiation{Kind: payment.Onchain, Address: row.Address},
			Settlement: Settlement{Kind: payment.Onchain, TxID: row.Txid, Vout: new(uint32(row.Vout))},
		}
	}
	return out, coded(err)
}

// InvoiceCursor is a place in a listing of invoices, which is sorted by time and hash.
type InvoiceCursor struct {
	CreatedAt time.Time
	Hash      payment.Hash
}

// Cursor is the place of an invoice in its listing.
func (i Invoice) Cursor() InvoiceCursor { return InvoiceCursor{CreatedAt: i.CreatedAt, Hash: i.Hash} }

// InvoiceFilter chooses a page of invoices. AccountID is mandatory. Without WalletIDs all wallets of the account are meant; those
// of others have no rows. Limit 0 means 100, which is also the most.
type InvoiceFilter struct {
	AccountID payment.AccountID
	WalletIDs []payment.WalletID
	After     *InvoiceCursor // only invoices newer than this place
	Before    *InvoiceCursor // only invoices older than this place
	Limit     int
	Oldest    bool // the page is the oldest within the bounds, not the newest
}

// InvoicesPage reads a page of invoices, newest first whichever end it was read from. Errors: ReasonInvalidInput without an account.
func (l *Ledger) InvoicesPage(ctx context.Context, f InvoiceFilter) ([]Invoice, error) {
	if f.AccountID == uuid.Nil {
		return nil, accountMissing()
	}
	params := db.InvoicesPageParams{AccountID: f.AccountID, WalletIds: listed(f.WalletIDs), Oldest: f.Oldest, MaxRows: pageSize(f.Limit)}
	if f.After != nil {
		params.AfterAt, params.AfterHash = &f.After.CreatedAt, f.After.Hash[:]
	}
	if f.Before != nil {
		params.BeforeAt, params.BeforeHash = &f.Before.CreatedAt, f.Before.Hash[:]
	}
	rows, err := l.q.InvoicesPage(ctx, params)
	if f.Oldest {
		slices.Reverse(rows)
	}
	out := make([]Invoice, len(rows))
	for i, row := range rows {
		out[i] = invoiceOf(row)
	}
	return out, coded(err)
}

func accountMissing() *payment.Error {
	return payment.Errorf(payment.ReasonInvalidInput, "No account is named. Give the id of the account whose history is read.")
}

func noTransaction() *payment.Error {
	return payment.Errorf(payment.ReasonNotFound, "There is no such transaction. Check its id.")
}

func pageSize(limit int) int32 {
	if limit > 0 && limit < maxPage {
		return int32(limit)
	}
	return maxPage
}

// listed makes an empty list of a nil one, which Postgres would see as NULL.
func listed(ids []uuid.UUID) []uuid.UUID {
	if ids == nil {
		return []uuid.UUID{}
	}
	return ids
}

func transactionOf(row db.TransactionDetail) Transaction {
	t := Transaction{
		ID: row.ID, AccountID: row.AccountID, WalletID: row.WalletID, CreatedAt: row.CreatedAt, Currency: payment.Currency(row.Currency),
		Direction: Direction(row.Direction), Status: statusOf(payment.State(row.State)), Amount: payment.Msat(row.Amount), Fee: payment.Msat(row.Fee),
		Memo: row.Memo, ExternalID: row.ExternalID, PaymentID: row.PaymentID.UUID,
		Settlement: Settlement{Kind: payment.Kind(row.SettledBy), Preimage: row.Preimage, TxID: orZero(row.Txid)},
	}
	if t.Direction == DirectionSend {
		t.Amount = -(t.Amount + t.Fee)
	}
	counterparty, username := row.CounterpartyWalletID.UUID, row.CounterpartyUsername
	t.Initiation = initiationOf(row, counterparty, username)
	switch t.Settlement.Kind {
	case payment.Intraledger:
		t.Settlement.CounterpartyWalletID, t.Settlement.CounterpartyUsername = counterparty, username
	case payment.Lightning:
		t.Settlement.PaymentSecret = row.PaymentSecret
	}
	if row.Vout != nil {
		t.Settlement.Vout = new(uint32(*row.Vout))
	}
	return t
}

func initiationOf(row db.TransactionDetail, counterparty payment.WalletID, username string) Initiation {
	switch {
	case row.PaymentHash != nil:
		i := Initiation{Kind: payment.Lightning, Invoice: row.Invoice}
		copy(i.PaymentHash[:], row.PaymentHash)
		return i
	case row.Address != nil:
		return Initiation{Kind: payment.Onchain, Address: *row.Address}
	default:
		return Initiation{Kind: payment.Intraledger, CounterpartyWalletID: counterparty, CounterpartyUsername: username}
	}
}

func statusOf(state payment.State) TransactionStatus {
	switch state {
	case payment.Settled:
		return TransactionSuccess
	case payment.Failed, payment.Refused:
		return TransactionFailure
	default:
		return TransactionPending
	}
}

package ledger

import (
	"context"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

func noWallet() *payment.Error {
	return payment.Errorf(payment.ReasonWalletNotFound, "There is no such wallet. Check its id.")
}

// OpenAccount creates an account; a known one stays as it is.
func (l *Ledger) OpenAccount(ctx context.Context, id payment.AccountID) error {
	return coded(l.q.OpenAccount(ctx, db.OpenAccountParams{ID: id, Given: l.given()}))
}

// OpenWallet creates a wallet, and its account if there is none. A known id answers the wallet as it is; if it belongs to
// another account or has another currency: ReasonWalletNotFound.
func (l *Ledger) OpenWallet(ctx context.Context, w Wallet) (Wallet, error) {
	if w.Currency != payment.BTC && w.Currency != payment.USD {
		return Wallet{}, payment.Errorf(payment.ReasonInvalidInput, "Unknown currency %q: use BTC or USD.", w.Currency)
	}
	if err := l.OpenAccount(ctx, w.AccountID); err != nil {
		return Wallet{}, err
	}
	err := l.q.OpenWallet(ctx, db.OpenWalletParams{ID: w.ID, AccountID: w.AccountID, Name: w.Name, Currency: string(w.Currency), Given: l.given()})
	if err != nil {
		return Wallet{}, coded(err)
	}
	known, err := l.Wallet(ctx, w.ID)
	if err == nil && (known.AccountID != w.AccountID || known.Currency != w.Currency) {
		return Wallet{}, noWallet()
	}
	return known, err
}

// Wallet reads one, balances in the smallest unit of its currency. Errors: ReasonWalletNotFound.
func (l *Ledger) Wallet(ctx context.Context, id payment.WalletID) (Wallet, error) {
	row, err := l.q.Wallet(ctx, id)
	return walletOf(row), found(err, noWallet())
}

// Wallets lists an account's wallets, oldest first; the zero account lists all.
func (l *Ledger) Wallets(ctx context.Context, account payment.AccountID) ([]Wallet, error) {
	rows, err := l.q.Wallets(ctx, orNullID(account))
	out := make([]Wallet, len(rows))
	for i, row := range rows {
		out[i] = walletOf(row)
	}
	return out, coded(err)
}

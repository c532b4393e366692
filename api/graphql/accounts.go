package graphqlapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Me is the caller.
func (q queries) Me(ctx context.Context) (*generated.User, error) {
	user, err := q.user(ctx, account(ctx))
	if err != nil {
		return nil, err
	}
	return userOf(user), nil
}

func userOf(u ledger.User) *generated.User {
	return &generated.User{
		Account: u.AccountID, ID: u.AccountID.String(), Username: scalar.NewOrNil[scalar.Username](u.Username),
		Phone: scalar.NewOrNil[scalar.Phone](u.Phone), Language: u.Language, CreatedAt: u.CreatedAt,
	}
}

func (u users) DefaultAccount(ctx context.Context, user *generated.User) (generated.Account, error) {
	row, err := u.user(ctx, user.Account)
	if err != nil {
		return nil, err
	}
	return *accountOf(row), nil
}

func (u users) APIKeys(ctx context.Context, user *generated.User) ([]*generated.APIKey, error) {
	rows, err := u.keysOf(ctx, user.Account)
	out := make([]*generated.APIKey, len(rows))
	for i, row := range rows {
		out[i] = u.keyOf(row)
	}
	return out, err
}

func (u users) Contacts(ctx context.Context, user *generated.User) ([]*generated.UserContact, error) {
	rows, err := once(ctx, contactsOfAccount{user.Account}, func() ([]ledger.Contact, error) { return u.Ledger.Contacts(ctx, user.Account) })
	out := make([]*generated.UserContact, len(rows))
	for i, row := range rows {
		name := scalar.New[scalar.Username](row.Username)
		out[i] = &generated.UserContact{ID: name, Username: name, TransactionsCount: int(row.Transactions)}
	}
	return out, err
}

func accountOf(u ledger.User) *generated.ConsumerAccount {
	currency := u.DisplayCurrency
	if currency == "" {
		currency = dollars
	}
	return &generated.ConsumerAccount{
		Account: u.AccountID, ID: u.AccountID.String(), DisplayCurrency: scalar.New[scalar.DisplayCurrency](currency), Level: generated.AccountLevelOne,
	}
}

func (a accounts) DefaultWalletID(ctx context.Context, of *generated.ConsumerAccount) (*scalar.WalletID, error) {
	wallet, err := a.defaultWallet(ctx, of.Account, "")
	return &scalar.WalletID{ID: wallet.ID}, err
}

func (a accounts) DefaultWallet(ctx context.Context, of *generated.ConsumerAccount) (*generated.PublicWallet, error) {
	wallet, err := a.defaultWallet(ctx, of.Account, "")
	return publicWallet(wallet), err
}

// defaultWallet is the one that the owner has chosen, or his first in a currency that is named and not the chosen one's.
func (r *resolver) defaultWallet(ctx context.Context, account payment.AccountID, currency payment.Currency) (ledger.Wallet, error) {
	user, err := r.user(ctx, account)
	if err != nil {
		return ledger.Wallet{}, err
	}
	wallets, err := r.walletsOf(ctx, account)
	if err != nil {
		return ledger.Wallet{}, err
	}
	var chosen ledger.Wallet
	for _, wallet := range wallets {
		fits := currency == "" && wallet.ID == user.DefaultWalletID || currency == wallet.Currency
		if fits && (chosen.ID == uuid.Nil || wallet.ID == user.DefaultWalletID) {
			chosen = wallet
		}
	}
	if chosen.ID == uuid.Nil {
		return chosen, payment.Errorf(payment.ReasonWalletNotFound, "The account has no such wallet. Ask for one in another currency.")
	}
	return chosen, nil
}

func publicWallet(w ledger.Wallet) *generated.PublicWallet {
	return &generated.PublicWallet{ID: w.ID.String(), Currency: generated.WalletCurrency(w.Currency), WalletCurrency: generated.WalletCurrency(w.Currency)}
}

func (a accounts) RealtimePrice(ctx context.Context, of *generated.ConsumerAccount) (*generated.RealtimePrice, error) {
	return a.realtimePrice(ctx, of.DisplayCurrency.Text)
}

func (a accounts) CallbackEndpoints(ctx context.Context, of *generated.ConsumerAccount) ([]*generated.CallbackEndpoint, error) {
	rows, err := once(ctx, callbacksOfAccount{of.Account}, func() ([]ledger.Callback, error) { return a.Ledger.Callbacks(ctx, of.Account) })
	out := make([]*generated.CallbackEndpoint, len(rows))
	for i, row := range rows {
		out[i] = &generated.CallbackEndpoint{ID: scalar.EndpointID{ID: row.ID}, URL: scalar.New[scalar.EndpointURL](row.URL)}
	}
	return out, err
}

// Wallets are the account's, oldest first.
func (a accounts) Wallets(ctx context.Context, of *generated.ConsumerAccount) ([]generated.Wallet, error) {
	rows, err := a.walletsOf(ctx, of.Account)
	out := make([]generated.Wallet, len(rows))
	for i, row := range rows {
		out[i] = walletOf(row)
	}
	return out, err
}

func (a accounts) WalletByID(ctx context.Context, of *generated.ConsumerAccount, id scalar.WalletID) (generated.Wallet, error) {
	wallets, err := a.walletsOf(ctx, of.Account)
	if err != nil {
		return nil, err
	}
	for _, wallet := range wallets {
		if wallet.ID == id.ID {
			return walletOf(wallet), nil
		}
	}
	return nil, noOwnWallet()
}

func (a accounts) Transactions(ctx context.Context, of *generated.ConsumerAccount, wallets []*scalar.WalletID, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	ids, err := a.ownWallets(ctx, wallets)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(first, last, after, before)
	if err != nil {
		return nil, err
	}
	return a.transactions(ctx, ledger.TransactionFilter{AccountID: of.Account, WalletIDs: ids}, p)
}

func (a accounts) Invoices(ctx context.Context, of *generated.ConsumerAccount, wallets []*scalar.WalletID, first, last *int, after, before *string) (*generated.InvoiceConnection, error) {
	ids, err := a.ownWallets(ctx, wallets)
	if err != nil {
		return nil, err
	}
	p, err := pageOf(first, last, after, before)
	if err != nil {
		return nil, err
	}
	return a.invoices(ctx, ledger.InvoiceFilter{AccountID: of.Account, WalletIDs: ids}, p)
}

func (a accounts) PendingIncomingTransactions(ctx context.Context, of *generated.ConsumerAccount, wallets []*scalar.WalletID) ([]*generated.Transaction, error) {
	ids, err := a.ownWallets(ctx, wallets)
	if err != nil {
		return nil, err
	}
	return a.pending(ctx, of.Account, ids, "")
}

// ownWallets checks that the wallets of a list are the caller's. An empty list means all.
func (r *resolver) ownWallets(ctx context.Context, named []*scalar.WalletID) ([]payment.WalletID, error) {
	var ids []payment.WalletID
	for _, id := range named {
		if id != nil {
			ids = append(ids, id.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	wallets, err := r.walletsOf(ctx, account(ctx))
	if err != nil {
		return nil, err
	}
	own := map[payment.WalletID]bool{}
	for _, wallet := range wallets {
		own[wallet.ID] = true
	}
	for _, id := range ids {
		if !own[id] {
			return nil, noOwnWallet()
		}
	}
	return ids, nil
}

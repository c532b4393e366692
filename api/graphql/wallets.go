package graphqlapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// walletOf shows what can be spent now: what payments in flight hold is not.
func walletOf(w ledger.Wallet) generated.Wallet {
	balance := shownAmount(w.Currency, w.Available())
	if w.Currency == payment.USD {
		return generated.UsdWallet{
			Account: w.AccountID, Wallet: w.ID, ID: w.ID.String(), AccountID: w.AccountID.String(),
			WalletCurrency: generated.WalletCurrencyUsd, Balance: balance,
		}
	}
	return generated.BTCWallet{
		Account: w.AccountID, Wallet: w.ID, ID: w.ID.String(), AccountID: w.AccountID.String(),
		WalletCurrency: generated.WalletCurrencyBtc, Balance: balance,
	}
}

// purse is a wallet of the caller, in whatever currency: what both types of wallets answer alike.
type purse struct {
	*resolver
	account payment.AccountID
	wallet  payment.WalletID
}

func (b btcWallets) of(w *generated.BTCWallet) purse { return purse{b.resolver, w.Account, w.Wallet} }
func (u usdWallets) of(w *generated.UsdWallet) purse { return purse{u.resolver, w.Account, w.Wallet} }

func (p purse) filter() ledger.TransactionFilter {
	return ledger.TransactionFilter{AccountID: p.account, WalletIDs: []payment.WalletID{p.wallet}}
}

func (p purse) pendingBalance(ctx context.Context) (int64, error) {
	rows, err := p.pendingReceives(ctx, p.account, []payment.WalletID{p.wallet}, "")
	var sum payment.Msat
	for _, row := range rows {
		sum += row.Amount
	}
	return int64(sum.Floor()), err
}

func (p purse) page(ctx context.Context, filter ledger.TransactionFilter, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	page, err := pageOf(first, last, after, before)
	if err != nil {
		return nil, err
	}
	return p.transactions(ctx, filter, page)
}

func (p purse) byID(ctx context.Context, text string) (*generated.Transaction, error) {
	missing := payment.Errorf(payment.ReasonNotFound, "There is no such transaction in this wallet. Check its id.")
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, missing
	}
	row, err := p.Ledger.Transaction(ctx, p.account, id)
	if err == nil && row.WalletID != p.wallet {
		// Both sides of a payment inside the account: the id may be the other wallet's.
		row, err = p.Ledger.TransactionOfPayment(ctx, p.account, p.wallet, id)
	}
	switch {
	case payment.IsReason(err, payment.ReasonNotFound):
		return nil, missing
	case err != nil:
		return nil, err
	}
	return p.transaction(ctx, row), nil
}

func (p purse) byHash(ctx context.Context, hash payment.Hash) ([]*generated.Transaction, error) {
	filter := p.filter()
	filter.PaymentHash = &hash
	return p.listed(ctx, filter)
}

func (p purse) byInvoice(ctx context.Context, text string) ([]*generated.Transaction, error) {
	decoded, err := p.Starter.DecodeInvoice(text)
	if err != nil {
		return nil, err
	}
	return p.byHash(ctx, decoded.Hash)
}

func (p purse) byAddress(ctx context.Context, address string, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	filter := p.filter()
	filter.Address = address
	return p.page(ctx, filter, first, last, after, before)
}

func (p purse) incoming(ctx context.Context, address string) ([]*generated.Transaction, error) {
	return p.pending(ctx, p.account, []payment.WalletID{p.wallet}, address)
}

func (p purse) invoicesPage(ctx context.Context, first, last *int, after, before *string) (*generated.InvoiceConnection, error) {
	page, err := pageOf(first, last, after, before)
	if err != nil {
		return nil, err
	}
	return p.invoices(ctx, ledger.InvoiceFilter{AccountID: p.account, WalletIDs: []payment.WalletID{p.wallet}}, page)
}

func (p purse) invoice(ctx context.Context, hash payment.Hash) (generated.Invoice, error) {
	row, err := p.Ledger.Invoice(ctx, hash)
	if err == nil && (row.AccountID != p.account || row.WalletID != p.wallet) {
		err = payment.Errorf(payment.ReasonNotFound, "There is no invoice of ours with this payment hash. Check it.")
	}
	if err != nil {
		return nil, err
	}
	return p.anyInvoiceOf(row), nil
}

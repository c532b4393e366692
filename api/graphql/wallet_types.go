package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
)

// The two types of wallets have the same fields, and the schema makes a resolver of each.

func (b btcWallets) PendingIncomingBalance(ctx context.Context, w *generated.BTCWallet) (int64, error) {
	return b.of(w).pendingBalance(ctx)
}

func (b btcWallets) Transactions(ctx context.Context, w *generated.BTCWallet, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	return b.of(w).page(ctx, b.of(w).filter(), first, last, after, before)
}

func (b btcWallets) TransactionByID(ctx context.Context, w *generated.BTCWallet, id string) (*generated.Transaction, error) {
	return b.of(w).byID(ctx, id)
}

func (b btcWallets) TransactionsByPaymentHash(ctx context.Context, w *generated.BTCWallet, hash scalar.PaymentHash) ([]*generated.Transaction, error) {
	return b.of(w).byHash(ctx, hash.Hash)
}

func (b btcWallets) TransactionsByPaymentRequest(ctx context.Context, w *generated.BTCWallet, request scalar.LnPaymentRequest) ([]*generated.Transaction, error) {
	return b.of(w).byInvoice(ctx, request.Text)
}

func (b btcWallets) TransactionsByAddress(ctx context.Context, w *generated.BTCWallet, address scalar.OnChainAddress, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	return b.of(w).byAddress(ctx, address.Text, first, last, after, before)
}

func (b btcWallets) PendingIncomingTransactions(ctx context.Context, w *generated.BTCWallet) ([]*generated.Transaction, error) {
	return b.of(w).incoming(ctx, "")
}

func (b btcWallets) PendingIncomingTransactionsByAddress(ctx context.Context, w *generated.BTCWallet, address scalar.OnChainAddress) ([]*generated.Transaction, error) {
	return b.of(w).incoming(ctx, address.Text)
}

func (b btcWallets) Invoices(ctx context.Context, w *generated.BTCWallet, first, last *int, after, before *string) (*generated.InvoiceConnection, error) {
	return b.of(w).invoicesPage(ctx, first, last, after, before)
}

func (b btcWallets) InvoiceByPaymentHash(ctx context.Context, w *generated.BTCWallet, hash scalar.PaymentHash) (generated.Invoice, error) {
	return b.of(w).invoice(ctx, hash.Hash)
}

func (u usdWallets) PendingIncomingBalance(ctx context.Context, w *generated.UsdWallet) (int64, error) {
	return u.of(w).pendingBalance(ctx)
}

func (u usdWallets) Transactions(ctx context.Context, w *generated.UsdWallet, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	return u.of(w).page(ctx, u.of(w).filter(), first, last, after, before)
}

func (u usdWallets) TransactionByID(ctx context.Context, w *generated.UsdWallet, id string) (*generated.Transaction, error) {
	return u.of(w).byID(ctx, id)
}

func (u usdWallets) TransactionsByPaymentHash(ctx context.Context, w *generated.UsdWallet, hash scalar.PaymentHash) ([]*generated.Transaction, error) {
	return u.of(w).byHash(ctx, hash.Hash)
}

func (u usdWallets) TransactionsByPaymentRequest(ctx context.Context, w *generated.UsdWallet, request scalar.LnPaymentRequest) ([]*generated.Transaction, error) {
	return u.of(w).byInvoice(ctx, request.Text)
}

func (u usdWallets) TransactionsByAddress(ctx context.Context, w *generated.UsdWallet, address scalar.OnChainAddress, first, last *int, after, before *string) (*generated.TransactionConnection, error) {
	return u.of(w).byAddress(ctx, address.Text, first, last, after, before)
}

func (u usdWallets) PendingIncomingTransactions(ctx context.Context, w *generated.UsdWallet) ([]*generated.Transaction, error) {
	return u.of(w).incoming(ctx, "")
}

func (u usdWallets) PendingIncomingTransactionsByAddress(ctx context.Context, w *generated.UsdWallet, address scalar.OnChainAddress) ([]*generated.Transaction, error) {
	return u.of(w).incoming(ctx, address.Text)
}

func (u usdWallets) Invoices(ctx context.Context, w *generated.UsdWallet, first, last *int, after, before *string) (*generated.InvoiceConnection, error) {
	return u.of(w).invoicesPage(ctx, first, last, after, before)
}

func (u usdWallets) InvoiceByPaymentHash(ctx context.Context, w *generated.UsdWallet, hash scalar.PaymentHash) (generated.Invoice, error) {
	return u.of(w).invoice(ctx, hash.Hash)
}

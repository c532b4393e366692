package graphqlapi

import (
	"context"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// resolver answers the fields; one file per subject holds its methods.
type resolver struct {
	Config
	payer  payer
	schema *ast.Schema
	open   census // WebSockets
}

type (
	mutations     struct{ *resolver }
	queries       struct{ *resolver }
	subscriptions struct{ *resolver }
	accounts      struct{ *resolver }
	users         struct{ *resolver }
	keys          struct{ *resolver }
	dayLimits     struct{ *resolver }
	longLimits    struct{ *resolver }
	btcWallets    struct{ *resolver }
	usdWallets    struct{ *resolver }
)

func (r *resolver) Mutation() generated.MutationResolver               { return mutations{r} }
func (r *resolver) Query() generated.QueryResolver                     { return queries{r} }
func (r *resolver) Subscription() generated.SubscriptionResolver       { return subscriptions{r} }
func (r *resolver) ConsumerAccount() generated.ConsumerAccountResolver { return accounts{r} }
func (r *resolver) User() generated.UserResolver                       { return users{r} }
func (r *resolver) ApiKey() generated.ApiKeyResolver                   { return keys{r} } //nolint:staticcheck // gqlgen names it
func (r *resolver) OneDayAccountLimit() generated.OneDayAccountLimitResolver {
	return dayLimits{r}
}

func (r *resolver) RollingAccountLimit() generated.RollingAccountLimitResolver {
	return longLimits{r}
}
func (r *resolver) BTCWallet() generated.BTCWalletResolver { return btcWallets{r} }
func (r *resolver) UsdWallet() generated.UsdWalletResolver { return usdWallets{r} }

// account is the caller's; the guard has seen to it that there is one.
func account(ctx context.Context) payment.AccountID { return identity.PrincipalFrom(ctx).AccountID }

// ownWallet reads a wallet of the caller. Another owner's is ReasonWalletNotFound, as one that does not exist.
func (r *resolver) ownWallet(ctx context.Context, id payment.WalletID) (ledger.Wallet, error) {
	wallet, err := r.Ledger.Wallet(ctx, id)
	if payment.IsReason(err, payment.ReasonWalletNotFound) || err == nil && wallet.AccountID != account(ctx) {
		return ledger.Wallet{}, noOwnWallet()
	}
	return wallet, err
}

// ownWalletIn is ownWallet for what works in one currency only.
func (r *resolver) ownWalletIn(ctx context.Context, id payment.WalletID, currency payment.Currency) (ledger.Wallet, error) {
	wallet, err := r.ownWallet(ctx, id)
	if err == nil && wallet.Currency != currency {
		err = wrongCurrency(currency, wallet.Currency)
	}
	return wallet, err
}

func wrongCurrency(want, got payment.Currency) error {
	return payment.Errorf(payment.ReasonInvalidInput, "This needs a %s wallet, and the wallet is in %s. Choose another wallet.", want, got)
}

package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/payment"
)

// networks in the words of the schema.
var networks = map[string]generated.Network{
	"mainnet": generated.NetworkMainnet, "testnet": generated.NetworkTestnet, "testnet4": generated.NetworkTestnet, "signet": generated.NetworkSignet,
	"regtest": generated.NetworkRegtest,
}

// AccountDefaultWallet is where a user's money goes: what a payer by name asks for.
func (q queries) AccountDefaultWallet(ctx context.Context, username scalar.Username, currency *generated.WalletCurrency) (*generated.PublicWallet, error) {
	user, err := q.Ledger.UserByUsername(ctx, username.Text)
	if err != nil {
		return nil, err
	}
	var wanted payment.Currency
	if currency != nil {
		wanted = payment.Currency(*currency)
	}
	wallet, err := q.defaultWallet(ctx, user.AccountID, wanted)
	if err != nil {
		return nil, err
	}
	return publicWallet(wallet), nil
}

// UserDefaultWalletID is the same for older clients, which want the id alone.
func (q queries) UserDefaultWalletID(ctx context.Context, username scalar.Username) (*scalar.WalletID, error) {
	user, err := q.Ledger.UserByUsername(ctx, username.Text)
	if err != nil {
		return nil, err
	}
	wallet, err := q.defaultWallet(ctx, user.AccountID, "")
	return &scalar.WalletID{ID: wallet.ID}, err
}

// UsernameAvailable reports whether a name may still be taken.
func (q queries) UsernameAvailable(ctx context.Context, username scalar.Username) (*bool, error) {
	_, err := q.Ledger.UserByUsername(ctx, username.Text)
	switch {
	case payment.IsReason(err, payment.ReasonAccountNotFound):
		return new(true), nil
	case err != nil:
		return nil, err
	}
	return new(false), nil
}

// Globals are facts about the service.
func (q queries) Globals(context.Context) (*generated.Globals, error) {
	return &generated.Globals{
		Network: networks[q.Network], NodesIds: append([]string{}, q.NodeIDs...), LightningAddressDomain: q.LightningDomain,
		// Deposits cost nothing.
		FeesInformation: &generated.FeesInformation{Deposit: &generated.DepositFeesInformation{MinBankFee: "0", MinBankFeeThreshold: "0", Ratio: "0"}},
	}, nil
}

// RealtimePrice is the price now.
func (q queries) RealtimePrice(ctx context.Context, currency *scalar.DisplayCurrency) (*generated.RealtimePrice, error) {
	if currency == nil {
		return q.realtimePrice(ctx, dollars)
	}
	return q.realtimePrice(ctx, currency.Text)
}

package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

func (m mutations) OnChainAddressCreate(ctx context.Context, in generated.OnChainAddressCreateInput) (*generated.OnChainAddressPayload, error) {
	return m.address(ctx, in.WalletID, m.Starter.CreateAddress)
}

func (m mutations) OnChainAddressCurrent(ctx context.Context, in generated.OnChainAddressCurrentInput) (*generated.OnChainAddressPayload, error) {
	return m.address(ctx, in.WalletID, m.Starter.CurrentAddress)
}

// address of a wallet. One of a USD wallet would have to be converted when it receives.
func (r *resolver) address(
	ctx context.Context, walletID scalar.WalletID, give func(context.Context, payment.AccountID, payment.WalletID) (string, error),
) (*generated.OnChainAddressPayload, error) {
	var err error
	var address string
	if bad := walletID.Problem(); bad != nil {
		err = bad
	} else if err = r.limited(ctx, limit.Addresses); err == nil {
		err = r.receivesBitcoin(ctx, starter.ReceiveInvoice{AccountID: account(ctx), WalletID: walletID.ID})
	}
	if err == nil {
		address, err = give(ctx, account(ctx), walletID.ID)
	}
	if err != nil {
		return &generated.OnChainAddressPayload{Errors: r.payloadErrors(ctx, err)}, nil
	}
	return &generated.OnChainAddressPayload{Errors: none(), Address: new(scalar.New[scalar.OnChainAddress](address))}, nil
}

package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

func (m mutations) LnInvoiceFeeProbe(ctx context.Context, in generated.LnInvoiceFeeProbeInput) (*generated.SatAmountPayload, error) {
	return m.probe(ctx, in, starter.ProbeInvoice{AccountID: account(ctx), WalletID: in.WalletID.ID, Invoice: in.PaymentRequest.Text}, true)
}

func (m mutations) LnNoAmountInvoiceFeeProbe(ctx context.Context, in generated.LnNoAmountInvoiceFeeProbeInput) (*generated.SatAmountPayload, error) {
	return m.probe(ctx, in, starter.ProbeInvoice{
		AccountID: account(ctx), WalletID: in.WalletID.ID, Invoice: in.PaymentRequest.Text, Amount: in.Amount.Sat.MustMsat(),
	}, in.Amount.Sat > 0)
}

func (m mutations) LnUsdInvoiceFeeProbe(ctx context.Context, in generated.LnUsdInvoiceFeeProbeInput) (*generated.SatAmountPayload, error) {
	return &generated.SatAmountPayload{Errors: m.payloadErrors(ctx, m.dollarProbe(ctx, in, in.WalletID))}, nil
}

func (m mutations) LnNoAmountUsdInvoiceFeeProbe(ctx context.Context, in generated.LnNoAmountUsdInvoiceFeeProbeInput) (*generated.CentAmountPayload, error) {
	return &generated.CentAmountPayload{Errors: m.payloadErrors(ctx, m.dollarProbe(ctx, in, in.WalletID))}, nil
}

// probe answers the fee, or an error, or both: the limit that a payment would reserve and why it would fail.
func (r *resolver) probe(ctx context.Context, input any, ask starter.ProbeInvoice, priced bool) (*generated.SatAmountPayload, error) {
	if bad := scalar.Problem(input); bad != nil {
		return &generated.SatAmountPayload{Errors: r.payloadErrors(ctx, bad)}, nil
	}
	err := r.limited(ctx, limit.Payments)
	if err == nil && !priced {
		err = payment.Errorf(payment.ReasonInvalidAmount, "The amount must be above zero.")
	}
	if err == nil {
		_, err = r.ownWalletIn(ctx, ask.WalletID, payment.BTC)
	}
	if err != nil {
		return &generated.SatAmountPayload{Errors: r.payloadErrors(ctx, err)}, nil
	}
	fee, err := r.Starter.ProbeInvoiceFee(ctx, ask)
	answer := &generated.SatAmountPayload{Errors: none(), Amount: new(scalar.Sats(fee))}
	if err != nil {
		answer.Errors = r.payloadErrors(ctx, err)
		answer.Amount = scalar.SatsOrNil(fee, fee > 0)
	}
	return answer, nil
}

// dollarProbe is why there is no probe from a USD wallet yet.
func (r *resolver) dollarProbe(ctx context.Context, input any, walletID scalar.WalletID) error {
	if bad := scalar.Problem(input); bad != nil {
		return bad
	}
	if err := r.limited(ctx, limit.Payments); err != nil {
		return err
	}
	if _, err := r.ownWalletIn(ctx, walletID.ID, payment.USD); err != nil {
		return err
	}
	return noDollars()
}

// OnChainTxFee is the miner fee of a payment now.
func (q queries) OnChainTxFee(ctx context.Context, walletID scalar.WalletID, address scalar.OnChainAddress, amount scalar.SatAmount, speed generated.PayoutSpeed) (*generated.OnChainTxFee, error) {
	if err := q.limited(ctx, limit.Payments); err != nil { // it asks the node, as the probes do
		return nil, err
	}
	if _, err := q.ownWalletIn(ctx, walletID.ID, payment.BTC); err != nil {
		return nil, err
	}
	fee, err := q.Starter.EstimateOnchainFee(ctx, account(ctx), walletID.ID, address.Text, amount.Sat, payment.Speed(speed))
	if err != nil {
		return nil, err
	}
	return &generated.OnChainTxFee{Amount: scalar.Sats(fee)}, nil
}

// OnChainUsdTxFee needs a price.
func (q queries) OnChainUsdTxFee(ctx context.Context, walletID scalar.WalletID, _ scalar.OnChainAddress, _ scalar.CentAmount, _ generated.PayoutSpeed) (*generated.OnChainUsdTxFee, error) {
	return nil, q.dollarProbe(ctx, walletID, walletID)
}

// OnChainUsdTxFeeAsBtcDenominated needs a price.
func (q queries) OnChainUsdTxFeeAsBtcDenominated(ctx context.Context, walletID scalar.WalletID, _ scalar.OnChainAddress, _ scalar.SatAmount, _ generated.PayoutSpeed) (*generated.OnChainUsdTxFee, error) {
	return nil, q.dollarProbe(ctx, walletID, walletID)
}

// PayoutSpeeds are what onChainPaymentSend takes.
func (q queries) PayoutSpeeds(context.Context) ([]*generated.PayoutSpeeds, error) {
	return []*generated.PayoutSpeeds{
		{Speed: generated.PayoutSpeedFast, DisplayName: "Fast", Description: new("Aims at the next two blocks, about 20 minutes.")},
		{Speed: generated.PayoutSpeedMedium, DisplayName: "Medium", Description: new("Aims at six blocks, about an hour.")},
		{Speed: generated.PayoutSpeedSlow, DisplayName: "Slow", Description: new("Aims at 24 blocks, about four hours.")},
	}, nil
}

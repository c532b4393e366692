package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// ProbeFee looks for the best single route. LND computes it from its graph: no HTLC is sent.
func (n *NodeSteps) ProbeFee(ctx context.Context, in step.ProbeInput) (step.Probe, error) {
	refuse := func(reason payment.Reason) (step.Probe, error) {
		failure := explain(reason)
		return step.Probe{Failure: &failure}, nil
	}
	fee, err := n.Node.EstimateRouteFee(ctx, in.Invoice, in.Amount)
	switch {
	case errors.Is(err, lndclient.ErrNotFound), lndclient.WhyRefused(err) == payment.ReasonNodeFunds: // in parts it may still go
		return refuse(payment.ReasonNoRoute)
	case errors.Is(err, lndclient.ErrRefused):
		return refuse(whyOr(err, payment.ReasonNoRoute))
	case err != nil:
		return step.Probe{}, err
	}
	return step.Probe{Fee: fee}, nil
}

// EstimateOnchain prices a payment: the fee rate for its speed, and a reserve of a quarter above the estimate, because
// the inputs are chosen only later.
func (n *NodeSteps) EstimateOnchain(ctx context.Context, req payment.Request) (step.Quote, error) {
	defer heartbeating(ctx)()
	refuse := func(reason payment.Reason) (step.Quote, error) {
		failure := explain(reason)
		return step.Quote{Failure: &failure}, nil
	}
	amount := req.Amount.Ceil()
	if req.SendAll {
		wallet, err := n.Ledger.Wallet(ctx, req.WalletID)
		switch {
		case payment.IsReason(err, payment.ReasonWalletNotFound), err == nil && wallet.AccountID != req.AccountID:
			return refuse(payment.ReasonWalletNotFound)
		case err != nil:
			return step.Quote{}, err
		}
		if amount = wallet.Available().Floor(); amount <= 0 {
			return step.Quote{Failure: tooLittle(wallet, "pays for no fee")}, nil
		}
	}
	target, ok := req.Speed.TargetBlocks()
	if !ok || amount <= 0 {
		return refuse(payment.ReasonInvalidInput)
	}
	estimate, err := n.Node.EstimateFee(ctx, req.Address, amount, target)
	switch {
	case errors.Is(err, lndclient.ErrRefused):
		why := whyOr(err, payment.ReasonNodeFunds)
		if wallet, lacks := n.lacks(ctx, req, amount); lacks && why == payment.ReasonNodeFunds {
			return step.Quote{Failure: tooLittle(wallet, fmt.Sprintf("does not pay for %v and the fee", amount))}, nil
		}
		return refuse(why)
	case err != nil:
		n.Log.WarnContext(ctx, "no fee estimate", "payment_id", req.ID.String(), "node", n.Name, "error", err)
		return refuse(payment.ReasonNodeOffline)
	}
	reserve := estimate.Fee + estimate.Fee/4 + 1
	return step.Quote{Fee: estimate.Fee.MustMsat(), FeeReserve: reserve.MustMsat(), SatPerVByte: estimate.SatPerVByte}, nil
}

// lacks reads the customer's wallet, and reports whether it does not have the amount, whatever the node has.
func (n *NodeSteps) lacks(ctx context.Context, req payment.Request, amount payment.Sat) (ledger.Wallet, bool) {
	wallet, err := n.Ledger.Wallet(ctx, req.WalletID)
	return wallet, err == nil && wallet.AccountID == req.AccountID && wallet.Available().Floor() < amount
}

func tooLittle(wallet ledger.Wallet, why string) *payment.Failure {
	return &payment.Failure{
		Reason:  payment.ReasonInsufficientBalance,
		Message: fmt.Sprintf("The wallet has %v available, which %s. Receive funds or pay less.", wallet.Available().Floor(), why),
	}
}

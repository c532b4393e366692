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
// the inputs are chosen only later. A payment that has its row (its saga was started again) keeps the reserve of that.
func (n *NodeSteps) EstimateOnchain(ctx context.Context, req payment.Request) (step.Quote, error) {
	defer heartbeating(ctx)()
	row, err := n.Ledger.Payment(ctx, req.ID)
	switch {
	case err == nil:
		return n.estimateAgain(ctx, row), nil
	case !payment.IsReason(err, payment.ReasonPaymentNotFound):
		return step.Quote{}, err
	}
	amount := req.Amount.Ceil()
	if req.SendAll {
		wallet, err := n.Ledger.Wallet(ctx, req.WalletID)
		switch {
		case payment.IsReason(err, payment.ReasonWalletNotFound), err == nil && wallet.AccountID != req.AccountID:
			return noQuote(payment.ReasonWalletNotFound), nil
		case err != nil:
			return step.Quote{}, err
		}
		if amount = wallet.Available().Floor(); amount <= 0 {
			return step.Quote{Failure: tooLittle(wallet, "pays for no fee")}, nil
		}
	}
	target, ok := req.Speed.TargetBlocks()
	if !ok || amount <= 0 {
		return noQuote(payment.ReasonInvalidInput), nil
	}
	estimate, err := n.Node.EstimateFee(ctx, req.Address, amount, target)
	if err != nil {
		if wallet, lacks := n.lacks(ctx, req, amount, err); lacks {
			return step.Quote{Failure: tooLittle(wallet, fmt.Sprintf("does not pay for %v and the fee", amount))}, nil
		}
		return n.unquoted(ctx, req.ID, err), nil
	}
	reserve := estimate.Fee + estimate.Fee/4 + 1
	return step.Quote{Fee: estimate.Fee.MustMsat(), FeeReserve: reserve.MustMsat(), SatPerVByte: estimate.SatPerVByte}, nil
}

// estimateAgain does not look at the wallet, which is less by the payment's own hold. Only what is not signed yet needs the node, for
// a rate; what an earlier run leased for it is freed first, or the node might seem to lack it.
func (n *NodeSteps) estimateAgain(ctx context.Context, row ledger.Payment) step.Quote {
	quote := step.Quote{FeeReserve: row.FeeReserve}
	if row.State != payment.Reserved || row.TxID != "" {
		return quote
	}
	if err := n.Node.ReleaseLeases(ctx, lockID(row.ID)); err != nil {
		return n.unquoted(ctx, row.ID, err)
	}
	target, _ := row.Speed.TargetBlocks() // it was estimated before
	estimate, err := n.Node.EstimateFee(ctx, row.Address, row.Amount.Ceil(), target)
	if err != nil {
		return n.unquoted(ctx, row.ID, err)
	}
	quote.Fee, quote.SatPerVByte = estimate.Fee.MustMsat(), estimate.SatPerVByte
	return quote
}

// unquoted is an answer of LND that ends the payment, or silence; nothing has left.
func (n *NodeSteps) unquoted(ctx context.Context, id payment.ID, err error) step.Quote {
	n.Log.WarnContext(ctx, "no fee estimate", "payment_id", id.String(), "node", n.Name, "error", err)
	return noQuote(whyNoQuote(err))
}

func whyNoQuote(err error) payment.Reason {
	if errors.Is(err, lndclient.ErrRefused) {
		return whyOr(err, payment.ReasonNodeFunds)
	}
	return payment.ReasonNodeOffline
}

func noQuote(reason payment.Reason) step.Quote {
	failure := explain(reason)
	return step.Quote{Failure: &failure}
}

// lacks reports whether it is rather the customer's wallet that does not have the amount, where the node has too little.
func (n *NodeSteps) lacks(ctx context.Context, req payment.Request, amount payment.Sat, why error) (ledger.Wallet, bool) {
	if whyNoQuote(why) != payment.ReasonNodeFunds {
		return ledger.Wallet{}, false
	}
	wallet, err := n.Ledger.Wallet(ctx, req.WalletID)
	return wallet, err == nil && wallet.AccountID == req.AccountID && wallet.Available().Floor() < amount
}

func tooLittle(wallet ledger.Wallet, why string) *payment.Failure {
	return &payment.Failure{
		Reason:  payment.ReasonInsufficientBalance,
		Message: fmt.Sprintf("The wallet has %v available, which %s. Receive funds or pay less.", wallet.Available().Floor(), why),
	}
}

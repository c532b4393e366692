package starter

import (
	"context"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// ProbeInvoice asks what a payment of an invoice would cost beside its amount.
type ProbeInvoice struct {
	AccountID payment.AccountID
	WalletID  payment.WalletID
	Invoice   string
	Amount    payment.Msat // only for an invoice without amount; else 0
}

// ProbeInvoiceFee gives the fee of the best route now, rounded up; zero for an invoice of ours. Nothing is sent. Without a
// route that costs less than the fee limit there are both: the limit, which a payment would reserve, and an error
// (ReasonNoRoute, ReasonFeeOverLimit). Where no single route can be computed (blinded paths), the limit is the answer.
func (s *Starter) ProbeInvoiceFee(ctx context.Context, ask ProbeInvoice) (payment.Sat, error) {
	if _, err := s.ownWallet(ctx, ask.AccountID, ask.WalletID); err != nil {
		return 0, err
	}
	node, err := s.node()
	if err != nil {
		return 0, err
	}
	req, err := s.invoiceRequest(ctx, PayInvoice{
		Caller: Caller{AccountID: ask.AccountID}, WalletID: ask.WalletID, Invoice: ask.Invoice, Amount: ask.Amount,
	})
	switch {
	case err != nil:
		return 0, err
	case req.Kind == payment.Intraledger:
		return 0, nil
	}
	limit := req.FeeReserve.Ceil()
	if invoice, err := lndclient.DecodeInvoice(req.Invoice, s.cfg.Network); err != nil || !invoice.HasSecret {
		return limit, err
	}
	var probe step.Probe
	err = s.askNode(ctx, "probe-", workflows.ProbeFee, step.ProbeInput{Node: node, Invoice: req.Invoice, Amount: req.Amount}, &probe)
	switch {
	case err != nil:
		return 0, err
	case probe.Failure != nil:
		return limit, &payment.Error{Failure: *probe.Failure}
	case probe.Fee.Ceil() > limit:
		return limit, payment.Errorf(payment.ReasonFeeOverLimit,
			"The cheapest route costs %v, more than the fee limit of %v. Try later, or pay on-chain.", probe.Fee.Ceil(), limit)
	}
	return probe.Fee.Ceil(), nil
}

// EstimateOnchainFee gives the miner fee of a payment now; zero for an address of ours. Nothing is signed. What a payment
// would be refused for is refused here too: dust, an address of another network, an unknown speed.
func (s *Starter) EstimateOnchainFee(ctx context.Context, account payment.AccountID, wallet payment.WalletID, address string, amount payment.Sat, speed payment.Speed) (payment.Sat, error) {
	if _, err := s.ownWallet(ctx, account, wallet); err != nil {
		return 0, err
	}
	req, err := s.addressRequest(ctx, PayAddress{
		Caller: Caller{AccountID: account}, WalletID: wallet, Address: address, Amount: amount, Speed: speed,
	})
	switch {
	case err != nil:
		return 0, err
	case req.Kind == payment.Intraledger:
		return 0, nil
	}
	var quote step.Quote
	if err := s.askNode(ctx, "fee-", workflows.EstimateFee, req, &quote); err != nil {
		return 0, err
	}
	if quote.Failure != nil {
		return 0, &payment.Error{Failure: *quote.Failure}
	}
	return quote.Fee.Ceil(), nil
}

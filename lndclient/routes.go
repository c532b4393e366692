package lndclient

import (
	"context"
	"encoding/hex"
	"errors"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/invoicesrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/payment"
)

// EstimateRouteFee gives the fee in msat of the best single route now (lnrpc.QueryRoutes). It is used instead of
// routerrpc.EstimateRouteFee because that one sends probes for an invoice and counts whole satoshi for a destination.
// ErrNotFound: no route. ErrRefused with ReasonNodeFunds: our channels cannot send the amount.
func (c *Client) EstimateRouteFee(ctx context.Context, invoice string, amount payment.Msat) (payment.Msat, error) {
	query, err := c.routeQuery(invoice, amount)
	if err != nil {
		return 0, err
	}
	found, err := c.lightning.QueryRoutes(ctx, query)
	if err != nil {
		return 0, classify(ctx, callQueryRoutes, err)
	}
	if len(found.GetRoutes()) == 0 {
		return 0, &Error{Kind: KindNotFound, Call: callQueryRoutes}
	}
	return payment.Msat(found.GetRoutes()[0].GetTotalFeesMsat()), nil
}

// ExplainNoRoute looks for a route without a fee limit. LND's path finding drops routes over the limit on its way and
// reports NO_ROUTE either way, so this is the only way to tell. It is an explanation for a person, made after the
// fact: the graph may have changed, and a payment in parts may find what a single route does not.
func (c *Client) ExplainNoRoute(ctx context.Context, invoice string, amount, feeLimit payment.Msat) (payment.Reason, error) {
	fee, err := c.EstimateRouteFee(ctx, invoice, amount)
	switch {
	case err == nil && fee > feeLimit:
		return payment.ReasonFeeOverLimit, nil
	case err == nil, errors.Is(err, ErrNotFound), WhyRefused(err) == payment.ReasonNodeFunds:
		return payment.ReasonNoRoute, nil
	default:
		return payment.ReasonNoRoute, err
	}
}

func (c *Client) routeQuery(invoice string, amount payment.Msat) (*lnrpc.QueryRoutesRequest, error) {
	decoded, err := DecodeInvoice(invoice, c.network)
	if err != nil {
		return nil, refusal(callQueryRoutes, payment.ReasonInvoiceInvalid, err)
	}
	if decoded.Amount != 0 {
		amount = decoded.Amount
	}
	if amount <= 0 {
		return nil, refusal(callQueryRoutes, payment.ReasonInvalidAmount, errors.New("an invoice without amount needs one"))
	}
	params, err := networkParams(c.network)
	if err != nil {
		return nil, refusal(callQueryRoutes, payment.ReasonInternal, err)
	}
	parsed, err := zpay32.Decode(decoded.Request, params)
	if err != nil {
		return nil, refusal(callQueryRoutes, payment.ReasonInvoiceInvalid, err)
	}
	if len(parsed.BlindedPaymentPaths) > 0 {
		return nil, &Error{Kind: KindUnknown, Call: callQueryRoutes, Cause: errors.New("no estimate for blinded paths")}
	}
	return &lnrpc.QueryRoutesRequest{
		PubKey:            hex.EncodeToString(parsed.Destination.SerializeCompressed()),
		AmtMsat:           int64(amount),
		FinalCltvDelta:    int32(parsed.MinFinalCLTVExpiry()), //nolint:gosec // at most maxFinalCLTV
		RouteHints:        invoicesrpc.CreateRPCRouteHints(parsed.RouteHints),
		DestFeatures:      routerrpc.MarshalFeatures(parsed.Features),
		UseMissionControl: true,
	}, nil
}

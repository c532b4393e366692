package lndclient

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/payment"
)

// SendPayment starts paying and returns at LND's first word (routerrpc.SendPaymentV2). LND runs the payment in a
// context of its own because cancelable is false (router_server.go: SendPaymentAsync gets context.Background()), so
// that closing the stream here leaves it alone. The invoice is decoded first: what cannot be read is Refused unsent.
func (c *Client) SendPayment(ctx context.Context, send SendPayment) (Payment, error) {
	if _, err := DecodeInvoice(send.Invoice, c.network); err != nil {
		return Payment{}, refusal(callSendPayment, payment.ReasonInvoiceInvalid, err)
	}
	if send.Amount < 0 || send.FeeLimit < 0 {
		return Payment{}, refusal(callSendPayment, payment.ReasonInvalidAmount, errors.New("amount and fee limit must not be negative"))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.router.SendPaymentV2(ctx, &routerrpc.SendPaymentRequest{
		PaymentRequest:    canonicalInvoice(send.Invoice),
		AmtMsat:           int64(send.Amount),
		FeeLimitMsat:      int64(send.FeeLimit), // 0 means: free routes only
		TimeoutSeconds:    wholeSeconds(send.PathfindingTimeout),
		NoInflightUpdates: false,
		Cancelable:        false, // invariant 3
	})
	if err != nil {
		return Payment{}, classify(ctx, callSendPayment, err)
	}
	first, err := stream.Recv()
	if err != nil {
		return Payment{}, classify(ctx, callSendPayment, err)
	}
	return readPayment(callSendPayment, first)
}

// wholeSeconds rounds up to at least one second: LND reads 0 as a minute.
func wholeSeconds(d time.Duration) int32 {
	seconds := (d + time.Second - 1) / time.Second
	return int32(min(max(seconds, 1), math.MaxInt32)) //nolint:gosec // clamped
}

// LookupPayment is LND's present word: the first answer of routerrpc.TrackPaymentV2, which is sent at once.
func (c *Client) LookupPayment(ctx context.Context, hash payment.Hash) (Payment, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next, err := c.track(ctx, hash)
	if err != nil {
		return Payment{}, err
	}
	return next()
}

// FollowPayment waits for a terminal state until ctx ends. When the stream breaks it gives the last state seen and
// the error.
func (c *Client) FollowPayment(ctx context.Context, hash payment.Hash) (Payment, error) {
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	next, err := c.track(stop, hash)
	if err != nil {
		return Payment{}, err
	}
	last, err := next()
	for err == nil && !last.Terminal() {
		var seen Payment
		seen, err = next()
		if err == nil {
			last = seen
		} else if ctx.Err() != nil || deadlineOver(err) {
			return last, nil
		}
	}
	return last, err
}

// deadlineOver reports that LND was the first to see our own deadline pass, and said so before our clock did.
func deadlineOver(err error) bool {
	known, ok := errors.AsType[*Error](err)
	return ok && status.Code(known.Cause) == codes.DeadlineExceeded
}

func (c *Client) track(ctx context.Context, hash payment.Hash) (next func() (Payment, error), err error) {
	stream, err := c.router.TrackPaymentV2(ctx, &routerrpc.TrackPaymentRequest{PaymentHash: hash[:]})
	if err != nil {
		return nil, classify(ctx, callTrackPayment, err)
	}
	return func() (Payment, error) {
		update, err := stream.Recv()
		if err != nil {
			return Payment{}, classify(ctx, callTrackPayment, err)
		}
		return readPayment(callTrackPayment, update)
	}, nil
}

// LocateHTLCs looks on the channels (lnrpc.ListChannels, PendingChannels).
func (c *Client) LocateHTLCs(ctx context.Context, hash payment.Hash) (HTLCPlaces, error) {
	// Open ones first: a channel that begins to close in between is then counted twice rather than never.
	open, err := c.lightning.ListChannels(ctx, &lnrpc.ListChannelsRequest{})
	if err != nil {
		return HTLCPlaces{}, classify(ctx, callListChannels, err)
	}
	closing, err := c.lightning.PendingChannels(ctx, &lnrpc.PendingChannelsRequest{})
	if err != nil {
		return HTLCPlaces{}, classify(ctx, callPendingChannels, err)
	}
	places := HTLCPlaces{Closing: len(closing.GetPendingForceClosingChannels()) + len(closing.GetWaitingCloseChannels())}
	for _, channel := range open.GetChannels() {
		if slices.ContainsFunc(channel.GetPendingHtlcs(), func(htlc *lnrpc.HTLC) bool {
			return !htlc.GetIncoming() && bytes.Equal(htlc.GetHashLock(), hash[:])
		}) {
			places.OnChannels++
		}
	}
	return places, nil
}

// ListPayments lists by index, in every state (lnrpc.ListPayments). LND keeps the newest attempt at a hash only.
func (c *Client) ListPayments(ctx context.Context, after uint64, limit int) ([]Payment, error) {
	if limit <= 0 {
		return nil, nil
	}
	listed, err := c.lightning.ListPayments(ctx, &lnrpc.ListPaymentsRequest{
		IncludeIncomplete: true, IndexOffset: after, MaxPayments: uint64(limit),
	})
	if err != nil {
		return nil, classify(ctx, callListPayments, err)
	}
	payments := make([]Payment, 0, len(listed.GetPayments()))
	for _, update := range listed.GetPayments() {
		read, err := readPayment(callListPayments, update)
		if err != nil {
			return nil, err
		}
		payments = append(payments, read)
	}
	return payments, nil
}

// readPayment translates LND's record. A record that does not make sense is Unknown, never a state.
func readPayment(call string, update *lnrpc.Payment) (Payment, error) {
	hash, err := payment.ParseHash(update.GetPaymentHash())
	if err != nil {
		return Payment{}, &Error{Kind: KindUnknown, Call: call, Cause: err}
	}
	read := Payment{
		Hash:      hash,
		Index:     update.GetPaymentIndex(),
		Amount:    payment.Msat(update.GetValueMsat()),
		CreatedAt: time.Unix(0, update.GetCreationTimeNs()).UTC(),
	}
	switch update.GetStatus() {
	case lnrpc.Payment_INITIATED, lnrpc.Payment_IN_FLIGHT:
		read.Status = InFlight
	case lnrpc.Payment_SUCCEEDED:
		read.Status = Succeeded
		preimage, err := payment.ParseHash(update.GetPaymentPreimage())
		if err != nil {
			return Payment{}, &Error{Kind: KindUnknown, Call: call, Cause: errors.New("a paid payment without a preimage")}
		}
		read.Preimage = preimage
	case lnrpc.Payment_FAILED:
		read.Status, read.Failure = Failed, failureReason(update.GetFailureReason())
	default:
		return Payment{}, &Error{Kind: KindUnknown, Call: call, Cause: errors.New("unknown status " + update.GetStatus().String())}
	}
	readHTLCs(&read, update.GetHtlcs())
	if read.Status == Failed && read.HTLCs > 0 { // invariant 4: LND does not say this, and we would not believe it
		return Payment{}, &Error{Kind: KindUnknown, Call: call, Cause: errors.New("a failed payment with an HTLC in flight")}
	}
	return read, nil
}

// readHTLCs adds up the attempts. lnrpc.Payment.fee_msat counts settled HTLCs only, so fees in flight come from here.
func readHTLCs(read *Payment, attempts []*lnrpc.HTLCAttempt) {
	for _, attempt := range attempts {
		route := attempt.GetRoute()
		switch attempt.GetStatus() {
		case lnrpc.HTLCAttempt_IN_FLIGHT:
			read.HTLCs++
			read.Expiry = max(read.Expiry, route.GetTotalTimeLock())
			read.Fee += payment.Msat(route.GetTotalFeesMsat())
		case lnrpc.HTLCAttempt_SUCCEEDED:
			read.Fee += payment.Msat(route.GetTotalFeesMsat())
		}
	}
}

// failureReason translates lnrpc.PaymentFailureReason. NO_ROUTE includes a fee limit that excludes every route: see
// ExplainNoRoute.
func failureReason(reason lnrpc.PaymentFailureReason) payment.Reason {
	switch reason {
	case lnrpc.PaymentFailureReason_FAILURE_REASON_TIMEOUT:
		return payment.ReasonTimeout
	case lnrpc.PaymentFailureReason_FAILURE_REASON_NO_ROUTE:
		return payment.ReasonNoRoute
	case lnrpc.PaymentFailureReason_FAILURE_REASON_INCORRECT_PAYMENT_DETAILS:
		return payment.ReasonRejected
	case lnrpc.PaymentFailureReason_FAILURE_REASON_INSUFFICIENT_BALANCE:
		return payment.ReasonNodeFunds
	case lnrpc.PaymentFailureReason_FAILURE_REASON_CANCELED:
		return payment.ReasonCanceled
	default:
		return payment.ReasonInternal
	}
}

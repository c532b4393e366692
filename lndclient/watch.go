package lndclient

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/chainrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"

	"github.com/holdfast-pay/holdfast/payment"
)

// What ready means. LND sends nothing when a subscription stands: a stream's header comes with its first message, which
// may take days. So ready is called when the request has been written and LND has then answered another call on the
// same connection (a lookup that takes the same way: TLS, macaroon, handler). A stream that LND refuses or that finds
// no connection fails before ready. It is no proof that the subscription's handler was faster than the lookup's, so a
// change in that moment may be missed: streams are an accelerator, and a timer always asks again. WatchInvoices
// misses nothing in any case, because it resumes from an index, and TrackPayments begins with what is in flight.

// stream is what all of LND's server streams have in common.
type stream[T any] interface{ Recv() (T, error) }

// follow reads a stream until it ends. seen's error is returned as it is.
func follow[T any](ctx context.Context, call string, updates stream[T], seen func(T) error) error {
	for {
		update, err := updates.Recv()
		if err != nil {
			return classify(ctx, call, err)
		}
		if err := seen(update); err != nil {
			return err
		}
	}
}

// accepted waits until LND has answered a call made after the subscription.
func (c *Client) accepted(ctx context.Context, call string, ready func()) error {
	_, err := c.LookupPayment(ctx, payment.Hash{})
	if err != nil && !errors.Is(err, ErrNotFound) {
		var known *Error
		if errors.As(err, &known) {
			return &Error{Kind: known.Kind, Call: call, Cause: known.Cause}
		}
		return err
	}
	if ready != nil {
		ready()
	}
	return nil
}

// WatchPayments calls seen for each change of a payment (routerrpc.TrackPayments). LND sends the payments in flight
// first; an old state may follow a newer one then, so take an update as a hint and look up.
func (c *Client) WatchPayments(ctx context.Context, ready func(), seen func(Payment) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, err := c.router.TrackPayments(ctx, &routerrpc.TrackPaymentsRequest{})
	if err != nil {
		return classify(ctx, callTrackPayments, err)
	}
	if err := c.accepted(ctx, callTrackPayments, ready); err != nil {
		return err
	}
	return follow(ctx, callTrackPayments, updates, func(update *lnrpc.Payment) error {
		read, err := readPayment(callTrackPayments, update)
		if err != nil {
			return err
		}
		return seen(read)
	})
}

// WatchInvoices calls seen for each invoice that settles after settleIndex, in order, without a gap
// (lnrpc.SubscribeInvoices). LND takes index 0 for "from now on", so for 0 the old ones are listed after subscribing.
func (c *Client) WatchInvoices(ctx context.Context, settleIndex uint64, ready func(), seen func(Invoice) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, err := c.lightning.SubscribeInvoices(ctx, &lnrpc.InvoiceSubscription{SettleIndex: settleIndex})
	if err != nil {
		return classify(ctx, callSubscribeInvoices, err)
	}
	if err := c.accepted(ctx, callSubscribeInvoices, ready); err != nil {
		return err
	}
	last := settleIndex
	each := func(invoice Invoice) error {
		if invoice.State != InvoiceSettled || invoice.SettleIndex <= last {
			return nil // a new invoice, or one that the list had already
		}
		if err := seen(invoice); err != nil {
			return err
		}
		last = invoice.SettleIndex
		return nil
	}
	if settleIndex == 0 {
		if err := c.settledSoFar(ctx, each); err != nil {
			return err
		}
	}
	return follow(ctx, callSubscribeInvoices, updates, func(update *lnrpc.Invoice) error { return each(readInvoice(update)) })
}

// settledSoFar gives every settled invoice of the node by settle index (lnrpc.ListInvoices): once per node, when we
// first meet it.
func (c *Client) settledSoFar(ctx context.Context, each func(Invoice) error) error {
	const page = 1000
	var settled []Invoice
	for offset := uint64(0); ; {
		listed, err := c.lightning.ListInvoices(ctx, &lnrpc.ListInvoiceRequest{IndexOffset: offset, NumMaxInvoices: page})
		if err != nil {
			return classify(ctx, callListInvoices, err)
		}
		for _, found := range listed.GetInvoices() {
			if found.GetState() == lnrpc.Invoice_SETTLED {
				settled = append(settled, readInvoice(found))
			}
		}
		if len(listed.GetInvoices()) < page {
			break
		}
		offset = listed.GetLastIndexOffset()
	}
	slices.SortFunc(settled, func(a, b Invoice) int { return cmp.Compare(a.SettleIndex, b.SettleIndex) })
	for _, invoice := range settled {
		if err := each(invoice); err != nil {
			return err
		}
	}
	return nil
}

// WatchTransactions calls seen for each change of a wallet transaction (lnrpc.SubscribeTransactions): when it is first
// seen, and when it is mined.
func (c *Client) WatchTransactions(ctx context.Context, ready func(), seen func(Transaction) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, err := c.lightning.SubscribeTransactions(ctx, &lnrpc.GetTransactionsRequest{})
	if err != nil {
		return classify(ctx, callSubscribeTransaction, err)
	}
	if err := c.accepted(ctx, callSubscribeTransaction, ready); err != nil {
		return err
	}
	return follow(ctx, callSubscribeTransaction, updates, func(update *lnrpc.Transaction) error {
		read, err := readTransaction(callSubscribeTransaction, update)
		if err != nil {
			return err
		}
		return seen(read)
	})
}

// WatchBlocks calls seen with the present height and then with each new one (chainrpc.RegisterBlockEpochNtfn, which
// sends the present one at once). After a reorganisation a height can come twice.
func (c *Client) WatchBlocks(ctx context.Context, seen func(height int32) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	updates, err := c.notifier.RegisterBlockEpochNtfn(ctx, &chainrpc.BlockEpoch{})
	if err != nil {
		return classify(ctx, callBlocks, err)
	}
	return follow(ctx, callBlocks, updates, func(update *chainrpc.BlockEpoch) error {
		return seen(int32(update.GetHeight())) //nolint:gosec // a block height
	})
}

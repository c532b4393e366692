package lndfake

import (
	"cmp"
	"context"
	"slices"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Plan is what becomes of one attempt to pay a hash.
type Plan struct {
	outcome lndclient.PaymentStatus
	reason  payment.Reason
	fee     payment.Msat
}

// Settles pays at once, at this fee in msat. The receiver's invoice, if a node of the network made it, is settled too.
func Settles(fee payment.Msat) Plan { return Plan{outcome: lndclient.Succeeded, fee: fee} }

// Holds keeps the payment in flight until SettleHeld or FailHeld, or until the receiver settles or cancels.
func Holds(fee payment.Msat) Plan { return Plan{outcome: lndclient.InFlight, fee: fee} }

// Fails registers the payment and fails it at once, for the reason.
func Fails(reason payment.Reason) Plan { return Plan{outcome: lndclient.Failed, reason: reason} }

// Plan queues what the next attempts at a hash end in, one each. Without a plan: an invoice of a node of this network
// is paid or held as its receiver wants, at a fee of 1 sat; any other has no route.
func (n *Node) Plan(hash payment.Hash, plans ...Plan) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.plans[hash] = append(n.plans[hash], plans...)
}

// outgoing is the newest attempt at a hash.
type outgoing struct {
	record   lndclient.Payment
	stranded bool // no HTLC exists, but the node does not know
}

// defaultFee of a payment without a plan.
const defaultFee payment.Msat = 1000

// SendPayment registers the payment and follows its plan.
func (n *Node) SendPayment(ctx context.Context, send lndclient.SendPayment) (lndclient.Payment, error) {
	var first lndclient.Payment
	err := n.do(ctx, SendPayment, func() error {
		invoice, amount, err := n.checkSend(send)
		if err != nil {
			return err
		}
		if known := n.payments[invoice.Hash]; known != nil && known.record.Status != lndclient.Failed {
			return failure(SendPayment, lndclient.KindAlreadyExists, "payment is in transition or paid")
		}
		if known := n.payments[invoice.Hash]; known == nil || !n.network.reuseIndexes || known.record.Index != n.paymentIndex {
			n.paymentIndex++
		}
		attempt := &outgoing{record: lndclient.Payment{
			Hash: invoice.Hash, Index: n.paymentIndex, Status: lndclient.InFlight,
			Amount: amount, CreatedAt: n.network.now(),
		}}
		n.payments[invoice.Hash] = attempt
		first = attempt.record
		n.announcePayment(attempt)
		n.attempt(attempt, invoice, send.FeeLimit)
		return nil
	})
	if err != nil {
		return lndclient.Payment{}, err
	}
	return first, nil
}

// checkSend is what LND checks before it registers anything.
func (n *Node) checkSend(send lndclient.SendPayment) (lndclient.DecodedInvoice, payment.Msat, error) {
	invoice, err := lndclient.DecodeInvoice(send.Invoice, lndclient.Regtest)
	if err != nil {
		return invoice, 0, refused(SendPayment, payment.ReasonInvoiceInvalid, err.Error())
	}
	switch {
	case invoice.Expired(n.network.now()):
		return invoice, 0, refused(SendPayment, payment.ReasonInvoiceExpired, "invoice expired")
	case invoice.Amount == 0 && send.Amount <= 0:
		return invoice, 0, refused(SendPayment, payment.ReasonInvalidAmount, "amount must be specified when paying a zero amount invoice")
	case invoice.Amount != 0 && send.Amount != 0:
		return invoice, 0, refused(SendPayment, payment.ReasonInvalidAmount, "amount must not be specified when paying a non-zero amount invoice")
	case invoice.Destination == n.pubkey():
		return invoice, 0, refused(SendPayment, payment.ReasonSelfPayment, "self-payments not allowed")
	}
	return invoice, max(invoice.Amount, send.Amount), nil
}

// attempt sends the HTLC as planned.
func (n *Node) attempt(p *outgoing, invoice lndclient.DecodedInvoice, feeLimit payment.Msat) {
	receiver := n.network.receiver(invoice.Hash)
	plan := n.takePlan(invoice.Hash, receiver)
	switch {
	case plan.outcome == lndclient.Failed:
		n.fail(p, plan.reason)
		return
	case plan.fee > feeLimit:
		n.fail(p, payment.ReasonNoRoute) // LND does not tell a fee limit from a missing route
		return
	case p.record.Amount+plan.fee > n.liquid:
		n.fail(p, payment.ReasonNodeFunds)
		return
	}
	n.liquid -= p.record.Amount + plan.fee
	p.record.Fee, p.record.HTLCs = plan.fee, 1
	p.record.Expiry = uint32(n.network.chain.height) + 80 + uint32(invoice.MinFinalCLTV)
	n.announcePayment(p)
	if receiver != nil && !receiver.accept(n.network, p.record.Amount) {
		n.failInFlight(p, payment.ReasonRejected)
		return
	}
	if plan.outcome == lndclient.Succeeded {
		if receiver != nil {
			receiver.settle(n.network)
			n.succeed(p, receiver.preimage)
		} else {
			n.succeed(p, [32]byte{})
		}
	}
}

func (n *Node) takePlan(hash payment.Hash, receiver *incoming) Plan {
	if queue := n.plans[hash]; len(queue) > 0 {
		n.plans[hash] = queue[1:]
		return queue[0]
	}
	return n.defaultPlan(receiver)
}

func (n *Node) defaultPlan(receiver *incoming) Plan {
	switch {
	case receiver == nil:
		return Fails(payment.ReasonNoRoute)
	case receiver.hold:
		return Holds(receiver.fee)
	default:
		return Settles(receiver.fee)
	}
}

// SettleHeld ends a held payment as paid, where no node of this network is the receiver.
func (n *Node) SettleHeld(hash payment.Hash) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	if p := n.payments[hash]; p != nil && !p.record.Terminal() && !p.stranded {
		n.succeed(p, [32]byte{})
	}
}

// FailHeld ends a held payment as failed for the reason.
func (n *Node) FailHeld(hash payment.Hash, reason payment.Reason) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	if p := n.payments[hash]; p != nil && !p.record.Terminal() && !p.stranded {
		n.failInFlight(p, reason)
	}
}

// Strand loses the HTLC of a payment in flight before it reached a channel, as an lnd that dies in that moment does:
// LookupPayment says in flight for ever, and nothing that the receiver does ends it.
func (n *Node) Strand(hash payment.Hash) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	if p := n.payments[hash]; p != nil && !p.record.Terminal() {
		p.stranded = true
		n.liquid += p.record.Amount + p.record.Fee
		if receiver := n.network.receiver(hash); receiver != nil && receiver.record.State == lndclient.InvoiceAccepted {
			receiver.record.State, receiver.record.Received = lndclient.InvoiceOpen, 0
		}
	}
}

// LocateHTLCs looks on the channels.
func (n *Node) LocateHTLCs(ctx context.Context, hash payment.Hash) (lndclient.HTLCPlaces, error) {
	var places lndclient.HTLCPlaces
	err := n.do(ctx, LocateHTLCs, func() error {
		if p := n.payments[hash]; p != nil && !p.stranded {
			places.OnChannels = p.record.HTLCs
		}
		return nil
	})
	return places, err
}

// Forget deletes a payment from the node, as an operator's DeletePayment would.
func (n *Node) Forget(hash payment.Hash) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	delete(n.payments, hash)
}

func (n *Node) succeed(p *outgoing, preimage [32]byte) {
	p.record.Status, p.record.Preimage = lndclient.Succeeded, preimage
	p.record.HTLCs, p.record.Expiry = 0, 0
	n.announcePayment(p)
}

func (n *Node) failInFlight(p *outgoing, reason payment.Reason) {
	n.liquid += p.record.Amount + p.record.Fee
	n.fail(p, reason)
}

func (n *Node) fail(p *outgoing, reason payment.Reason) {
	p.record.Status, p.record.Failure = lndclient.Failed, reason
	p.record.Fee, p.record.HTLCs, p.record.Expiry = 0, 0, 0
	n.announcePayment(p)
}

// LookupPayment reads the newest attempt at the hash.
func (n *Node) LookupPayment(ctx context.Context, hash payment.Hash) (lndclient.Payment, error) {
	var found lndclient.Payment
	err := n.do(ctx, LookupPayment, func() error {
		p := n.payments[hash]
		if p == nil {
			return failure(LookupPayment, lndclient.KindNotFound, "payment isn't initiated")
		}
		found = p.record
		return nil
	})
	return found, err
}

// FollowPayment waits for the end of the payment, or of ctx.
func (n *Node) FollowPayment(ctx context.Context, hash payment.Hash) (lndclient.Payment, error) {
	var last lndclient.Payment
	var events *stream
	err := n.do(ctx, FollowPayment, func() error {
		p := n.payments[hash]
		if p == nil {
			return failure(FollowPayment, lndclient.KindNotFound, "payment isn't initiated")
		}
		last = p.record
		events = n.subscribe(paymentStream)
		return nil
	})
	if err != nil {
		return last, err
	}
	defer n.unsubscribe(events)
	for !last.Terminal() {
		event, err := events.next(ctx, FollowPayment)
		if ctx.Err() != nil {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		if seen, ok := event.(lndclient.Payment); ok && seen.Hash == hash {
			last = seen
		}
	}
	return last, nil
}

// ListPayments lists by index.
func (n *Node) ListPayments(ctx context.Context, after uint64, limit int) ([]lndclient.Payment, error) {
	var list []lndclient.Payment
	err := n.do(ctx, ListPayments, func() error {
		for _, p := range n.payments {
			if p.record.Index > after {
				list = append(list, p.record)
			}
		}
		slices.SortFunc(list, func(a, b lndclient.Payment) int { return cmp.Compare(a.Index, b.Index) })
		list = list[:min(len(list), limit)]
		return nil
	})
	return list, err
}

// EstimateRouteFee gives the fee of the next plan.
func (n *Node) EstimateRouteFee(ctx context.Context, invoice string, _ payment.Msat) (payment.Msat, error) {
	var fee payment.Msat
	err := n.do(ctx, EstimateRouteFee, func() error {
		decoded, err := lndclient.DecodeInvoice(invoice, lndclient.Regtest)
		if err != nil {
			return refused(EstimateRouteFee, payment.ReasonInvoiceInvalid, err.Error())
		}
		plan := n.peekPlan(decoded.Hash)
		if plan.outcome == lndclient.Failed {
			return failure(EstimateRouteFee, lndclient.KindNotFound, "unable to find a path to destination")
		}
		fee = plan.fee
		return nil
	})
	return fee, err
}

// ExplainNoRoute tells a fee limit from a missing route.
func (n *Node) ExplainNoRoute(ctx context.Context, invoice string, _, feeLimit payment.Msat) (payment.Reason, error) {
	reason := payment.ReasonNoRoute
	err := n.do(ctx, ExplainNoRoute, func() error {
		decoded, err := lndclient.DecodeInvoice(invoice, lndclient.Regtest)
		if err != nil {
			return refused(ExplainNoRoute, payment.ReasonInvoiceInvalid, err.Error())
		}
		plan := n.peekPlan(decoded.Hash)
		if plan.outcome != lndclient.Failed && plan.fee > feeLimit {
			reason = payment.ReasonFeeOverLimit
		}
		return nil
	})
	return reason, err
}

// SetRouteFee is what the default plan and later estimates for the hash cost, in msat.
func (n *Node) SetRouteFee(hash payment.Hash, fee payment.Msat) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	if receiver := n.network.receiver(hash); receiver != nil {
		receiver.fee = fee
	}
}

func (n *Node) peekPlan(hash payment.Hash) Plan {
	if queue := n.plans[hash]; len(queue) > 0 {
		return queue[0]
	}
	return n.defaultPlan(n.network.receiver(hash))
}

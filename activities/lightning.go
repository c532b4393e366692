package activities

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// SendLightning looks, sends if LND has never registered this payment, and follows it for some seconds. Asking what
// became of a payment is the same step.
func (n *NodeSteps) SendLightning(ctx context.Context, req payment.Request) (step.Word, error) {
	defer heartbeating(ctx)()
	return n.sendOrFollow(ctx, req, n.Timing.Follow)
}

// FollowLightning is SendLightning that answers only with a terminal word and is retried until then.
func (n *NodeSteps) FollowLightning(ctx context.Context, req payment.Request) (step.Word, error) {
	defer heartbeating(ctx)()
	return onlyTerminal(n.sendOrFollow(ctx, req, 0))
}

func (n *NodeSteps) sendOrFollow(ctx context.Context, req payment.Request, follow time.Duration) (step.Word, error) {
	found, err := n.find(ctx, req)
	switch {
	case err != nil:
		return step.Word{}, err
	case found.verdict == unregistered:
		return n.send(ctx, found.row, found.known.Index, follow)
	default:
		return n.wordOn(ctx, found, follow)
	}
}

// AbandonLightning gives up a payment that LND has certainly not registered, instead of sending it again, or that LND has
// lost. The saga makes sure that no other step of this payment runs meanwhile.
func (n *NodeSteps) AbandonLightning(ctx context.Context, req payment.Request) (step.Word, error) {
	defer heartbeating(ctx)()
	found, err := n.find(ctx, req)
	switch {
	case err != nil:
		return step.Word{}, err
	case found.verdict == unregistered && n.mayStall(found.row):
		return n.unsure(ctx, found.row, "LND has not registered it; a call that reached it may be stalled for some minutes")
	case found.verdict == unregistered:
		return notPaid(found.row, payment.ReasonAbandoned), nil
	}
	word, err := n.wordOn(ctx, found, 0)
	if err != nil || found.verdict != ours || word.Terminal() {
		return word, err
	}
	return n.abandonLost(ctx, req, word)
}

// standing is a payment as the ledger and LND have it.
type standing struct {
	row     ledger.Payment
	known   lndclient.Payment // zero if LND has none of that hash, or does not answer
	err     error             // of LND
	verdict verdict
}

// verdict is what row and LND say together.
type verdict int

const (
	ended        verdict = iota + 1 // the row is terminal
	unanswered                      // LND does not say
	ours                            // LND has it
	another                         // LND has a payment of that hash that lives or was paid, and we have sent none
	mayArrive                       // LND has not registered our last call, and it may still arrive
	unregistered                    // LND does not have it, and none of our calls can arrive any more
	forgotten                       // LND has shown our HTLC before, and now knows nothing of it: its records were deleted
)

// find asks LND first and reads the row second: if the row is not fenced now, nothing of ours had left when LND spoke.
func (n *NodeSteps) find(ctx context.Context, req payment.Request) (standing, error) {
	known, err := n.Node.LookupPayment(ctx, req.PaymentHash)
	row, rowErr := n.Ledger.Payment(ctx, req.ID)
	if rowErr != nil {
		return standing{}, rowErr
	}
	if err == nil && row.Expiry > 0 && !isOurs(row, known) { // the row has an HTLC of ours: what LND says from now on is about it
		if known, err = n.Node.LookupPayment(ctx, req.PaymentHash); err == nil {
			row = shown(row, known)
		}
	}
	return standing{row: row, known: known, err: err, verdict: n.judge(row, known, err)}, nil
}

func (n *NodeSteps) judge(row ledger.Payment, known lndclient.Payment, err error) verdict {
	fenced := row.Send.Attempt > 0
	switch {
	case row.State.Terminal():
		return ended
	case err != nil && !errors.Is(err, lndclient.ErrNotFound):
		return unanswered
	case err == nil && !fenced && known.Status != lndclient.Failed:
		return another
	case err == nil && known.Status == lndclient.Failed && row.Send.Attempt > 1 && n.onItsWay(row):
		return mayArrive // an earlier attempt has failed; what becomes of the last one is not seen yet
	case err == nil && isOurs(row, known):
		return ours
	case fenced && n.onItsWay(row):
		return mayArrive
	case err != nil && row.Expiry > 0:
		return forgotten
	default:
		return unregistered // known is zero, or an earlier payment: one that failed, or one below the baseline
	}
}

// isOurs reports whether what LND has of the row's hash comes from our sends. LND has one payment per hash, and sends a hash
// again only when it has failed: at the first fence there was none, or a failed one with the index that is our baseline. So
// whatever has not failed is ours. The index alone does not tell: an lnd on SQLite gives the failed one's to the next, and
// one that changes its database numbers them anew.
func isOurs(row ledger.Payment, known lndclient.Payment) bool {
	return row.Send.Attempt > 0 && (known.Status != lndclient.Failed || known.Index > row.Send.Baseline)
}

// shown is the row as it is to be read once LND has certainly shown our own send, whatever its index: that is above the baseline.
func shown(row ledger.Payment, known lndclient.Payment) ledger.Payment {
	if known.Index > 0 && known.Index <= row.Send.Baseline {
		row.Send.Baseline = known.Index - 1
	}
	return row
}

// onItsWay reports whether our last call may still reach LND.
func (n *NodeSteps) onItsWay(row ledger.Payment) bool {
	return n.Now().Before(row.Send.Deadline.Add(n.Timing.Margin))
}

// mayStall reports whether our last call may have reached LND in time and wait there for its database. To send again meanwhile is
// safe, because LND refuses a hash that it has; to give up is not.
func (n *NodeSteps) mayStall(row ledger.Payment) bool {
	return row.Send.Attempt > 0 && n.Now().Before(row.Send.Deadline.Add(n.Timing.Stall))
}

// wordOn turns a verdict into a word, where nothing is to be sent.
func (n *NodeSteps) wordOn(ctx context.Context, found standing, follow time.Duration) (step.Word, error) {
	row := found.row
	switch found.verdict {
	case ended:
		return wordOfRow(row), nil
	case unanswered:
		return n.silent(ctx, row, found.err)
	case ours:
		return n.follow(ctx, row, found.known, follow)
	case another:
		if found.known.Status == lndclient.Succeeded {
			return notPaid(row, payment.ReasonAlreadyPaid), nil
		}
		return notPaid(row, payment.ReasonPaymentInFlight), nil
	case forgotten:
		n.Log.ErrorContext(ctx, "LND had this payment and knows nothing of it any more: were its payments deleted, or its database restored?",
			"payment_id", row.ID.String(), "node", n.Name, "payment_hash", row.PaymentHash.String())
		return n.unsure(ctx, row, "LND had it and knows nothing of it any more: whether it was paid is to be found out from the receiver")
	default:
		return n.unsure(ctx, row, "LND has not registered our last call, which may still arrive")
	}
}

// send fences the row and asks LND to pay. The fence is a compare-and-set on the attempt that we saw, so at most one
// call at a time can reach LND; and LND itself refuses a hash that is in flight or paid, so that sending again what was
// never registered cannot pay twice.
func (n *NodeSteps) send(ctx context.Context, row ledger.Payment, baseline uint64, follow time.Duration) (step.Word, error) {
	order, err := n.order(row)
	if err != nil {
		return failed(row, failureOf(err)), nil
	}
	// The call's time runs before the fence is asked for, so that it ends before the fence's deadline.
	callCtx, cancel := context.WithTimeout(ctx, n.Timing.Call)
	defer cancel()
	earlier := row
	row, err = n.Ledger.BeginSend(ctx, row.ID, ledger.Fence{Seen: earlier.Send.Attempt, Baseline: baseline, CallTimeout: n.Timing.Call})
	switch {
	case err != nil:
		return step.Word{}, err
	case row.State.Terminal():
		return wordOfRow(row), nil
	case !row.Send.Granted: // the attempt alone cannot tell: of two callers both see seen+1
		return unknown("another attempt is sending it"), nil
	}
	sent, err := n.Node.SendPayment(callCtx, order)
	about := n.Log.With("payment_id", row.ID.String(), "node", n.Name, "attempt", row.Send.Attempt)
	if err != nil {
		about.WarnContext(ctx, "payment not sent, or not known to be", "error", err)
	} else {
		about.InfoContext(ctx, "payment sent")
	}
	switch {
	case err == nil:
		return n.follow(ctx, shown(row, sent), sent, follow)
	case errors.Is(err, lndclient.ErrRefused):
		return n.refused(ctx, earlier, row, lndclient.WhyRefused(err), follow)
	case errors.Is(err, lndclient.ErrAlreadyExists):
		return n.look(ctx, row, follow)
	default:
		return n.unsure(ctx, row, "LND was asked to pay and did not answer")
	}
}

func (n *NodeSteps) order(row ledger.Payment) (lndclient.SendPayment, error) {
	invoice, err := lndclient.DecodeInvoice(row.Invoice, n.Network)
	if err != nil {
		return lndclient.SendPayment{}, err
	}
	order := lndclient.SendPayment{Invoice: row.Invoice, FeeLimit: row.FeeReserve, PathfindingTimeout: n.Timing.Pathfinding}
	if invoice.Amount == 0 {
		order.Amount = row.Amount
	}
	return order, nil
}

// refused believes LND's "no" only if LND really has no payment of ours, and no call before this one can wait inside LND.
func (n *NodeSteps) refused(ctx context.Context, earlier, row ledger.Payment, why payment.Reason, follow time.Duration) (step.Word, error) {
	known, err := n.Node.LookupPayment(ctx, row.PaymentHash)
	switch {
	case errors.Is(err, lndclient.ErrNotFound), err == nil && !isOurs(row, known):
		if n.mayStall(earlier) {
			return n.unsure(ctx, row, "LND refused; an earlier call that reached it may be stalled for some minutes")
		}
		if why == "" {
			why = payment.ReasonInternal
		}
		return notPaid(row, why), nil
	case err == nil:
		return n.follow(ctx, row, known, follow)
	default:
		return n.unsure(ctx, row, "LND refused, and then did not answer")
	}
}

func (n *NodeSteps) look(ctx context.Context, row ledger.Payment, follow time.Duration) (step.Word, error) {
	known, err := n.Node.LookupPayment(ctx, row.PaymentHash)
	if err != nil || !isOurs(row, known) {
		return n.unsure(ctx, row, "LND says that it has the payment, and does not show it")
	}
	return n.follow(ctx, row, known, follow)
}

// follow waits a little for the end and turns LND's word on a payment of ours into ours.
func (n *NodeSteps) follow(ctx context.Context, row ledger.Payment, known lndclient.Payment, wait time.Duration) (step.Word, error) {
	if !known.Terminal() && wait > 0 {
		waitCtx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if later, err := n.Node.FollowPayment(waitCtx, row.PaymentHash); err == nil && isOurs(row, later) {
			known = later
		}
	}
	if !known.Terminal() {
		var err error
		if known, err = n.pending(ctx, row, known); err != nil {
			return step.Word{}, err
		}
	}
	switch known.Status {
	case lndclient.Succeeded:
		if err := n.Ledger.RecordPreimage(ctx, row.ID, known.Preimage); err != nil {
			return step.Word{}, err
		}
		return paid(known.Fee), nil
	case lndclient.Failed:
		return notPaid(row, n.whyFailed(ctx, row, known.Failure)), nil
	default:
		return n.inFlight(ctx, row, known), nil
	}
}

// pending notes that the payment is in flight. The watcher hints only rows that say so: what LND has said before, the end
// included, is seen by looking once more after the row's first "pending".
func (n *NodeSteps) pending(ctx context.Context, row ledger.Payment, known lndclient.Payment) (lndclient.Payment, error) {
	if err := n.Ledger.RecordPending(ctx, row.ID, known.Expiry); err != nil || row.State == payment.Pending {
		return known, err
	}
	later, err := n.Node.LookupPayment(ctx, row.PaymentHash)
	if err != nil || !isOurs(row, later) {
		return known, nil
	}
	if !later.Terminal() && later.Expiry != known.Expiry {
		return later, n.Ledger.RecordPending(ctx, row.ID, later.Expiry)
	}
	return later, nil
}

// whyFailed tells a fee limit that excludes every route from no route at all: LND has one code for both.
func (n *NodeSteps) whyFailed(ctx context.Context, row ledger.Payment, reason payment.Reason) payment.Reason {
	if reason != payment.ReasonNoRoute {
		return reason
	}
	explained, err := n.Node.ExplainNoRoute(ctx, row.Invoice, row.Amount, row.FeeReserve)
	if err != nil {
		return reason
	}
	return explained
}

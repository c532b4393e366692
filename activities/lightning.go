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
	mayArrive                       // LND has not registered it; an earlier call of ours may still arrive
	unregistered                    // LND does not have it, and none of our calls can arrive any more
)

// find asks LND first and reads the row second: if the row is not fenced now, nothing of ours had left when LND spoke.
func (n *NodeSteps) find(ctx context.Context, req payment.Request) (standing, error) {
	known, err := n.Node.LookupPayment(ctx, req.PaymentHash)
	row, rowErr := n.Ledger.Payment(ctx, req.ID)
	if rowErr != nil {
		return standing{}, rowErr
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
	case err == nil && fenced && known.Index > row.Send.Baseline:
		return ours
	case err == nil && !fenced && known.Status != lndclient.Failed:
		return another
	case fenced && n.Now().Before(row.Send.Deadline.Add(n.Timing.Margin)):
		return mayArrive
	default:
		return unregistered // known is zero, or an earlier payment: one that failed, or one below the baseline
	}
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
	default:
		return n.unsure(ctx, row, "LND has not registered it; an earlier call may still arrive")
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
	seen := row.Send.Attempt
	row, err = n.Ledger.BeginSend(ctx, row.ID, ledger.Fence{Seen: seen, Baseline: baseline, CallTimeout: n.Timing.Call})
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
	case err == nil && sent.Index > row.Send.Baseline:
		return n.follow(ctx, row, sent, follow)
	case errors.Is(err, lndclient.ErrRefused):
		return n.refused(ctx, row, lndclient.WhyRefused(err), follow)
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

// refused believes LND's "no" only if LND really has no payment of ours.
func (n *NodeSteps) refused(ctx context.Context, row ledger.Payment, why payment.Reason, follow time.Duration) (step.Word, error) {
	known, err := n.Node.LookupPayment(ctx, row.PaymentHash)
	switch {
	case errors.Is(err, lndclient.ErrNotFound), err == nil && known.Index <= row.Send.Baseline:
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
	if err != nil || known.Index <= row.Send.Baseline {
		return n.unsure(ctx, row, "LND says that it has the payment, and does not show it")
	}
	return n.follow(ctx, row, known, follow)
}

// follow waits a little for the end and turns LND's word on a payment of ours into ours.
func (n *NodeSteps) follow(ctx context.Context, row ledger.Payment, known lndclient.Payment, wait time.Duration) (step.Word, error) {
	if !known.Terminal() && wait > 0 {
		waitCtx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		if later, err := n.Node.FollowPayment(waitCtx, row.PaymentHash); err == nil && later.Index > row.Send.Baseline {
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
	if err != nil || later.Index <= row.Send.Baseline {
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

package activities

import (
	"context"
	"fmt"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// lostAfter is how many blocks past its expiry a payment must be before LND can be believed to have lost it: a day, in
// which LND would have taken a real HTLC to the chain long ago.
const lostAfter = 144

// inFlight says what a payment waits for, and raises the alarm for one that is past its expiry. An alarm is all: only
// LND's final word ends it (docs/decisions, "Payments that LND has lost").
func (n *NodeSteps) inFlight(ctx context.Context, row ledger.Payment, known lndclient.Payment) step.Word {
	word := step.Word{Status: step.InFlight, Expiry: known.Expiry, Attempt: row.Send.Attempt, Note: "LND is looking for a route"}
	if known.HTLCs == 0 {
		return word
	}
	word.Note = fmt.Sprintf("%d HTLC in flight until block %d", known.HTLCs, known.Expiry)
	if late := n.blocksPast(ctx, known.Expiry); late > 0 {
		word.Note = fmt.Sprintf("overdue: %s, %d blocks ago", word.Note, late)
		n.Log.ErrorContext(ctx, "payment overdue", "payment_id", row.ID.String(), "node", n.Name, "expiry_height", known.Expiry, "blocks_past", late)
	}
	return word
}

// blocksPast is how far the chain is beyond a height; 0 if it is not, or if the node cannot tell.
func (n *NodeSteps) blocksPast(ctx context.Context, height uint32) int32 {
	info, err := n.Node.Info(ctx)
	if err != nil || height == 0 {
		return 0
	}
	return max(info.BlockHeight-int32(height), 0)
}

// abandonLost gives up, for an operator, a payment that LND will report in flight for ever: an LND that died between
// registering an attempt and signing its HTLC never ends it (lnd issue 5152). The evidence is a day of blocks past the
// expiry without an HTLC of that hash on any channel and without a channel that closes.
func (n *NodeSteps) abandonLost(ctx context.Context, req payment.Request, word step.Word) (step.Word, error) {
	late := n.blocksPast(ctx, word.Expiry)
	if late < lostAfter {
		return word, nil
	}
	places, err := n.Node.LocateHTLCs(ctx, req.PaymentHash)
	switch {
	case err != nil:
		n.Log.WarnContext(ctx, "HTLCs could not be located", "payment_id", req.ID.String(), "node", n.Name, "error", err)
		return word, nil
	case places.OnChannels > 0 || places.Closing > 0:
		word.Note += fmt.Sprintf("; on %d channels, %d channels are closing", places.OnChannels, places.Closing)
		return word, nil
	}
	n.Log.WarnContext(ctx, "abandoned: LND has lost the payment", "payment_id", req.ID.String(), "node", n.Name, "blocks_past", late)
	failure := lostByNode()
	return step.Word{Status: step.NotPaid, Failure: &failure, Attempt: word.Attempt}, nil
}

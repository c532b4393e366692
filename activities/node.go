package activities

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// NodeSteps are the steps that need one LND node.
type NodeSteps struct {
	Ledger  *ledger.Ledger
	Node    lndclient.Node
	Name    string // of the node, as in payment.Request.Node
	Network string // mainnet, testnet, testnet4, signet, regtest
	Timing  Timing
	// Depth is how many confirmations make a transaction final, for payments and deposits.
	Depth int32
	// MaxFeeRate bounds fee bumps and rescues, in sat/vB. Zero: DefaultMaxFeeRate.
	MaxFeeRate uint64
	Now        func() time.Time
	// Compared is told of every comparison with the node, to show it. nil: nobody is.
	Compared func(step.Check)
	Log      *slog.Logger
}

// Timing bounds the calls to a node. Every call ends before its activity does, so that a late attempt cannot act.
type Timing struct {
	Call        time.Duration // one send or broadcast: after this it can no longer reach LND
	Margin      time.Duration // beyond Call until NOT_FOUND is trusted: clocks differ
	Stall       time.Duration // beyond Call until an operator may give up what LND has not registered: its database may be stalled
	Follow      time.Duration // how long a send waits for the end before it answers "in flight"
	Pathfinding time.Duration // routerrpc timeout_seconds: bounds the search for routes, not the HTLCs
}

// DefaultTiming suits a node on the same network.
func DefaultTiming() Timing {
	return Timing{Call: 5 * time.Second, Margin: 3 * time.Second, Stall: 2 * time.Minute, Follow: 3 * time.Second, Pathfinding: 30 * time.Second}
}

// silent is LND not answering. Before the first fence nothing can have left.
func (n *NodeSteps) silent(ctx context.Context, row ledger.Payment, err error) (step.Word, error) {
	n.Log.WarnContext(ctx, "LND does not answer", "payment_id", row.ID.String(), "node", n.Name, "attempt", row.Send.Attempt, "error", err)
	if row.Send.Attempt == 0 {
		return notPaid(row, payment.ReasonNodeOffline), nil
	}
	return n.unsure(ctx, row, "LND node "+n.Name+" does not answer")
}

// unsure notes that a fenced payment may be in flight: from then on the watcher hints its saga.
func (n *NodeSteps) unsure(ctx context.Context, row ledger.Payment, note string) (step.Word, error) {
	if err := n.Ledger.RecordPending(ctx, row.ID, row.Expiry); err != nil {
		return step.Word{}, err
	}
	word := unknown(note)
	word.Expiry, word.TxID = row.Expiry, row.TxID
	return word, nil
}

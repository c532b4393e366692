package workflows

import (
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/payment"
)

// Task queues. A node's queue is served only by workers that hold that node's credentials.
const (
	PaymentsQueue = "payments"
	WatchersQueue = "watchers"
)

// NodeQueue is the queue of what needs the credentials of one LND node.
func NodeQueue(node string) string { return "node-" + node }

// Names by which a running saga is addressed.
const (
	UpdateOutcome = "outcome" // no input -> payment.Outcome: waits until there is something to tell a caller
	UpdateRecheck = "recheck" // no input -> payment.Outcome: asks LND or the chain now
	UpdateAbandon = "abandon" // no input -> payment.Outcome: accepted only where rule 2 allows it
	UpdateBump    = "bump"    // Bump -> payment.Outcome: on-chain, sent and not confirmed
	SignalNews    = "news"    // no input: something changed, ask
)

// Types of the errors that refuse to steer a payment. A bump is refused with a payment.Reason as the type.
const (
	RefusedEnded   = "ENDED"    // the payment has ended
	RefusedNotSafe = "NOT_SAFE" // an abandon: the money may still move
)

// WatcherID is the workflow id of a node's watcher.
func WatcherID(node string) string { return "watch-" + node }

// ReconcileID is the id of the reconcile schedule, and the prefix of its workflows.
const ReconcileID = "reconcile"

// ReconcileNodeID is the id of a node's reconcile schedule, and the prefix of its workflows. The schedules of all nodes are
// the one list of the nodes that the fleet serves.
func ReconcileNodeID(node string) string { return ReconcileID + "-" + node }

// Search attributes: seven keywords of the ten that a SQL visibility store has, and one number.
var (
	AttrStatus  = temporal.NewSearchAttributeKeyKeyword("PaymentStatus")
	AttrKind    = temporal.NewSearchAttributeKeyKeyword("PaymentKind")
	AttrWallet  = temporal.NewSearchAttributeKeyKeyword("WalletId")
	AttrAccount = temporal.NewSearchAttributeKeyKeyword("AccountId")
	AttrKey     = temporal.NewSearchAttributeKeyKeyword("ApiKeyId")
	AttrHash    = temporal.NewSearchAttributeKeyKeyword("PaymentHash") // or the txid, once there is one
	AttrNode    = temporal.NewSearchAttributeKeyKeyword("LndNode")
	AttrAmount  = temporal.NewSearchAttributeKeyInt64("AmountSat")
)

// SearchAttributeTypes lists name and type of every search attribute that a namespace must have.
func SearchAttributeTypes() map[string]string {
	types := map[string]string{}
	for _, key := range []temporal.SearchAttributeKeyKeyword{AttrStatus, AttrKind, AttrWallet, AttrAccount, AttrKey, AttrHash, AttrNode} {
		types[key.GetName()] = "Keyword"
	}
	types[AttrAmount.GetName()] = "Int"
	return types
}

// Attributes of a payment at its start. Only status and hash change later.
func Attributes(req payment.Request) temporal.SearchAttributes {
	updates := []temporal.SearchAttributeUpdate{
		AttrStatus.ValueSet("new"),
		AttrKind.ValueSet(string(req.Kind)),
		AttrWallet.ValueSet(req.WalletID.String()),
		AttrAccount.ValueSet(req.AccountID.String()),
		AttrAmount.ValueSet(int64(req.Amount.Ceil())),
	}
	if req.KeyID != (payment.KeyID{}) {
		updates = append(updates, AttrKey.ValueSet(req.KeyID.String()))
	}
	if !req.PaymentHash.IsZero() {
		updates = append(updates, AttrHash.ValueSet(req.PaymentHash.String()))
	}
	if req.Node != "" {
		updates = append(updates, AttrNode.ValueSet(req.Node))
	}
	return temporal.NewSearchAttributes(updates...)
}

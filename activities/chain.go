package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// A payment may have several transactions: the original, fee bumps, and one that takes it back. They conflict, so that at most
// one is ever mined; whichever that is decides.

const noAnswer = "broadcast, no answer; will be broadcast again"

// askChain looks for a confirmation of any of the payment's transactions, and broadcasts again what has none.
func (n *NodeSteps) askChain(ctx context.Context, row ledger.Payment) (step.Word, error) {
	txs, err := n.transactions(ctx, row)
	if err != nil {
		return step.Word{}, err
	}
	word, err := n.lookFor(ctx, row, txs)
	if rescue, ok := rescueOf(txs); ok && !word.Terminal() {
		word.Rescue = rescue.TxID
	}
	return word, err
}

// transactions are those that may have left, oldest first: of those signed before the first broadcast only the last one.
func (n *NodeSteps) transactions(ctx context.Context, row ledger.Payment) ([]ledger.PaymentTransaction, error) {
	txs, err := n.Ledger.PaymentTransactions(ctx, row.ID)
	if err != nil {
		return nil, err
	}
	first := 0
	for i, tx := range txs {
		if tx.Kind == ledger.OriginalTransaction {
			first = i
		}
	}
	if len(txs) == 0 {
		return nil, fmt.Errorf("payment %s has left and no transaction of it is stored", row.ID)
	}
	return txs[first:], nil
}

// rescueOf is the newest transaction that takes the payment back.
func rescueOf(txs []ledger.PaymentTransaction) (ledger.PaymentTransaction, bool) {
	newest := txs[len(txs)-1]
	return newest, !newest.Pays()
}

func (n *NodeSteps) lookFor(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction) (step.Word, error) {
	for _, tx := range slices.Backward(txs) {
		seen, err := n.Node.LookupTransaction(ctx, tx.TxID)
		switch {
		case errors.Is(err, lndclient.ErrNotFound):
		case err != nil:
			return n.silent(ctx, row, err)
		case seen.Confirmations >= n.Depth:
			return n.decided(ctx, row, txs, tx)
		case seen.Confirmations > 0:
			return n.confirming(ctx, row, tx, seen.Confirmations)
		}
	}
	return n.broadcastAgain(ctx, row, txs)
}

// decided is one of the payment's transactions at our depth: paid, or taken back.
func (n *NodeSteps) decided(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction, tx ledger.PaymentTransaction) (step.Word, error) {
	if tx.Pays() {
		if err := n.Ledger.RecordConfirmed(ctx, row.ID, tx.TxID); err != nil {
			return step.Word{}, err
		}
		return step.Word{Status: step.Paid, Fee: tx.Fee, TxID: tx.TxID, Attempt: row.Send.Attempt}, nil
	}
	inputs, err := lndclient.InputsOf(tx.Raw)
	if err != nil {
		return step.Word{}, err
	}
	excluded, err := excludesAll(inputs, txs)
	if err != nil {
		return step.Word{}, err
	}
	if !excluded {
		n.Log.ErrorContext(ctx, "the rescue does not conflict with every transaction of its payment", "payment_id", row.ID.String(), "node", n.Name, "txid", tx.TxID)
		return n.unsure(ctx, row, "the transaction that should take it back does not make it impossible")
	}
	n.Log.WarnContext(ctx, "payment taken back", "payment_id", row.ID.String(), "node", n.Name, "txid", row.TxID, "rescue", tx.TxID)
	return failed(row, takenBack()), nil
}

// excludesAll reports whether a transaction with these inputs makes every one that pays impossible.
func excludesAll(inputs []lndclient.TxInput, txs []ledger.PaymentTransaction) (bool, error) {
	for _, tx := range txs {
		if !tx.Pays() {
			continue
		}
		ours, err := lndclient.InputsOf(tx.Raw)
		if err != nil || !overlap(inputs, ours) {
			return false, err
		}
	}
	return true, nil
}

func overlap(some, others []lndclient.TxInput) bool {
	return slices.ContainsFunc(some, func(a lndclient.TxInput) bool {
		return slices.ContainsFunc(others, func(b lndclient.TxInput) bool { return a.TxID == b.TxID && a.Vout == b.Vout })
	})
}

// broadcastAgain offers the newest transaction. If the mempool refuses a replacement, the one before it goes on; what is being
// taken back is not offered again.
func (n *NodeSteps) broadcastAgain(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction) (step.Word, error) {
	for _, tx := range slices.Backward(txs) {
		err := n.Node.Publish(ctx, tx.Raw, row.ID.String())
		switch {
		case err == nil:
			return n.confirming(ctx, row, tx, 0)
		case !errors.Is(err, lndclient.ErrRefused):
			return n.unsure(ctx, row, noAnswer)
		case tx.Kind != ledger.ReplacementTransaction:
			return n.conflict(ctx, row, txs)
		}
	}
	return n.conflict(ctx, row, txs)
}

func (n *NodeSteps) confirming(ctx context.Context, row ledger.Payment, tx ledger.PaymentTransaction, confirmations int32) (step.Word, error) {
	if err := n.Ledger.RecordPending(ctx, row.ID, 0); err != nil {
		return step.Word{}, err
	}
	word := step.Word{
		Status: step.InFlight, TxID: row.TxID, Confirmations: confirmations,
		Note: fmt.Sprintf("%d of %d confirmations", confirmations, n.Depth),
	}
	if tx.SatPerVByte > 0 {
		word.Note += fmt.Sprintf(", at %d sat/vB", tx.SatPerVByte)
	}
	if tx.Pays() {
		word.TxID = tx.TxID
	}
	return word, nil
}

// conflict looks for a confirmed transaction of somebody else that spends our inputs. Only that makes ours impossible.
func (n *NodeSteps) conflict(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction) (step.Word, error) {
	others, err := n.Node.ListTransactions(ctx, 0)
	if err != nil {
		return n.silent(ctx, row, err)
	}
	for _, other := range others {
		if other.Confirmations < n.Depth || slices.ContainsFunc(txs, func(tx ledger.PaymentTransaction) bool { return tx.TxID == other.TxID }) {
			continue
		}
		excluded, err := excludesAll(other.Inputs, txs)
		if err != nil {
			return step.Word{}, err
		}
		if excluded {
			n.Log.WarnContext(ctx, "transaction is dead", "payment_id", row.ID.String(), "node", n.Name, "txid", row.TxID, "conflict", other.TxID)
			return notPaid(row, payment.ReasonConflict), nil
		}
	}
	return n.unsure(ctx, row, "the mempool refuses the transaction, and no confirmed transaction conflicts with it")
}

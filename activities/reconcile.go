package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// retention is how long a spend stays in the table after the longest window has forgotten it.
const retention = 400 * 24 * time.Hour

// keepDeliveries is how long it can be looked up what became of a callback.
const keepDeliveries = 30 * 24 * time.Hour

// Resume starts the workflow of a payment again if it has none.
type Resume func(ctx context.Context, row ledger.Payment) (restarted bool, err error)

// UpkeepSteps are the chores of the whole house.
type UpkeepSteps struct {
	Ledger *ledger.Ledger
	Resume Resume
	// Ensure starts what runs once in the fleet, the watchers and the dispatcher of callbacks, where somebody has ended it.
	Ensure func(context.Context) error
	// OrphanAfter is how old a payment that is not terminal must be before its workflow is looked for.
	OrphanAfter time.Duration
	Log         *slog.Logger
}

// RepairOrphans looks for payments that are not terminal and have no open workflow, and starts it again; watchers as well.
// What cannot be started keeps no other waiting: it is named in the result, logged, and tried again by the next run.
func (u *UpkeepSteps) RepairOrphans(ctx context.Context) (step.Repaired, error) {
	defer heartbeating(ctx)()
	var repaired step.Repaired
	ensured := u.Ensure(ctx)
	for row, err := range u.Ledger.UnresolvedOlderThan(ctx, u.OrphanAfter) {
		if err != nil {
			return repaired, err
		}
		repaired.Looked++
		restarted, err := u.Resume(ctx, row)
		if ctx.Err() != nil {
			return repaired, ctx.Err()
		}
		if err != nil {
			u.Log.ErrorContext(ctx, "the workflow of a payment could not be looked for or started", "payment_id", row.ID.String(), "node", row.Node, "error", err)
			repaired.Failed = append(repaired.Failed, row.ID)
		}
		if restarted {
			repaired.Restarted = append(repaired.Restarted, row.ID)
		}
	}
	return repaired, ensured
}

// lockGrace is how long after its end a lock is left to its workflow.
const lockGrace = time.Minute

// KeepLedger advances the sums of idle budgets, releases locks whose workflow is lost, retires old spends, forgets callbacks that
// ended long ago and rolls the system accounts up.
func (u *UpkeepSteps) KeepLedger(ctx context.Context) error {
	defer heartbeating(ctx)()
	const batch = 1000
	if _, err := u.Ledger.AdvanceBudgets(ctx, batch); err != nil {
		return err
	}
	if n, err := u.Ledger.ReleaseExpiredLocks(ctx, lockGrace, batch); err != nil {
		return err
	} else if n > 0 {
		u.Log.WarnContext(ctx, "budget locks were released that had lost their workflow", "locks", n)
	}
	if _, err := u.Ledger.RetireSpends(ctx, retention); err != nil {
		return err
	}
	if _, err := u.Ledger.ForgetDeliveries(ctx, keepDeliveries); err != nil {
		return err
	}
	return u.Ledger.SnapshotSystemAccounts(ctx)
}

// compareWindow is how far back resolved payments are compared with LND.
const compareWindow = 48 * time.Hour

// CompareNode is Compare as an activity; a difference is logged as an error.
func (n *NodeSteps) CompareNode(ctx context.Context) (step.Comparison, error) {
	defer heartbeating(ctx)()
	out, err := n.Compare(ctx)
	for _, check := range out.Checks {
		if n.Compared != nil {
			n.Compared(check)
		}
		if !check.OK {
			n.Log.ErrorContext(ctx, "the ledger and the node differ", "node", n.Name, "check", check.Name, "detail", check.Detail)
		}
	}
	return out, err
}

// Compare compares the ledger with one node: every lately resolved payment, every lately paid invoice, and what the node
// holds against what the ledger books on it.
func (n *NodeSteps) Compare(ctx context.Context) (step.Comparison, error) {
	payments, err := n.comparePayments(ctx)
	if err != nil {
		return step.Comparison{}, err
	}
	total, err := n.compareTotal(ctx)
	if err != nil {
		return step.Comparison{}, err
	}
	receives, err := n.compareReceives(ctx)
	if err != nil {
		return step.Comparison{}, err
	}
	return step.Comparison{Checks: []step.Check{payments, receives, total}}, nil
}

func (n *NodeSteps) comparePayments(ctx context.Context) (step.Check, error) {
	check := step.Check{Name: "payments against " + n.Name, OK: true}
	const most = 10_000
	rows, err := n.Ledger.PaymentsResolvedSince(ctx, n.Name, n.Now().Add(-compareWindow), most)
	if err != nil {
		return check, err
	}
	for _, row := range rows {
		difference, err := n.compare(ctx, row)
		if err != nil {
			return check, err
		}
		if difference != "" {
			check.OK = false
			check.Difference += row.Amount + row.Fee
			check.Detail += fmt.Sprintf("%s: %s; ", row.ID, difference)
		}
	}
	check.Detail += fmt.Sprintf("%d payments compared one by one", len(rows))
	return check, nil
}

// compare says how one resolved payment differs from what the node says, "" if it does not.
func (n *NodeSteps) compare(ctx context.Context, row ledger.Payment) (string, error) {
	switch row.Kind {
	case payment.Lightning:
		return n.compareLightning(ctx, row)
	case payment.Onchain:
		return n.compareOnchain(ctx, row)
	default:
		return "", nil
	}
}

func (n *NodeSteps) compareLightning(ctx context.Context, row ledger.Payment) (string, error) {
	known, err := n.Node.LookupPayment(ctx, row.PaymentHash)
	found := err == nil
	if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
		return "", err
	}
	ours := found && row.Send.Attempt > 0 && known.Index > row.Send.Baseline
	switch {
	case row.State == payment.Settled && (!ours || known.Status != lndclient.Succeeded):
		return "settled here, not paid there", nil
	case row.State == payment.Settled && known.Amount+known.Fee != row.Amount+row.Fee:
		return fmt.Sprintf("settled at %v here, %v there", row.Amount+row.Fee, known.Amount+known.Fee), nil
	case row.State != payment.Settled && ours && known.Status != lndclient.Failed && !lost(row, known) && !n.paidByLater(ctx, row, known):
		return "given back here, " + string(known.Status) + " there", nil
	}
	return "", nil
}

// lost reports whether an operator has given up what LND still calls in flight. Should it ever be paid, it is a difference.
func lost(row ledger.Payment, known lndclient.Payment) bool {
	return known.Status == lndclient.InFlight && row.Failure != nil && row.Failure.Reason == payment.ReasonAbandoned
}

// paidByLater reports whether LND's payment belongs to a later payment of ours with the same hash.
func (n *NodeSteps) paidByLater(ctx context.Context, row ledger.Payment, known lndclient.Payment) bool {
	later, err := n.Ledger.PaymentByHash(ctx, row.PaymentHash)
	return err == nil && later.ID != row.ID && later.Send.Attempt > 0 && known.Index > later.Send.Baseline
}

func (n *NodeSteps) compareOnchain(ctx context.Context, row ledger.Payment) (string, error) {
	if row.TxID == "" {
		return "", nil
	}
	tx, err := n.Node.LookupTransaction(ctx, row.TxID)
	if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
		return "", err
	}
	if row.State == payment.Settled {
		if err != nil || tx.Confirmations < 1 {
			return "settled here, not confirmed there", nil
		}
		return "", nil
	}
	txs, err := n.Ledger.PaymentTransactions(ctx, row.ID)
	for _, ours := range txs {
		if !ours.Pays() {
			continue
		}
		tx, err := n.Node.LookupTransaction(ctx, ours.TxID)
		if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
			return "", err
		}
		if err == nil && tx.Confirmations > 0 {
			return "given back here, confirmed there", nil
		}
	}
	return "", err
}

// compareReceives proves that every lately credited invoice was paid at the node, with the same amount.
func (n *NodeSteps) compareReceives(ctx context.Context) (step.Check, error) {
	check := step.Check{Name: "receives against " + n.Name, OK: true}
	invoices, err := n.Ledger.InvoicesPaidSince(ctx, n.Name, n.Now().Add(-compareWindow))
	if err != nil {
		return check, err
	}
	for _, ours := range invoices {
		theirs, err := n.Node.LookupInvoice(ctx, ours.Hash)
		if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
			return check, err
		}
		inside, err := n.paidInside(ctx, ours.Hash)
		if err != nil {
			return check, err
		}
		outside := theirs.State == lndclient.InvoiceSettled && theirs.Received == ours.Received
		if inside == outside {
			check.OK = false
			check.Difference += ours.Received
			check.Detail += fmt.Sprintf("%s: credited %v, the node says %s %v; ", ours.Hash, ours.Received, theirs.State, theirs.Received)
		}
	}
	check.Detail += fmt.Sprintf("%d paid invoices compared one by one", len(invoices))
	return check, nil
}

// paidInside reports whether an invoice of ours was paid by another wallet of the ledger.
func (n *NodeSteps) paidInside(ctx context.Context, hash payment.Hash) (bool, error) {
	row, err := n.Ledger.PaymentByHash(ctx, hash)
	if payment.IsReason(err, payment.ReasonPaymentNotFound) {
		return false, nil
	}
	return err == nil && row.Kind == payment.Intraledger && row.State == payment.Settled, err
}

// compareTotal proves that the node can pay what the ledger owes. What it holds beyond that is the operator's own capital.
func (n *NodeSteps) compareTotal(ctx context.Context) (step.Check, error) {
	check := step.Check{Name: "funds of " + n.Name + " cover what the ledger owes"}
	booked, err := n.Ledger.NodeBalance(ctx, n.Name)
	if err != nil {
		return check, err
	}
	held, err := n.Node.Balance(ctx)
	if err != nil {
		return check, err
	}
	holds := (held.OnchainConfirmed + held.OnchainUnconfirmed).MustMsat() + held.ChannelLocal + held.ChannelPending + held.HTLCsOut
	check.OK = holds >= booked
	check.Difference = max(0, booked-holds)
	check.Detail = fmt.Sprintf("the node holds %v, the ledger books %v on it; the operator's own: %v", holds, booked, holds-booked)
	return check, nil
}

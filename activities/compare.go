package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// CompareWindow is how far back reconcile compares what has ended with LND.
const CompareWindow = 48 * time.Hour

// CompareNode is Compare as an activity; a difference is logged as an error.
func (n *NodeSteps) CompareNode(ctx context.Context) (step.Comparison, error) {
	defer heartbeating(ctx)()
	out, err := n.Compare(ctx, CompareWindow)
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

// Compare compares the ledger with one node: every payment that ended and every receive within the window, both ways, and what
// the node holds against what the ledger books on it.
func (n *NodeSteps) Compare(ctx context.Context, window time.Duration) (step.Comparison, error) {
	var out step.Comparison
	since := n.Now().Add(-window)
	for _, part := range []struct {
		name string
		run  func(context.Context, *comparison) error
	}{
		{"payments against " + n.Name, n.comparePayments},
		{"invoices against " + n.Name, n.compareInvoices},
		{"deposits against " + n.Name, n.compareDeposits},
		{"funds of " + n.Name + " cover what the ledger owes", n.compareTotal},
	} {
		c := &comparison{since: since, check: step.Check{Name: part.name, OK: true}}
		if err := part.run(ctx, c); err != nil {
			return step.Comparison{}, err
		}
		out.Checks = append(out.Checks, c.check)
	}
	return out, nil
}

// comparison collects what one part of Compare finds.
type comparison struct {
	since    time.Time
	check    step.Check
	compared int
}

// differs notes that one item, worth so much, is not the same on both sides.
func (c *comparison) differs(worth payment.Msat, format string, args ...any) {
	c.check.OK = false
	c.check.Difference += worth
	c.check.Detail += fmt.Sprintf(format, args...) + "; "
}

// end says how much was compared, and since when.
func (c *comparison) end(what string) {
	c.check.Detail += fmt.Sprintf("%d %s since %s compared one by one", c.compared, what, c.since.UTC().Format("2006-01-02 15:04 MST"))
}

// comparePayments compares every payment that has ended in the window, and what operators gave up before.
func (n *NodeSteps) comparePayments(ctx context.Context, c *comparison) error {
	one := func(row ledger.Payment) error {
		difference, err := n.compare(ctx, row)
		if difference != "" {
			c.differs(row.Amount+row.Fee, "%s: %s", row.ID, difference)
		}
		c.compared++
		return err
	}
	for row, err := range n.Ledger.PaymentsResolvedSince(ctx, n.Name, c.since) {
		if err == nil {
			err = one(row)
		}
		if err != nil {
			return err
		}
	}
	abandoned, err := n.Ledger.PaymentsGivenUpBefore(ctx, n.Name, c.since)
	for _, row := range abandoned {
		if err := one(row); err != nil {
			return err
		}
	}
	c.end("payments")
	return err
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
	ours := found && isOurs(row, known)
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
	return err == nil && later.ID != row.ID && isOurs(later, known)
}

func (n *NodeSteps) compareOnchain(ctx context.Context, row ledger.Payment) (string, error) {
	if row.TxID == "" {
		return "", nil
	}
	if row.State == payment.Settled {
		tx, err := n.Node.LookupTransaction(ctx, row.TxID)
		if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
			return "", err
		}
		return settledAs(row, tx), nil
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

// settledAs says how the transaction of a settled payment, zero if the node has none, differs from it.
func settledAs(row ledger.Payment, tx lndclient.Transaction) string {
	if tx.Confirmations < 1 {
		return "settled here, not confirmed there"
	}
	if fee := tx.Fee.MustMsat(); fee != row.Fee {
		return fmt.Sprintf("settled with a fee of %v here, %v there", row.Fee, fee)
	}
	for _, out := range tx.Outputs {
		if out.Address == row.Address && out.Amount.MustMsat() == row.Amount {
			return ""
		}
	}
	return fmt.Sprintf("%v settled here, no such output there", row.Amount)
}

// compareTotal proves that the node can pay what the ledger owes. What it holds beyond that is the operator's own capital.
func (n *NodeSteps) compareTotal(ctx context.Context, c *comparison) error {
	booked, err := n.Ledger.NodeBalance(ctx, n.Name)
	if err != nil {
		return err
	}
	held, err := n.Node.Balance(ctx)
	if err != nil {
		return err
	}
	holds := (held.OnchainConfirmed + held.OnchainUnconfirmed).MustMsat() + held.ChannelLocal + held.ChannelPending + held.HTLCsOut
	c.check.OK = holds >= booked
	c.check.Difference = max(0, booked-holds)
	c.check.Detail = fmt.Sprintf("the node holds %v, the ledger books %v on it; the operator's own: %v", holds, booked, holds-booked)
	return nil
}

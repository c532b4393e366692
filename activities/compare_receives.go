package activities

import (
	"context"
	"errors"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// compareInvoices proves that every credited invoice was paid at the node, with the same amount, and that none was paid there
// which the cursor has passed and nobody was credited for.
func (n *NodeSteps) compareInvoices(ctx context.Context, c *comparison) error {
	paid, err := n.Ledger.InvoicesPaidSince(ctx, n.Name, c.since)
	if err != nil {
		return err
	}
	for _, ours := range paid {
		theirs, err := n.Node.LookupInvoice(ctx, ours.Hash)
		if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
			return err
		}
		inside, err := n.paidInside(ctx, ours.Hash)
		if err != nil {
			return err
		}
		outside := theirs.State == lndclient.InvoiceSettled && theirs.Received == ours.Received
		if inside == outside {
			c.differs(ours.Received, "%s: credited %v, the node says %s %v", ours.Hash, ours.Received, theirs.State, theirs.Received)
		}
		c.compared++
	}
	open, err := n.Ledger.InvoicesOpenSince(ctx, n.Name, c.since)
	for _, ours := range open {
		if err := n.compareOpen(ctx, c, ours.Hash); err != nil {
			return err
		}
	}
	c.end("invoices")
	return err
}

// compareOpen looks for an invoice that the node has settled and the ledger has not. One that settles meanwhile is no difference:
// the credit moves the cursor past it.
func (n *NodeSteps) compareOpen(ctx context.Context, c *comparison, hash payment.Hash) error {
	c.compared++
	theirs, err := n.Node.LookupInvoice(ctx, hash)
	switch {
	case errors.Is(err, lndclient.ErrNotFound), err == nil && theirs.State != lndclient.InvoiceSettled:
		return nil
	case err != nil:
		return err
	}
	cursors, err := n.Ledger.Cursors(ctx, n.Name)
	if err != nil || cursors.SettleIndex < theirs.SettleIndex {
		return err
	}
	ours, err := n.Ledger.Invoice(ctx, hash) // after the cursor: both move together
	if err == nil && ours.State != ledger.InvoicePaid {
		c.differs(theirs.Received, "%s: the node says paid %v, nobody is credited", hash, theirs.Received)
	}
	return err
}

// paidInside reports whether an invoice of ours was paid by another wallet of the ledger.
func (n *NodeSteps) paidInside(ctx context.Context, hash payment.Hash) (bool, error) {
	row, err := n.Ledger.PaymentByHash(ctx, hash)
	if payment.IsReason(err, payment.ReasonPaymentNotFound) {
		return false, nil
	}
	return err == nil && row.Kind == payment.Intraledger && row.State == payment.Settled, err
}

// compareDeposits proves that every credited deposit is in the chain, with the same amount, and that everything the cursor has
// passed is credited.
func (n *NodeSteps) compareDeposits(ctx context.Context, c *comparison) error {
	credited, err := n.Ledger.DepositsCreditedSince(ctx, n.Name, c.since)
	if err != nil {
		return err
	}
	for _, ours := range credited {
		tx, err := n.Node.LookupTransaction(ctx, ours.TxID)
		if err != nil && !errors.Is(err, lndclient.ErrNotFound) {
			return err
		}
		if tx.Confirmations < 1 || !pays(tx, ours) {
			c.differs(ours.Amount.MustMsat(), "%s:%d: credited %v, the node does not have it", ours.TxID, ours.Vout, ours.Amount)
		}
		c.compared++
	}
	missed, err := n.missedDeposits(ctx)
	for _, theirs := range missed {
		c.differs(theirs.Amount.MustMsat(), "%s:%d: the node has %v for %s, nobody is credited", theirs.TxID, theirs.Vout, theirs.Amount, theirs.Address)
	}
	c.end("deposits")
	return err
}

func pays(tx lndclient.Transaction, d ledger.Deposit) bool {
	for _, out := range tx.Outputs {
		if out.Index == d.Vout {
			return out.Address == d.Address && out.Amount == d.Amount
		}
	}
	return false
}

// compareBlocks is how many blocks below the cursor missed deposits are looked for: about two days.
const compareBlocks = 288

func (n *NodeSteps) missedDeposits(ctx context.Context) ([]ledger.Deposit, error) {
	cursors, err := n.Ledger.Cursors(ctx, n.Name)
	if err != nil {
		return nil, err
	}
	txs, err := n.Node.ListTransactions(ctx, max(cursors.BlockHeight-compareBlocks, 0))
	if err != nil {
		return nil, err
	}
	var outputs []ledger.Deposit
	for _, tx := range txs {
		if tx.Confirmations < 1 || tx.BlockHeight > cursors.BlockHeight {
			continue
		}
		for _, out := range tx.Outputs {
			if out.Ours && out.Amount > 0 {
				outputs = append(outputs, ledger.Deposit{TxID: tx.TxID, Vout: out.Index, Address: out.Address, Amount: out.Amount, BlockHeight: tx.BlockHeight})
			}
		}
	}
	return n.Ledger.MissedDeposits(ctx, n.Name, outputs)
}

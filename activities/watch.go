package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Hint tells a payment's saga to ask.
type Hint func(ctx context.Context, id payment.ID) error

// WatchSteps is the watcher of one node: it credits what arrives and hints payments that end. It is an accelerator for
// payments, whose sagas also ask by themselves, and the only door for receives, which it takes up where the cursors
// in the ledger say.
type WatchSteps struct {
	Ledger *ledger.Ledger
	Node   lndclient.Node
	Name   string
	Depth  int32 // confirmations that make a deposit final
	Hint   Hint
	Log    *slog.Logger
	Shift  time.Duration // how long one activity watches before it ends by itself
}

// reorgWindow is how many blocks below the cursor are looked at again.
const reorgWindow = 6

// WatchNode runs until its shift ends, the node's streams break or the worker stops; Temporal then starts it again,
// here or elsewhere. It subscribes first and looks up afterwards, so that nothing falls between.
func (w *WatchSteps) WatchNode(ctx context.Context, node string) error {
	if node != w.Name {
		return fmt.Errorf("this worker watches %s, not %s", w.Name, node)
	}
	defer heartbeating(ctx)()
	shift, cancel := shiftOf(ctx, w.Shift)
	defer cancel()

	cursors, err := w.Ledger.Cursors(ctx, w.Name)
	if err != nil {
		return err
	}
	streams, streamCtx := errgroup.WithContext(shift)
	streams.Go(func() error {
		return w.Node.WatchInvoices(streamCtx, cursors.SettleIndex, nil, func(i lndclient.Invoice) error { return w.credit(streamCtx, i) })
	})
	streams.Go(func() error {
		return w.Node.WatchPayments(streamCtx, func() { w.hintAll(streamCtx, payment.Lightning) }, func(p lndclient.Payment) error { return w.paymentChanged(streamCtx, p) })
	})
	streams.Go(func() error {
		return w.Node.WatchTransactions(streamCtx, nil, func(tx lndclient.Transaction) error { return w.transactionChanged(streamCtx, tx) })
	})
	streams.Go(func() error {
		return w.Node.WatchBlocks(streamCtx, func(height int32) error { return w.block(streamCtx, height) })
	})
	err = streams.Wait()
	if ctx.Err() == nil && errors.Is(shift.Err(), context.DeadlineExceeded) {
		return nil // the shift is over
	}
	w.Log.WarnContext(ctx, "the watcher lost its node", "node", w.Name, "error", err)
	return err
}

// credit books a settled invoice and moves the cursor, in one transaction (rule 10).
func (w *WatchSteps) credit(ctx context.Context, invoice lndclient.Invoice) error {
	if invoice.State != lndclient.InvoiceSettled {
		return nil
	}
	if invoice.Preimage != ([32]byte{}) {
		if err := w.Ledger.RecordInvoicePreimage(ctx, invoice.Hash, invoice.Preimage); err != nil {
			return err
		}
	}
	credited, err := w.Ledger.CreditInvoice(ctx, w.Name, invoice.Hash, invoice.Received, invoice.SettleIndex)
	if credited {
		w.Log.InfoContext(ctx, "invoice credited", "node", w.Name, "payment_hash", invoice.Hash.String(), "msat", int64(invoice.Received))
	}
	return err
}

// paymentChanged hints the saga of a payment that has ended, or whose HTLCs time out later than its row knows. Only one
// that waits needs it: the others are being asked for.
func (w *WatchSteps) paymentChanged(ctx context.Context, p lndclient.Payment) error {
	if !p.Terminal() && p.HTLCs == 0 {
		return nil
	}
	row, err := w.Ledger.LivePaymentByHash(ctx, p.Hash)
	switch {
	case payment.IsReason(err, payment.ReasonPaymentNotFound):
		return nil
	case err != nil:
		return err
	case row.State != payment.Pending, !p.Terminal() && p.Expiry <= row.Expiry:
		return nil
	default:
		return w.Hint(ctx, row.ID)
	}
}

// transactionChanged notes deposits as soon as they are seen, and hints the saga of a payment of ours.
func (w *WatchSteps) transactionChanged(ctx context.Context, tx lndclient.Transaction) error {
	if err := w.deposits(ctx, tx); err != nil {
		return err
	}
	if tx.Confirmations < w.Depth {
		return nil
	}
	row, err := w.Ledger.LivePaymentByTxID(ctx, tx.TxID)
	if payment.IsReason(err, payment.ReasonPaymentNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.Hint(ctx, row.ID)
}

// block credits every deposit that has become deep enough, moves the cursor, and hints payments that wait for depth. LND's
// wallet reads blocks apart from who announces them: the cursor waits while it lags behind, or it would pass a deposit.
func (w *WatchSteps) block(ctx context.Context, height int32) error {
	cursors, err := w.Ledger.Cursors(ctx, w.Name)
	if err != nil {
		return err
	}
	synced := w.synced(ctx) // before the list: what the wallet has read by now is in it
	if err := w.depositsSince(ctx, max(cursors.BlockHeight-reorgWindow, 0)); err != nil {
		return err
	}
	if synced {
		if err := w.Ledger.AdvanceBlocks(ctx, w.Name, height-w.Depth+1); err != nil {
			return err
		}
	}
	w.hintAll(ctx, payment.Onchain)
	return nil
}

// syncedWithin is how long a block waits for LND to have read it as well.
const syncedWithin = 5 * time.Second

// synced waits for LND to say that it has read the whole chain. GetInfo itself may wait while LND works on a block.
func (w *WatchSteps) synced(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, syncedWithin)
	defer cancel()
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for {
		info, err := w.Node.Info(ctx)
		if err == nil && info.SyncedToChain {
			return true
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			w.Log.WarnContext(ctx, "LND has not read the chain to its end: the cursor of blocks waits", "node", w.Name, "error", err)
			return false
		}
	}
}

// depositsSince looks at every transaction from a height on, and at those of deposits that are awaited wherever they are.
func (w *WatchSteps) depositsSince(ctx context.Context, height int32) error {
	txs, err := w.Node.ListTransactions(ctx, height)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, tx := range txs {
		listed[tx.TxID] = true
		if err := w.deposits(ctx, tx); err != nil {
			return err
		}
	}
	awaited, err := w.Ledger.AwaitedDeposits(ctx, w.Name)
	for _, txid := range awaited {
		if listed[txid] {
			continue
		}
		if err := w.lookAgain(ctx, txid); err != nil {
			return err
		}
	}
	return err
}

// lookAgain looks at one transaction that pays an address of ours and is not credited.
func (w *WatchSteps) lookAgain(ctx context.Context, txid string) error {
	tx, err := w.Node.LookupTransaction(ctx, txid)
	if errors.Is(err, lndclient.ErrNotFound) {
		w.Log.InfoContext(ctx, "a deposit is gone before it confirmed: its sender has replaced it", "node", w.Name, "txid", txid)
		return w.Ledger.DepositGone(ctx, w.Name, txid)
	}
	if err != nil {
		return err
	}
	return w.deposits(ctx, tx)
}

// deposits credits the outputs of a transaction that pay addresses of ours, each outpoint once.
func (w *WatchSteps) deposits(ctx context.Context, tx lndclient.Transaction) error {
	for _, out := range tx.Outputs {
		if !out.Ours || out.Amount <= 0 { // an output of nothing can pay an address, and credits nothing
			continue
		}
		deposit := ledger.Deposit{TxID: tx.TxID, Vout: out.Index, Address: out.Address, Amount: out.Amount, BlockHeight: tx.BlockHeight}
		if tx.Confirmations < w.Depth {
			if err := w.Ledger.SeeDeposit(ctx, w.Name, deposit); err != nil {
				return err
			}
			continue
		}
		credited, err := w.Ledger.CreditDeposit(ctx, w.Name, deposit)
		if err != nil {
			return err
		}
		if credited {
			w.Log.InfoContext(ctx, "deposit credited", "node", w.Name, "txid", tx.TxID, "vout", out.Index, "sat", int64(out.Amount))
		}
	}
	return nil
}

// hintAll lets every waiting saga of a kind ask once. A lost hint costs time, never money.
func (w *WatchSteps) hintAll(ctx context.Context, kind payment.Kind) {
	rows, err := w.Ledger.LivePayments(ctx, w.Name)
	if err != nil {
		w.Log.WarnContext(ctx, "payments in flight could not be read", "node", w.Name, "error", err)
		return
	}
	for _, row := range rows {
		if row.Kind != kind || row.State != payment.Pending {
			continue
		}
		if err := w.Hint(ctx, row.ID); err != nil {
			w.Log.WarnContext(ctx, "hint was not sent", "node", w.Name, "payment_id", row.ID.String(), "error", err)
		}
	}
}

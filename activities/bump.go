package activities

import (
	"context"
	"errors"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// DefaultMaxFeeRate bounds fee bumps and rescues in sat/vB: above it a slip of the finger is likelier than a need.
const DefaultMaxFeeRate = 500

// maxFeeRate is the cap in sat/vB.
func (n *NodeSteps) maxFeeRate() uint64 {
	if n.MaxFeeRate == 0 {
		return DefaultMaxFeeRate
	}
	return n.MaxFeeRate
}

// BumpOnchain puts a dearer transaction into the place of the newest one: a replacement that pays the receiver the same, or,
// if the payment is being taken back, a faster rescue. It is signed and stored under a new fence before it is broadcast
// (rule 9). Asking again for the rate that the newest one has broadcasts that one.
func (n *NodeSteps) BumpOnchain(ctx context.Context, in step.BumpInput) (step.Bumped, error) {
	defer heartbeating(ctx)()
	row, err := n.Ledger.Payment(ctx, in.Request.ID)
	switch {
	case err != nil:
		return step.Bumped{}, err
	case row.State.Terminal():
		return step.Bumped{Word: wordOfRow(row)}, nil
	case row.Send.Attempt == 0:
		return notBumped(step.Word{}, payment.Errorf(payment.ReasonPaymentInFlight, "Nothing has left yet, so there is nothing to bump. Try again in a moment."))
	}
	word, err := n.askChain(ctx, row) // it may have its end, or a block
	if err != nil || word.Terminal() {
		return step.Bumped{Word: word}, err
	}
	txs, err := n.transactions(ctx, row)
	if err != nil {
		return step.Bumped{}, err
	}
	newest := txs[len(txs)-1]
	switch {
	case newest.SatPerVByte == in.SatPerVByte && newest.Kind != ledger.OriginalTransaction:
		return step.Bumped{Word: word, SatPerVByte: newest.SatPerVByte}, nil // done before
	case word.Confirmations > 0:
		return notBumped(word, payment.Errorf(payment.ReasonPaymentInFlight, "A transaction of this payment is in a block already: %s. Wait for it.", word.Note))
	case in.SatPerVByte <= newest.SatPerVByte:
		return notBumped(word, payment.Errorf(payment.ReasonInvalidInput, "The newest transaction pays %d sat/vB. Use a higher rate.", newest.SatPerVByte))
	}
	return n.bump(ctx, row, word, txs, in.SatPerVByte)
}

func (n *NodeSteps) bump(ctx context.Context, row ledger.Payment, word step.Word, txs []ledger.PaymentTransaction, rate uint64) (step.Bumped, error) {
	build := n.replacement
	if _, takingBack := rescueOf(txs); takingBack {
		build = n.rescue
	}
	tx, err := build(ctx, row, txs, rate)
	if why := n.unbuilt(ctx, row, err); why != nil {
		return step.Bumped{Word: word, Refusal: why}, nil
	}
	if err != nil {
		return step.Bumped{}, err
	}
	row, refused, err := n.storeAndBroadcast(ctx, row, tx)
	switch {
	case err != nil:
		return step.Bumped{}, err
	case row.State.Terminal():
		return step.Bumped{Word: wordOfRow(row)}, nil
	case !row.Send.Granted:
		return notBumped(word, payment.Errorf(payment.ReasonPaymentInFlight, "Another transaction of this payment was signed at the same moment. Look at it, then ask again."))
	}
	if word, err = n.askChain(ctx, row); err != nil {
		return step.Bumped{}, err
	}
	bumped := step.Bumped{Word: word, SatPerVByte: tx.SatPerVByte}
	if refused {
		bumped.Refusal = &payment.Errorf(payment.ReasonPublishRejected,
			"The mempool refuses the transaction at %d sat/vB; it is kept and offered again, and the payment goes on. Try a higher rate.", tx.SatPerVByte).Failure
	}
	return bumped, nil
}

// notBumped tells the operator why; the payment goes on as it was.
func notBumped(word step.Word, why *payment.Error) (step.Bumped, error) {
	return step.Bumped{Word: word, Refusal: &why.Failure}, nil
}

// unbuilt tells the operator why a transaction was not built or signed; nothing was stored, so nothing can have left. It is nil
// for no error, and for one that asking again may cure.
func (n *NodeSteps) unbuilt(ctx context.Context, row ledger.Payment, err error) *payment.Failure {
	if err == nil {
		return nil
	}
	n.Log.WarnContext(ctx, "no dearer transaction", "payment_id", row.ID.String(), "node", n.Name, "error", err)
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		return &coded.Failure
	}
	if _, ok := errors.AsType[*lndclient.Error](err); ok {
		return &payment.Errorf(payment.ReasonNodeOffline, "Our node did not sign a dearer transaction; the payment goes on as it was. Try again later.").Failure
	}
	return nil
}

// AbandonOnchain takes a payment back that has left and still waits: it spends one of its inputs back to our node, dear
// enough to replace what is in the mempool. Signed bytes that left the node can be mined later, so the payment ends only
// when that transaction is confirmed to our depth, or one of the payment's own.
func (n *NodeSteps) AbandonOnchain(ctx context.Context, req payment.Request) (step.Word, error) {
	word, err := n.AskOnchain(ctx, req)
	if err != nil || word.Terminal() || word.Rescue != "" {
		return word, err
	}
	defer heartbeating(ctx)()
	row, err := n.Ledger.Payment(ctx, req.ID)
	if err != nil {
		return step.Word{}, err
	}
	if row.Send.Attempt == 0 || word.Confirmations > 0 {
		return word, nil
	}
	txs, err := n.transactions(ctx, row)
	if err != nil {
		return step.Word{}, err
	}
	if rescue, ok := rescueOf(txs); ok { // by somebody else, since we asked
		word.Rescue = rescue.TxID
		return word, nil
	}
	tx, err := n.rescue(ctx, row, txs, n.rateNow(ctx, row, txs))
	if why := n.unbuilt(ctx, row, err); why != nil {
		word.Note = why.Message
		return word, nil
	}
	if err != nil {
		return step.Word{}, err
	}
	row, refused, err := n.storeAndBroadcast(ctx, row, tx)
	if err != nil || !row.Send.Granted {
		return word, err // not taken back; the operator asks again
	}
	if word, err = n.AskOnchain(ctx, req); err == nil && refused && !word.Terminal() {
		word.Rescue = "" // stored, and nowhere else yet: no promise to the operator
		word.Note = "The mempool refuses the transaction that would take it back; it is kept and offered again."
	}
	return word, err
}

// rateNow is what a fast transaction pays now, and more than the payment's own.
func (n *NodeSteps) rateNow(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction) uint64 {
	rate := txs[len(txs)-1].SatPerVByte + 1
	target, _ := payment.Fast.TargetBlocks()
	if estimate, err := n.Node.EstimateFee(ctx, row.Address, row.Amount.Ceil(), target); err == nil { // else the least that replaces
		rate = max(rate, estimate.SatPerVByte)
	}
	return min(rate, n.maxFeeRate())
}

// replacement is signed, and neither stored nor broadcast.
func (n *NodeSteps) replacement(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction, rate uint64) (ledger.PaymentTransaction, error) {
	built, err := lndclient.ReplacementPSBT(ctx, n.Node, lndclient.Replacement{
		Raw: txs[len(txs)-1].Raw, Address: row.Address, Amount: row.Amount.Ceil(), Network: n.Network, SatPerVByte: rate,
	})
	if err != nil {
		return ledger.PaymentTransaction{}, err
	}
	return n.signed(ctx, built, ledger.ReplacementTransaction)
}

// rescue is signed, and neither stored nor broadcast. It outbids whichever of the payment's transactions waits.
func (n *NodeSteps) rescue(ctx context.Context, row ledger.Payment, txs []ledger.PaymentTransaction, rate uint64) (ledger.PaymentTransaction, error) {
	address, err := n.Node.NewAddress(ctx)
	if err != nil {
		return ledger.PaymentTransaction{}, err
	}
	built, err := lndclient.RescuePSBT(ctx, n.Node, lndclient.Rescue{
		Raw: row.RawTx, Address: address, Network: n.Network, SatPerVByte: rate, Outbid: txs[len(txs)-1].Fee.Ceil(), // the dearest
	})
	if err != nil {
		return ledger.PaymentTransaction{}, err
	}
	return n.signed(ctx, built, ledger.RescueTransaction)
}

func (n *NodeSteps) signed(ctx context.Context, built lndclient.Rebuilt, kind ledger.TransactionKind) (ledger.PaymentTransaction, error) {
	if most := n.maxFeeRate(); built.SatPerVByte > most {
		return ledger.PaymentTransaction{}, payment.Errorf(payment.ReasonInvalidInput,
			"It would take %d sat/vB, and this worker allows %d (--max-fee-rate). Raise that, or wait.", built.SatPerVByte, most)
	}
	tx, err := n.Node.SignPSBT(ctx, built.PSBT)
	return ledger.PaymentTransaction{TxID: tx.TxID, Raw: tx.Raw, Fee: built.Fee.MustMsat(), SatPerVByte: built.SatPerVByte, Kind: kind}, err
}

// storeAndBroadcast stores first, under a new fence, and then broadcasts once; asking broadcasts again. The row says whether the
// fence was granted.
func (n *NodeSteps) storeAndBroadcast(ctx context.Context, row ledger.Payment, tx ledger.PaymentTransaction) (_ ledger.Payment, refused bool, err error) {
	callCtx, cancel := context.WithTimeout(ctx, n.Timing.Call)
	defer cancel()
	row, err = n.Ledger.RecordReplacement(ctx, row.ID, ledger.Fence{Seen: row.Send.Attempt, CallTimeout: n.Timing.Call}, tx)
	if err != nil || !row.Send.Granted {
		return row, false, err
	}
	err = n.Node.Publish(callCtx, tx.Raw, row.ID.String())
	n.Log.InfoContext(ctx, "dearer transaction broadcast", "payment_id", row.ID.String(), "node", n.Name, "kind", tx.Kind, "txid", tx.TxID,
		"sat_per_vbyte", tx.SatPerVByte, "error", err)
	return row, errors.Is(err, lndclient.ErrRefused), nil
}

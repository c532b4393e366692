package activities

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// leaseFor is how long inputs stay reserved for a payment that is not broadcast yet.
const leaseFor = time.Hour

// lockID names the inputs of a payment at LND, so that a retry finds and frees those of an earlier attempt.
func lockID(id payment.ID) [32]byte {
	return sha256.Sum256(append([]byte("holdfast/lease/1/"), id[:]...))
}

// SignOnchain funds, signs and stores the transaction. A retry before the broadcast starts over with fresh inputs: what
// was never stored is never broadcast.
func (n *NodeSteps) SignOnchain(ctx context.Context, in step.SignInput) (step.Signed, error) {
	defer heartbeating(ctx)()
	row, err := n.Ledger.Payment(ctx, in.Request.ID)
	if err != nil {
		return step.Signed{}, err
	}
	switch {
	case row.State.Terminal():
		return step.Signed{TxID: row.TxID, Failure: row.Failure}, nil
	case row.TxID != "":
		return n.signedBefore(ctx, row)
	}
	funded, amount, err := n.fund(ctx, row, in.SatPerVByte)
	if err != nil {
		return n.unsigned(ctx, row, err)
	}
	signed, err := n.Node.SignPSBT(ctx, funded.PSBT)
	if err != nil {
		return n.unsigned(ctx, row, err)
	}
	fee := funded.Fee.MustMsat()
	err = n.Ledger.RecordSigned(ctx, row.ID, ledger.Signed{
		TxID: signed.TxID, Raw: signed.Raw, Amount: amount.MustMsat(), Fee: fee, SatPerVByte: in.SatPerVByte,
	})
	return step.Signed{TxID: signed.TxID, Fee: fee, SatPerVByte: in.SatPerVByte}, err
}

// signedBefore answers what is stored, bumps included: a saga that is started again goes on from there.
func (n *NodeSteps) signedBefore(ctx context.Context, row ledger.Payment) (step.Signed, error) {
	txs, err := n.Ledger.PaymentTransactions(ctx, row.ID)
	if err != nil {
		return step.Signed{}, err
	}
	newest := txs[len(txs)-1]
	return step.Signed{TxID: row.TxID, Fee: row.SignedFee, SatPerVByte: newest.SatPerVByte, Bumped: newest.Kind != ledger.OriginalTransaction}, nil
}

// unsigned is an answer of LND that ends the payment, or silence, after which nothing has left either.
func (n *NodeSteps) unsigned(ctx context.Context, row ledger.Payment, err error) (step.Signed, error) {
	n.Log.WarnContext(ctx, "transaction was not signed", "payment_id", row.ID.String(), "node", n.Name, "error", err)
	var failure payment.Failure
	switch {
	case errors.Is(err, lndclient.ErrRefused):
		failure = explain(whyOr(err, payment.ReasonNodeFunds))
	case payment.IsReason(err, payment.ReasonFeeOverLimit):
		failure = failureOf(err)
	case errors.Is(err, lndclient.ErrUnavailable), errors.Is(err, lndclient.ErrUnknown):
		failure = explain(payment.ReasonNodeOffline)
	default:
		return step.Signed{}, err
	}
	return step.Signed{Failure: &failure}, nil
}

// fund leases inputs for the payment. A send-all takes the fee out of the amount: what the receiver gets is what was held
// less the fee, and the fee is known only after the inputs are chosen, so it is asked for until both agree.
func (n *NodeSteps) fund(ctx context.Context, row ledger.Payment, rate uint64) (lndclient.FundedPSBT, payment.Sat, error) {
	held, reserve := (row.Amount + row.FeeReserve).Floor(), row.FeeReserve.Ceil()
	amount := row.Amount.Ceil()
	const tries = 4
	for range tries {
		if err := n.Node.ReleaseLeases(ctx, lockID(row.ID)); err != nil {
			return lndclient.FundedPSBT{}, 0, err
		}
		funded, err := n.Node.FundPSBT(ctx, lndclient.FundPSBT{
			Address: row.Address, Amount: amount, SatPerVByte: rate, LockID: lockID(row.ID), LockFor: leaseFor, MinConfs: 1,
		})
		switch {
		case err != nil:
			return lndclient.FundedPSBT{}, 0, err
		case row.SendAll && amount+funded.Fee == held, !row.SendAll && funded.Fee <= reserve:
			return funded, amount, nil
		case row.SendAll && held > funded.Fee:
			amount = held - funded.Fee
		default:
			return lndclient.FundedPSBT{}, 0, payment.Errorf(payment.ReasonFeeOverLimit,
				"The miner fee rose to %v, above the %v that were reserved for it. Nothing was sent; try again.", funded.Fee, reserve)
		}
	}
	return lndclient.FundedPSBT{}, 0, payment.Errorf(payment.ReasonFeeOverLimit, "The miner fee keeps changing. Nothing was sent; try again.")
}

// PublishOnchain fences the row and broadcasts the stored transaction. The mempool's refusal of the very first broadcast
// is final: LND checks with the mempool before it tells any peer.
func (n *NodeSteps) PublishOnchain(ctx context.Context, req payment.Request) (step.Word, error) {
	defer heartbeating(ctx)()
	row, err := n.Ledger.Payment(ctx, req.ID)
	if err != nil {
		return step.Word{}, err
	}
	if row.State.Terminal() {
		return wordOfRow(row), nil
	}
	if row.Send.Attempt > 0 {
		return n.askChain(ctx, row)
	}
	if _, err := n.Node.Info(ctx); err != nil {
		return n.silent(ctx, row, err)
	}
	// The call's time runs before the fence is asked for, so that it ends before the fence's deadline.
	callCtx, cancel := context.WithTimeout(ctx, n.Timing.Call)
	defer cancel()
	row, err = n.Ledger.BeginSend(ctx, row.ID, ledger.Fence{Seen: 0, CallTimeout: n.Timing.Call})
	switch {
	case err != nil:
		return step.Word{}, err
	case row.State.Terminal():
		return wordOfRow(row), nil
	case !row.Send.Granted:
		return n.askChain(ctx, row)
	}
	err = n.Node.Publish(callCtx, row.RawTx, row.ID.String())
	n.Log.InfoContext(ctx, "transaction broadcast", "payment_id", row.ID.String(), "node", n.Name, "txid", row.TxID, "error", err)
	if errors.Is(err, lndclient.ErrRefused) {
		return notPaid(row, payment.ReasonPublishRejected), nil
	}
	if err != nil {
		return n.unsure(ctx, row, noAnswer)
	}
	return n.confirming(ctx, row, ledger.PaymentTransaction{TxID: row.TxID}, 0)
}

// AskOnchain looks for confirmations and broadcasts again what has none.
func (n *NodeSteps) AskOnchain(ctx context.Context, req payment.Request) (step.Word, error) {
	defer heartbeating(ctx)()
	row, err := n.Ledger.Payment(ctx, req.ID)
	if err != nil {
		return step.Word{}, err
	}
	switch {
	case row.State.Terminal():
		return wordOfRow(row), nil
	case row.Send.Attempt == 0: // only PublishOnchain may broadcast first: it fences
		return step.Word{Status: step.InFlight, TxID: row.TxID, Note: "not broadcast yet"}, nil
	}
	return n.askChain(ctx, row)
}

// FollowOnchain is AskOnchain that answers only with a terminal word and is retried until then.
func (n *NodeSteps) FollowOnchain(ctx context.Context, req payment.Request) (step.Word, error) {
	return onlyTerminal(n.AskOnchain(ctx, req))
}

// ReleaseInputs frees what a payment that will not be broadcast had leased.
func (n *NodeSteps) ReleaseInputs(ctx context.Context, id payment.ID) error {
	defer heartbeating(ctx)()
	return n.Node.ReleaseLeases(ctx, lockID(id))
}

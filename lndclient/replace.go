package lndclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/btcsuite/btcd/btcutil/psbt"
	"github.com/btcsuite/btcd/txscript"
	"github.com/btcsuite/btcd/wire"

	"github.com/holdfast-pay/holdfast/payment"
)

// Replaceable is the sequence of an input that signals that its transaction may be replaced (BIP 125). LND's own
// transactions do not signal it; btcd replaces no other ones.
const Replaceable uint32 = wire.MaxTxInSequenceNum - 2

// maxRate in sat/vB keeps fees from overflowing. LND's backend refuses far less.
const maxRate = 1_000_000

// Replacement asks for a transaction in the place of one that waits: the same inputs, the same output to the receiver, less
// change.
type Replacement struct {
	Raw         []byte // what it replaces, signed
	Address     string // the receiver's
	Amount      payment.Sat
	Network     string
	SatPerVByte uint64
}

// Rescue asks for a transaction that makes another one impossible: it spends the largest of its inputs to an address.
type Rescue struct {
	Raw         []byte // what it replaces, signed
	Address     string // ours
	Network     string
	SatPerVByte uint64      // at least
	Outbid      payment.Sat // the fee of what may wait in the mempool, to be exceeded
}

// Rebuilt is an unsigned transaction that spends what another one spends.
type Rebuilt struct {
	PSBT        []byte
	Fee         payment.Sat
	SatPerVByte uint64
}

// waiting is a signed transaction and the outputs that it spends.
type waiting struct {
	tx     *wire.MsgTx
	spends []*wire.TxOut // one per input
}

// ReplacementPSBT builds the transaction; nothing is leased, signed or sent. The node is asked only for the transactions
// whose outputs are spent. A *payment.Error with ReasonInvalidInput says why it cannot be built: the rate is too low to
// replace, or there is no change that could pay.
func ReplacementPSBT(ctx context.Context, node Node, r Replacement) (Rebuilt, error) {
	old, err := lookUp(ctx, node, r.Raw)
	if err != nil {
		return Rebuilt{}, err
	}
	size := virtualSize(old.tx)
	fee, err := feeAt(r.SatPerVByte, size)
	if err != nil {
		return Rebuilt{}, err
	}
	// A signature may be a byte longer than the one that it replaces.
	least := old.fee() + size + payment.Sat(len(old.tx.TxIn))
	if fee < least {
		return Rebuilt{}, payment.Errorf(payment.ReasonInvalidInput,
			"At %d sat/vB the transaction does not replace the one that waits, which pays %v. Use at least %d sat/vB.", r.SatPerVByte, old.fee(), rateFor(least, size))
	}
	change, err := old.change(r)
	if err != nil {
		return Rebuilt{}, err
	}
	tx := unsigned(old.tx.TxIn...)
	for i, out := range old.tx.TxOut {
		kept := *out
		if i == change {
			kept.Value -= int64(fee - old.fee())
		}
		tx.AddTxOut(&kept)
	}
	if rest := tx.TxOut[change].Value; rest < dust(tx.TxOut[change].PkScript) {
		return Rebuilt{}, payment.Errorf(payment.ReasonInvalidInput,
			"The transaction's change of %d sat is too little for a fee of %v. Use a lower rate, or wait: what the receiver gets is never changed.",
			old.tx.TxOut[change].Value, fee)
	}
	return rebuilt(tx, old.spends, fee, r.SatPerVByte)
}

// RescuePSBT builds the transaction; nothing is leased, signed or sent. The rate is the one asked for, or the least that
// replaces what waits. A *payment.Error with ReasonInvalidInput says why it cannot be built.
func RescuePSBT(ctx context.Context, node Node, r Rescue) (Rebuilt, error) {
	old, err := lookUp(ctx, node, r.Raw)
	if err != nil {
		return Rebuilt{}, err
	}
	address, err := parseAddress(r.Address, r.Network)
	if err != nil {
		return Rebuilt{}, err
	}
	script, err := txscript.PayToAddrScript(address)
	if err != nil {
		return Rebuilt{}, err
	}
	largest := 0
	for i, out := range old.spends {
		if out.Value > old.spends[largest].Value {
			largest = i
		}
	}
	in, spent := old.tx.TxIn[largest], old.spends[largest]
	signed := wire.NewMsgTx(2)
	signed.AddTxIn(in)
	signed.AddTxOut(wire.NewTxOut(spent.Value, script))
	size := virtualSize(signed)
	rate := max(r.SatPerVByte, rateFor(r.Outbid+size+1, size))
	fee, err := feeAt(rate, size)
	if err != nil {
		return Rebuilt{}, err
	}
	tx := unsigned(in)
	tx.AddTxOut(wire.NewTxOut(spent.Value-int64(fee), script))
	if tx.TxOut[0].Value < dust(script) {
		return Rebuilt{}, payment.Errorf(payment.ReasonInvalidInput,
			"The largest input of the transaction has %d sat, too little to outbid it with a fee of %v. Wait for it to confirm.", spent.Value, fee)
	}
	return rebuilt(tx, []*wire.TxOut{spent}, fee, rate)
}

// lookUp finds what a transaction of the node's wallet spends.
func lookUp(ctx context.Context, node Node, raw []byte) (waiting, error) {
	tx, err := parse(raw)
	if err != nil {
		return waiting{}, fmt.Errorf("stored transaction: %w", err)
	}
	w := waiting{tx: tx}
	for _, in := range tx.TxIn {
		known, err := node.LookupTransaction(ctx, in.PreviousOutPoint.Hash.String())
		if err != nil {
			return waiting{}, err
		}
		parent, err := parse(known.Raw)
		if err != nil || int(in.PreviousOutPoint.Index) >= len(parent.TxOut) {
			return waiting{}, &Error{Kind: KindUnknown, Call: callGetTransaction, Cause: errors.New("no such output: " + in.PreviousOutPoint.String())}
		}
		w.spends = append(w.spends, parent.TxOut[in.PreviousOutPoint.Index])
	}
	return w, nil
}

func (w waiting) fee() payment.Sat {
	var fee int64
	for _, out := range w.spends {
		fee += out.Value
	}
	for _, out := range w.tx.TxOut {
		fee -= out.Value
	}
	return payment.Sat(fee)
}

// change finds the output that goes back to the node: the one beside the receiver's.
func (w waiting) change(r Replacement) (int, error) {
	address, err := parseAddress(r.Address, r.Network)
	if err != nil {
		return 0, err
	}
	script, err := txscript.PayToAddrScript(address)
	if err != nil {
		return 0, err
	}
	paid, change := -1, -1
	for i, out := range w.tx.TxOut {
		if paid < 0 && out.Value == int64(r.Amount) && bytes.Equal(out.PkScript, script) {
			paid = i
		} else {
			change = i
		}
	}
	switch {
	case paid < 0 || len(w.tx.TxOut) > 2:
		return 0, fmt.Errorf("stored transaction %s does not pay %v to %s alone", w.tx.TxHash(), r.Amount, r.Address)
	case change < 0:
		return 0, payment.Errorf(payment.ReasonInvalidInput,
			"The transaction has no change, so a higher fee would come out of what the receiver gets, and that never changes. Wait for it to confirm, or abandon the payment to take it back.")
	}
	return change, nil
}

// unsigned spends the inputs again, without their signatures.
func unsigned(inputs ...*wire.TxIn) *wire.MsgTx {
	tx := wire.NewMsgTx(2)
	for _, in := range inputs {
		fresh := wire.NewTxIn(&in.PreviousOutPoint, nil, nil)
		fresh.Sequence = Replaceable
		tx.AddTxIn(fresh)
	}
	return tx
}

func rebuilt(tx *wire.MsgTx, spends []*wire.TxOut, fee payment.Sat, rate uint64) (Rebuilt, error) {
	packet, err := psbt.NewFromUnsignedTx(tx)
	if err != nil {
		return Rebuilt{}, err
	}
	for i := range packet.Inputs {
		packet.Inputs[i].WitnessUtxo = spends[i]
		packet.Inputs[i].SighashType = txscript.SigHashAll
		if txscript.IsPayToTaproot(spends[i].PkScript) {
			packet.Inputs[i].SighashType = txscript.SigHashDefault // the same, and a byte shorter
		}
	}
	raw, err := serializePSBT(packet)
	return Rebuilt{PSBT: raw, Fee: fee, SatPerVByte: rate}, err
}

// replaceable lets every input signal that the transaction may be replaced. It must come before the signatures.
func replaceable(packet *psbt.Packet) ([]byte, error) {
	for _, in := range packet.UnsignedTx.TxIn {
		in.Sequence = Replaceable
	}
	return serializePSBT(packet)
}

func serializePSBT(packet *psbt.Packet) ([]byte, error) {
	var buffer bytes.Buffer
	err := packet.Serialize(&buffer)
	return buffer.Bytes(), err
}

// virtualSize in vB of a signed transaction: a quarter of its weight, rounded up (BIP 141).
func virtualSize(tx *wire.MsgTx) payment.Sat {
	weight := 3*tx.SerializeSizeStripped() + tx.SerializeSize()
	return payment.Sat((weight + 3) / 4)
}

func feeAt(rate uint64, size payment.Sat) (payment.Sat, error) {
	if rate == 0 || rate > maxRate {
		return 0, payment.Errorf(payment.ReasonInvalidInput, "%d sat/vB is no fee rate. Use 1 to %d.", rate, maxRate)
	}
	return payment.Sat(rate) * size, nil
}

// rateFor is the least rate at which the size costs the fee.
func rateFor(fee, size payment.Sat) uint64 {
	return uint64((fee + size - 1) / size) //nolint:gosec // fees and sizes are positive
}

// dust in sat, below which nodes do not relay an output of our wallet: what spending it costs at 3 sat/vB, the standard rule of
// Bitcoin Core and btcd.
func dust(script []byte) int64 {
	if txscript.IsPayToWitnessPubKeyHash(script) {
		return 294
	}
	return 330
}

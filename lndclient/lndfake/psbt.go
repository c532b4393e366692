package lndfake

import (
	"bytes"
	"context"
	"time"

	"github.com/btcsuite/btcd/btcutil/psbt"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/btcsuite/btcd/txscript"
	"github.com/btcsuite/btcd/wire"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Virtual sizes in vB of a transaction's parts with taproot inputs, rounded up.
const (
	baseSize    = 11
	inputSize   = 58
	outputSize  = 43
	defaultLock = 10 * time.Minute // LND's default lease
)

// EstimateFee answers the node's fee rate for one input and two outputs.
func (n *Node) EstimateFee(ctx context.Context, address string, amount payment.Sat, _ int32) (lndclient.FeeEstimate, error) {
	var estimate lndclient.FeeEstimate
	err := n.do(ctx, EstimateFee, func() error {
		if _, err := lndclient.DecodeAddress(address, lndclient.Regtest); err != nil {
			return refused(EstimateFee, payment.ReasonInvalidAddress, err.Error())
		}
		if _, _, err := n.selectCoins(EstimateFee, amount, n.wallet.rate, 1); err != nil {
			return err
		}
		estimate = lndclient.FeeEstimate{Fee: feeFor(1, 2, n.wallet.rate), SatPerVByte: n.wallet.rate}
		return nil
	})
	return estimate, err
}

// dustLimit is the least amount that nodes relay to a script: what spending it costs at 3 sat/vB.
func dustLimit(script []byte) payment.Sat {
	switch txscript.GetScriptClass(script) { //nolint:exhaustive // the others cost the most
	case txscript.WitnessV0PubKeyHashTy:
		return 294
	case txscript.WitnessV0ScriptHashTy, txscript.WitnessV1TaprootTy:
		return 330
	case txscript.ScriptHashTy:
		return 540
	default:
		return 546
	}
}

// FundPSBT selects coins, largest first, and leases them.
func (n *Node) FundPSBT(ctx context.Context, fund lndclient.FundPSBT) (lndclient.FundedPSBT, error) {
	var funded lndclient.FundedPSBT
	err := n.do(ctx, FundPSBT, func() error {
		address, err := lndclient.DecodeAddress(fund.Address, lndclient.Regtest)
		if err != nil {
			return refused(FundPSBT, payment.ReasonInvalidAddress, err.Error())
		}
		if fund.Amount < dustLimit(mustScript(address)) {
			return refused(FundPSBT, payment.ReasonDust, "transaction output is dust")
		}
		coins, fee, err := n.selectCoins(FundPSBT, fund.Amount, fund.SatPerVByte, fund.MinConfs)
		if err != nil {
			return err
		}
		funded, err = n.buildPSBT(coins, mustScript(address), fund.Amount, fee)
		if err != nil {
			return err
		}
		until := n.network.now().Add(max(fund.LockFor, 0))
		if fund.LockFor <= 0 {
			until = n.network.now().Add(defaultLock)
		}
		for _, c := range coins {
			n.wallet.leases[c.outpoint] = lease{id: fund.LockID, until: until}
		}
		return nil
	})
	return funded, err
}

func (n *Node) selectCoins(call Call, amount payment.Sat, rate uint64, minConfs int32) ([]coin, payment.Sat, error) {
	var chosen []coin
	var total payment.Sat
	for _, c := range n.coins() {
		confirmations := int32(0)
		if c.height > 0 {
			confirmations = n.network.chain.height - c.height + 1
		}
		if confirmations < minConfs || n.leased(c.outpoint) {
			continue
		}
		chosen, total = append(chosen, c), total+c.amount
		if fee := feeFor(len(chosen), 2, rate); total >= amount+fee {
			return chosen, fee, nil
		}
	}
	return nil, 0, refused(call, payment.ReasonNodeFunds, "insufficient funds available to construct transaction")
}

func (n *Node) leased(outpoint wire.OutPoint) bool {
	held, ok := n.wallet.leases[outpoint]
	return ok && n.network.now().Before(held.until)
}

// buildPSBT pays the script, and the rest back to the node; too small a rest becomes fee.
func (n *Node) buildPSBT(coins []coin, script []byte, amount, fee payment.Sat) (lndclient.FundedPSBT, error) {
	tx := wire.NewMsgTx(2)
	var total payment.Sat
	for _, c := range coins {
		in := wire.NewTxIn(&c.outpoint, nil, nil)
		in.Sequence = lndclient.Replaceable
		tx.AddTxIn(in)
		total += c.amount
	}
	tx.AddTxOut(wire.NewTxOut(int64(amount), script))
	if change := total - amount - fee; change >= 330 {
		tx.AddTxOut(wire.NewTxOut(int64(change), n.newScript()))
	} else {
		fee += change
	}
	packet, err := psbt.NewFromUnsignedTx(tx)
	if err != nil {
		return lndclient.FundedPSBT{}, err
	}
	for i, c := range coins {
		packet.Inputs[i].WitnessUtxo = wire.NewTxOut(int64(c.amount), c.script)
	}
	var buffer bytes.Buffer
	if err := packet.Serialize(&buffer); err != nil {
		return lndclient.FundedPSBT{}, err
	}
	return lndclient.FundedPSBT{PSBT: buffer.Bytes(), Fee: fee}, nil
}

func feeFor(inputs, outputs int, rate uint64) payment.Sat {
	return payment.Sat(uint64(baseSize+inputs*inputSize+outputs*outputSize) * rate)
}

// Leases counts the outputs that are leased under the id.
func (n *Node) Leases(lockID [32]byte) int {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	count := 0
	for outpoint, held := range n.wallet.leases {
		if held.id == lockID && n.leased(outpoint) {
			count++
		}
	}
	return count
}

// ReleaseLeases frees what is leased under the id.
func (n *Node) ReleaseLeases(ctx context.Context, lockID [32]byte) error {
	return n.do(ctx, ReleaseLeases, func() error {
		for outpoint, held := range n.wallet.leases {
			if held.id == lockID {
				delete(n.wallet.leases, outpoint)
			}
		}
		return nil
	})
}

// SignPSBT adds stand-ins for signatures. Signing the same packet again gives the same transaction.
func (n *Node) SignPSBT(ctx context.Context, raw []byte) (lndclient.SignedTx, error) {
	var signed lndclient.SignedTx
	err := n.do(ctx, SignPSBT, func() error {
		packet, err := psbt.NewFromRawBytes(bytes.NewReader(raw), false)
		if err != nil {
			return refused(SignPSBT, payment.ReasonInvalidInput, "error parsing PSBT: "+err.Error())
		}
		tx := packet.UnsignedTx.Copy()
		for _, in := range tx.TxIn {
			if !n.spendsOurs(in.PreviousOutPoint) {
				return refused(SignPSBT, payment.ReasonInvalidInput, "an input is not ours")
			}
			in.Witness = keySpend()
		}
		signed = lndclient.SignedTx{Raw: serialize(tx), TxID: tx.TxHash().String()}
		return nil
	})
	return signed, err
}

// Publish puts the transaction into the mempool, unless an input is spent or does not exist. A "no" to what the wallet knows
// proves nothing: it was broadcast before.
func (n *Node) Publish(ctx context.Context, rawTx []byte, label string) error {
	return n.do(ctx, Publish, func() error {
		tx := wire.NewMsgTx(2)
		if err := tx.Deserialize(bytes.NewReader(rawTx)); err != nil {
			return refused(Publish, payment.ReasonPublishRejected, "not a transaction: "+err.Error())
		}
		txid := tx.TxHash()
		if n.network.chain.txs[txid] == nil {
			if err := n.acceptable(tx); err != nil && n.wallet.known[txid] != nil {
				return failure(Publish, lndclient.KindUnknown, err.Error())
			} else if err != nil {
				return err
			}
			n.network.insert(tx)
		}
		if known := n.wallet.known[txid]; known != nil && known.label == "" {
			known.label = label
		}
		return nil
	})
}

// acceptable is the mempool's check: inputs exist, and no other transaction spends them, unless it may be replaced.
func (n *Node) acceptable(tx *wire.MsgTx) error {
	c := &n.network.chain
	replaced := map[chainhash.Hash]*chainTx{}
	for _, in := range tx.TxIn {
		prev := c.txs[in.PreviousOutPoint.Hash]
		if prev == nil || int(in.PreviousOutPoint.Index) >= len(prev.tx.TxOut) {
			return refused(Publish, payment.ReasonPublishRejected, "an input does not exist")
		}
		if other := c.spends[in.PreviousOutPoint]; other != nil {
			replaced[other.txid] = other
		}
	}
	if err := n.network.outbids(tx, replaced); err != nil {
		return err
	}
	for _, other := range replaced {
		c.remove(other) // the wallets still know it, as LND's do
	}
	return nil
}

// outbids is BIP 125: what is replaced waits and signals it; what replaces pays more than all of it, by 1 sat/vB of its own
// size, and at a higher rate than each.
func (n *Network) outbids(tx *wire.MsgTx, replaced map[chainhash.Hash]*chainTx) error {
	fee, size := n.feeOf(tx), virtualSize(tx)
	var least payment.Sat
	for _, other := range replaced {
		switch {
		case other.height > 0 || other.tx.TxIn[0].Sequence > lndclient.Replaceable:
			return refused(Publish, payment.ReasonPublishRejected, "an input is spent by another transaction")
		case fee*virtualSize(other.tx) <= other.fee*size:
			return refused(Publish, payment.ReasonPublishRejected, "insufficient fee rate")
		}
		least += other.fee
	}
	if len(replaced) > 0 && fee < least+size {
		return refused(Publish, payment.ReasonPublishRejected, "insufficient fee")
	}
	return nil
}

func virtualSize(tx *wire.MsgTx) payment.Sat {
	return payment.Sat((3*tx.SerializeSizeStripped() + tx.SerializeSize() + 3) / 4)
}

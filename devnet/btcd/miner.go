package btcd

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/btcsuite/btcd/txscript"
	"github.com/btcsuite/btcd/wire"
)

// Output is a payment of an amount in sat to an address.
type Output struct {
	Address string
	Sat     int64
}

const minerFee = 20_000 // sat, ample for a transaction of some thirty outputs

// minerKey is fixed and known to everybody, which is fine for coins of a private
// chain: the chain can be mined before any wallet exists, and no wallet's balance
// changes by mining.
func minerKey() *btcec.PrivateKey {
	seed := sha256.Sum256([]byte("holdfast devnet: the miner of a private regtest chain"))
	key, _ := btcec.PrivKeyFromBytes(seed[:])
	return key
}

func minerPayout() (btcutil.Address, error) {
	hash := btcutil.Hash160(minerKey().PubKey().SerializeCompressed())
	return btcutil.NewAddressWitnessPubKeyHash(hash, &chaincfg.RegressionNetParams)
}

// MinerAddress is the address that blocks pay to (--miningaddr).
func MinerAddress() (string, error) {
	address, err := minerPayout()
	if err != nil {
		return "", err
	}
	return address.EncodeAddress(), nil
}

// Fund pays the outputs from the reward of the block at height, which must have
// 100 blocks on top and be unspent, and broadcasts the transaction. What is left
// goes back to the miner.
func (c *Client) Fund(ctx context.Context, height int, outputs []Output) (txid string, err error) {
	block, err := c.block(ctx, height)
	if err != nil {
		return "", err
	}
	coinbase := block.Transactions[0]
	reward := coinbase.TxOut[0]
	hash := coinbase.TxHash()
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(wire.NewOutPoint(&hash, 0), nil, nil))
	rest := reward.Value - minerFee
	for _, out := range outputs {
		address, err := btcutil.DecodeAddress(out.Address, &chaincfg.RegressionNetParams)
		if err != nil {
			return "", err
		}
		script, err := txscript.PayToAddrScript(address)
		if err != nil {
			return "", err
		}
		tx.AddTxOut(wire.NewTxOut(out.Sat, script))
		rest -= out.Sat
	}
	if rest < 0 {
		return "", fmt.Errorf("the reward of block %d is %d sat too small", height, -rest)
	}
	tx.AddTxOut(wire.NewTxOut(rest, reward.PkScript))
	fetcher := txscript.NewCannedPrevOutputFetcher(reward.PkScript, reward.Value)
	tx.TxIn[0].Witness, err = txscript.WitnessSignature(tx, txscript.NewTxSigHashes(tx, fetcher), 0,
		reward.Value, reward.PkScript, txscript.SigHashAll, minerKey(), true)
	if err != nil {
		return "", err
	}
	return c.publish(ctx, tx)
}

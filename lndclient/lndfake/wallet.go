package lndfake

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/btcsuite/btcd/btcutil"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/btcsuite/btcd/txscript"
	"github.com/btcsuite/btcd/wire"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// wallet is what a node knows of the chain.
type wallet struct {
	known  map[chainhash.Hash]*walletTx
	leases map[wire.OutPoint]lease
	rate   uint64 // sat/vB that EstimateFee answers
}

type walletTx struct {
	tx    *wire.MsgTx
	label string
	fee   payment.Sat
}

type lease struct {
	id    [32]byte
	until time.Time
}

// coin is an unspent output of the wallet.
type coin struct {
	outpoint wire.OutPoint
	amount   payment.Sat
	script   []byte
	height   int32 // 0: not confirmed
}

func newWallet() wallet {
	return wallet{known: map[chainhash.Hash]*walletTx{}, leases: map[wire.OutPoint]lease{}, rate: 2}
}

// Deposit gives the node confirmed on-chain funds in one output and mines a block.
func (n *Node) Deposit(amount payment.Sat) {
	n.network.mu.Lock()
	n.network.deposit(n.newScript(), amount)
	n.network.mu.Unlock()
	n.network.Mine(1)
}

// SetFeeRate sets what EstimateFee answers, in sat/vB.
func (n *Node) SetFeeRate(satPerVByte uint64) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.wallet.rate = satPerVByte
}

// NewAddress gives a fresh taproot address.
func (n *Node) NewAddress(ctx context.Context) (string, error) {
	var address string
	err := n.do(ctx, NewAddress, func() error {
		address = addressOf(n.newScript())
		return nil
	})
	return address, err
}

// newScript is the output script of a fresh key of the node.
func (n *Node) newScript() []byte {
	script := outsideScript()
	n.network.chain.scripts[string(script)] = n
	return script
}

// outsideScript pays to a fresh taproot key that no node has.
func outsideScript() []byte {
	key, err := btcec.NewPrivateKey()
	if err != nil {
		panic("lndfake: no randomness: " + err.Error())
	}
	script, err := txscript.PayToTaprootScript(key.PubKey())
	if err != nil {
		panic("lndfake: " + err.Error())
	}
	return script
}

// OutsideAddress is a taproot address of nobody in particular.
func OutsideAddress() string { return addressOf(outsideScript()) }

func addressOf(script []byte) string {
	_, addresses, _, err := txscript.ExtractPkScriptAddrs(script, regtest())
	if err != nil || len(addresses) != 1 {
		return ""
	}
	return addresses[0].EncodeAddress()
}

func mustScript(address string) []byte {
	parsed, err := btcutil.DecodeAddress(address, regtest())
	if err != nil {
		panic("lndfake: " + address + ": " + err.Error())
	}
	script, err := txscript.PayToAddrScript(parsed)
	if err != nil {
		panic("lndfake: " + address + ": " + err.Error())
	}
	return script
}

func (n *Node) owns(script []byte) bool { return n.network.chain.scripts[string(script)] == n }

// spendsOurs reports whether the outpoint is an output of the node.
func (n *Node) spendsOurs(outpoint wire.OutPoint) bool {
	prev := n.network.findTx(outpoint.Hash)
	return prev != nil && int(outpoint.Index) < len(prev.TxOut) && n.owns(prev.TxOut[outpoint.Index].PkScript)
}

// concerns reports whether the wallet would record the transaction.
func (n *Node) concerns(tx *wire.MsgTx) bool {
	return slices.ContainsFunc(tx.TxOut, func(out *wire.TxOut) bool { return n.owns(out.PkScript) }) ||
		slices.ContainsFunc(tx.TxIn, func(in *wire.TxIn) bool { return n.spendsOurs(in.PreviousOutPoint) })
}

// coins lists the unspent outputs, largest first. What a known transaction of the wallet spends is spent, also when
// the mempool has dropped it.
func (n *Node) coins() []coin {
	spent := map[wire.OutPoint]bool{}
	for _, known := range n.wallet.known {
		for _, in := range known.tx.TxIn {
			spent[in.PreviousOutPoint] = true
		}
	}
	var list []coin
	for txid, known := range n.wallet.known {
		var height int32
		if onChain := n.network.chain.txs[txid]; onChain != nil {
			height = onChain.height
		}
		for i, out := range known.tx.TxOut {
			outpoint := wire.OutPoint{Hash: txid, Index: uint32(i)}
			if n.owns(out.PkScript) && !spent[outpoint] {
				list = append(list, coin{outpoint, payment.Sat(out.Value), out.PkScript, height})
			}
		}
	}
	slices.SortFunc(list, func(a, b coin) int {
		return cmp.Or(cmp.Compare(b.amount, a.amount), cmp.Compare(a.outpoint.String(), b.outpoint.String()))
	})
	return list
}

// LookupTransaction reads a transaction of the wallet.
func (n *Node) LookupTransaction(ctx context.Context, txid string) (lndclient.Transaction, error) {
	var found lndclient.Transaction
	err := n.do(ctx, LookupTransaction, func() error {
		hash, err := chainhash.NewHashFromStr(txid)
		if err != nil {
			return refused(LookupTransaction, payment.ReasonInvalidInput, "not a txid")
		}
		known := n.wallet.known[*hash]
		if known == nil {
			return failure(LookupTransaction, lndclient.KindNotFound, "no such transaction in the wallet")
		}
		found = n.describe(*hash, known)
		return nil
	})
	return found, err
}

// ListTransactions lists the wallet's transactions from a height on, unconfirmed ones last.
func (n *Node) ListTransactions(ctx context.Context, fromHeight int32) ([]lndclient.Transaction, error) {
	var list []lndclient.Transaction
	err := n.do(ctx, ListTransactions, func() error {
		for txid, known := range n.wallet.known {
			tx := n.describe(txid, known)
			if tx.Confirmations == 0 || tx.BlockHeight >= fromHeight {
				list = append(list, tx)
			}
		}
		slices.SortFunc(list, func(a, b lndclient.Transaction) int {
			return cmp.Or(cmp.Compare(b.Confirmations, a.Confirmations), cmp.Compare(a.TxID, b.TxID))
		})
		return nil
	})
	return list, err
}

func (n *Node) describe(txid chainhash.Hash, known *walletTx) lndclient.Transaction {
	described := lndclient.Transaction{TxID: txid.String(), Raw: serialize(known.tx), Label: known.label}
	if onChain := n.network.chain.txs[txid]; onChain != nil && onChain.height > 0 {
		described.BlockHeight = onChain.height
		described.Confirmations = n.network.chain.height - onChain.height + 1
	}
	for _, in := range known.tx.TxIn {
		ours := n.spendsOurs(in.PreviousOutPoint)
		if ours {
			described.Fee = known.fee
		}
		described.Inputs = append(described.Inputs, lndclient.TxInput{
			TxID: in.PreviousOutPoint.Hash.String(), Vout: in.PreviousOutPoint.Index, Ours: ours,
		})
	}
	for i, out := range known.tx.TxOut {
		described.Outputs = append(described.Outputs, lndclient.TxOutput{
			Index: uint32(i), Address: addressOf(out.PkScript), Amount: payment.Sat(out.Value), Ours: n.owns(out.PkScript),
		})
	}
	return described
}

// keySpend stands for a signature: the size of a taproot key spend (BIP 341).
func keySpend() wire.TxWitness { return wire.TxWitness{make([]byte, schnorr.SignatureSize)} }

package lndfake

import (
	"bytes"
	"slices"

	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/btcsuite/btcd/wire"

	"github.com/holdfast-pay/holdfast/payment"
)

// chain is the mempool, the blocks (only the transactions of the nodes) and the coins.
type chain struct {
	height  int32
	txs     map[chainhash.Hash]*chainTx // in the mempool or confirmed
	spends  map[wire.OutPoint]*chainTx  // which of them spends an output
	scripts map[string]*Node            // owners of output scripts
}

// chainTx is a transaction that the mempool or a block holds.
type chainTx struct {
	tx     *wire.MsgTx
	txid   chainhash.Hash
	fee    payment.Sat
	height int32 // 0: in the mempool
}

func newChain() chain {
	return chain{
		height:  startHeight,
		txs:     map[chainhash.Hash]*chainTx{},
		spends:  map[wire.OutPoint]*chainTx{},
		scripts: map[string]*Node{},
	}
}

// Mine makes n blocks. The first one takes all of the mempool.
func (n *Network) Mine(blocks int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range blocks {
		n.chain.height++
		for _, tx := range n.chain.txs {
			if tx.height == 0 {
				tx.height = n.chain.height
				n.forgetConflicts(tx)
				n.announceTransaction(tx)
			}
		}
		for _, node := range n.nodes {
			node.announce(blockStream, n.chain.height)
		}
	}
}

// MineEmpty makes n blocks that leave the mempool as it is.
func (n *Network) MineEmpty(blocks int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for range blocks {
		n.chain.height++
		for _, node := range n.nodes {
			node.announce(blockStream, n.chain.height)
		}
	}
}

// Drop makes the mempool forget a transaction. The wallet that published it still knows it, as LND's does.
func (n *Network) Drop(txid string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if tx := n.chain.txs[mustTxID(txid)]; tx != nil && tx.height == 0 {
		n.chain.remove(tx)
	}
}

// InMempool reports whether the transaction waits for a block.
func (n *Network) InMempool(txid string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	tx := n.chain.txs[mustTxID(txid)]
	return tx != nil && tx.height == 0
}

// Confirmations counts the blocks of a transaction; 0 if it waits, or does not exist.
func (n *Network) Confirmations(txid string) int32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	if tx := n.chain.txs[mustTxID(txid)]; tx != nil && tx.height > 0 {
		return n.chain.height - tx.height + 1
	}
	return 0
}

// Conflict puts a transaction into the mempool that spends the inputs of another one to nobody, in its place. It
// returns the new txid. The other one dies when it is mined.
func (n *Network) Conflict(txid string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	original := n.findTx(mustTxID(txid))
	if original == nil {
		panic("lndfake: no transaction " + txid)
	}
	if known := n.chain.txs[original.TxHash()]; known != nil {
		n.chain.remove(known)
	}
	conflict := wire.NewMsgTx(2)
	conflict.TxIn = original.Copy().TxIn
	conflict.AddTxOut(wire.NewTxOut(1000, outsideScript()))
	return n.insert(conflict).String()
}

// SendToAddress is a deposit by somebody outside: into the mempool. It returns the txid.
func (n *Network) SendToAddress(address string, amount payment.Sat) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deposit(mustScript(address), amount).String()
}

// findTx looks in the chain and in all wallets.
func (n *Network) findTx(txid chainhash.Hash) *wire.MsgTx {
	if known := n.chain.txs[txid]; known != nil {
		return known.tx
	}
	for _, node := range n.nodes {
		if known := node.wallet.known[txid]; known != nil {
			return known.tx
		}
	}
	return nil
}

func (n *Network) deposit(script []byte, amount payment.Sat) chainhash.Hash {
	tx := wire.NewMsgTx(2)
	tx.AddTxIn(wire.NewTxIn(&wire.OutPoint{Hash: random32()}, nil, wire.TxWitness{make([]byte, 64)}))
	tx.AddTxOut(wire.NewTxOut(int64(amount), script))
	return n.insert(tx)
}

// insert puts a transaction into the mempool and tells the wallets that it concerns.
func (n *Network) insert(tx *wire.MsgTx) chainhash.Hash {
	entry := &chainTx{tx: tx, txid: tx.TxHash(), fee: n.feeOf(tx)}
	n.chain.txs[entry.txid] = entry
	for _, in := range tx.TxIn {
		n.chain.spends[in.PreviousOutPoint] = entry
	}
	for _, node := range n.nodes {
		if node.concerns(tx) && node.wallet.known[entry.txid] == nil {
			node.wallet.known[entry.txid] = &walletTx{tx: tx, fee: entry.fee}
		}
	}
	n.announceTransaction(entry)
	return entry.txid
}

func (n *Network) feeOf(tx *wire.MsgTx) payment.Sat {
	var in, out int64
	for _, txIn := range tx.TxIn {
		prev := n.chain.txs[txIn.PreviousOutPoint.Hash]
		if prev == nil {
			return 0 // an outsider's input
		}
		in += prev.tx.TxOut[txIn.PreviousOutPoint.Index].Value
	}
	for _, txOut := range tx.TxOut {
		out += txOut.Value
	}
	return payment.Sat(in - out)
}

// remove takes a transaction and all that spends from it out of the mempool.
func (c *chain) remove(tx *chainTx) {
	delete(c.txs, tx.txid)
	for _, in := range tx.tx.TxIn {
		if c.spends[in.PreviousOutPoint] == tx {
			delete(c.spends, in.PreviousOutPoint)
		}
	}
	for outpoint, child := range c.spends {
		if outpoint.Hash == tx.txid {
			c.remove(child)
		}
	}
}

// forgetConflicts makes every wallet drop what can never confirm now, as LND's wallet does.
func (n *Network) forgetConflicts(confirmed *chainTx) {
	for _, node := range n.nodes {
		for txid, known := range node.wallet.known {
			if txid != confirmed.txid && sharesInput(known.tx, confirmed.tx) {
				delete(node.wallet.known, txid)
			}
		}
	}
}

func sharesInput(a, b *wire.MsgTx) bool {
	return slices.ContainsFunc(a.TxIn, func(in *wire.TxIn) bool {
		return slices.ContainsFunc(b.TxIn, func(other *wire.TxIn) bool {
			return in.PreviousOutPoint == other.PreviousOutPoint
		})
	})
}

func (n *Network) announceTransaction(tx *chainTx) {
	for _, node := range n.nodes {
		if known := node.wallet.known[tx.txid]; known != nil {
			node.announce(transactionStream, node.describe(tx.txid, known))
		}
	}
}

func serialize(tx *wire.MsgTx) []byte {
	var buffer bytes.Buffer
	if err := tx.Serialize(&buffer); err != nil {
		panic("lndfake: a transaction must serialize: " + err.Error())
	}
	return buffer.Bytes()
}

func mustTxID(txid string) chainhash.Hash {
	hash, err := chainhash.NewHashFromStr(txid)
	if err != nil {
		panic("lndfake: not a txid: " + txid)
	}
	return *hash
}

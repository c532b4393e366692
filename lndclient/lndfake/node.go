package lndfake

import (
	"context"
	"encoding/hex"

	"github.com/btcsuite/btcd/btcec/v2"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Node is one fake LND.
type Node struct {
	network *Network
	alias   string
	key     *btcec.PrivateKey
	version string
	down    bool

	liquid       payment.Msat // outgoing liquidity of its channels
	payments     map[payment.Hash]*outgoing
	plans        map[payment.Hash][]Plan
	paymentIndex uint64

	invoices    map[payment.Hash]*incoming
	addIndex    uint64
	settleIndex uint64

	wallet  wallet
	streams []*stream
	faults  map[Call][]*fault
	calls   map[Call]int
}

var _ lndclient.Node = (*Node)(nil)

// Down stops the node: calls answer ErrUnavailable and streams break, until Up. HTLCs live on, as they do.
func (n *Node) Down() {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.down = true
	n.breakStreams()
}

// Up starts the node again with all that it knew.
func (n *Node) Up() {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.down = false
}

// BreakStreams cuts every watcher off, without a restart.
func (n *Node) BreakStreams() {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.breakStreams()
}

// Pubkey is the node's identity, 33 bytes in hex.
func (n *Node) Pubkey() string { return n.pubkey() }

// SetLiquidity sets what the node's channels can send, in msat.
func (n *Node) SetLiquidity(amount payment.Msat) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.liquid = amount
}

// Info says who the node is.
func (n *Node) Info(ctx context.Context) (lndclient.Info, error) {
	var info lndclient.Info
	err := n.do(ctx, Info, func() error {
		info = lndclient.Info{
			Alias: n.alias, Pubkey: n.pubkey(), Version: n.version, Network: lndclient.Regtest,
			BlockHeight: n.network.chain.height, SyncedToChain: true,
		}
		return nil
	})
	return info, err
}

// Balance adds up the wallet and the channels.
func (n *Node) Balance(ctx context.Context) (lndclient.Balance, error) {
	var balance lndclient.Balance
	err := n.do(ctx, Balance, func() error {
		for _, coin := range n.coins() {
			if coin.height > 0 {
				balance.OnchainConfirmed += coin.amount
			} else {
				balance.OnchainUnconfirmed += coin.amount
			}
		}
		balance.ChannelLocal = n.liquid
		for _, p := range n.payments {
			if !p.record.Terminal() && !p.stranded {
				balance.HTLCsOut += p.record.Amount + p.record.Fee
			}
		}
		return nil
	})
	return balance, err
}

// Close does nothing: a fake has no connection.
func (n *Node) Close() error { return nil }

func (n *Node) pubkey() string { return hex.EncodeToString(n.key.PubKey().SerializeCompressed()) }

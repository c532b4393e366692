package lndfake

import (
	"crypto/rand"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/chaincfg"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// startHeight is the first height of the chain: like devnet, past the activation of taproot.
const startHeight = 500

// Network is a chain and the nodes on it.
type Network struct {
	mu    sync.Mutex
	now   func() time.Time
	nodes map[string]*Node // by pubkey
	chain chain

	reuseIndexes bool
}

// Option changes a new Network.
type Option func(*Network)

// WithClock sets the time that invoices, payments and leases see; time.Now without it.
func WithClock(now func() time.Time) Option { return func(n *Network) { n.now = now } }

// WithReusedIndexes has the nodes number payments as an lnd on SQLite does: a failed one is deleted when its hash is sent again,
// and the newest number is given anew.
func WithReusedIndexes() Option { return func(n *Network) { n.reuseIndexes = true } }

// New makes a network without nodes, on regtest.
func New(options ...Option) *Network {
	n := &Network{now: time.Now, nodes: map[string]*Node{}, chain: newChain()}
	for _, option := range options {
		option(n)
	}
	return n
}

// AddNode starts a node with 5,000,000 sat of outgoing liquidity and no on-chain funds.
func (n *Network) AddNode(alias string) *Node {
	key, err := btcec.NewPrivateKey()
	if err != nil {
		panic("lndfake: no randomness: " + err.Error())
	}
	node := &Node{
		network:  n,
		alias:    alias,
		key:      key,
		version:  "0.21.3-beta",
		liquid:   payment.Sat(5_000_000).MustMsat(),
		payments: map[payment.Hash]*outgoing{},
		plans:    map[payment.Hash][]Plan{},
		invoices: map[payment.Hash]*incoming{},
		wallet:   newWallet(),
		faults:   map[Call][]*fault{},
		calls:    map[Call]int{},
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[node.pubkey()] = node
	return node
}

// Height is the best block's height.
func (n *Network) Height() int32 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.chain.height
}

func regtest() *chaincfg.Params { return &chaincfg.RegressionNetParams }

func random32() (b [32]byte) {
	if _, err := rand.Read(b[:]); err != nil {
		panic("lndfake: no randomness: " + err.Error())
	}
	return b
}

func refused(call Call, why payment.Reason, text string) error {
	return &lndclient.Error{Kind: lndclient.KindRefused, Call: string(call), Why: why, Cause: words(text)}
}

func failure(call Call, kind lndclient.ErrorKind, text string) error {
	return &lndclient.Error{Kind: kind, Call: string(call), Cause: words(text)}
}

// words is a cause of the fake's own.
type words string

func (w words) Error() string { return string(w) }

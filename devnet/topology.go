package devnet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/btcd"
	"github.com/holdfast-pay/holdfast/devnet/lnd"
)

const (
	// Segwit and taproot are active from height 432 on in btcd's regtest.
	fundedHeight = 440

	channelSat   = 10_000_000
	coinSat      = 100_000_000
	coinsPerNode = 5
	openerCoins  = 10 // alice opens the channels, so that bank's coins stay whole

	// lnd calls itself synced only near a recent block.
	staleTip = 20 * time.Minute

	topologyWithin = 2 * time.Minute
)

// bringTopology brings up btcd and the Lightning nodes and, the first time, mines
// the chain, funds the wallets and opens the channels.
func (n *Network) bringTopology(ctx context.Context) error {
	if err := n.bring(ctx, "btcd"); err != nil {
		return err
	}
	if err := n.freshTip(ctx); err != nil {
		return err
	}
	// Together: they wait for the chain more than they work.
	starts := []func(context.Context) error{}
	for _, name := range NodeNames() {
		starts = append(starts, func(ctx context.Context) error { return n.bring(ctx, "lnd-"+name) })
	}
	if err := concurrently(ctx, starts...); err != nil {
		return err
	}
	if err := n.WaitSynced(ctx); err != nil {
		return err
	}
	began := time.Now()
	if !n.state.Funded {
		if err := n.fund(ctx); err != nil {
			return err
		}
	}
	for _, edge := range edges() {
		if err := n.connect(ctx, edge); err != nil {
			return err
		}
	}
	if err := n.openChannels(ctx); err != nil {
		return err
	}
	if err := n.awaitChannels(ctx); err != nil {
		return err
	}
	n.say("the channels are active (%s)", since(began))
	n.state.Funded = true
	return n.state.save(n.cfg.path("state.json"))
}

// freshTip mines the first blocks of a new chain, or one if the newest is old.
func (n *Network) freshTip(ctx context.Context) error {
	return n.withBitcoin(func(c *btcd.Client) error {
		height, err := c.Height(ctx)
		if err != nil {
			return err
		}
		blocks := max(0, fundedHeight-height)
		if blocks > 0 {
			n.say("mining %d blocks", blocks)
		} else if tip, err := c.TipTime(ctx); err != nil {
			return err
		} else if time.Since(tip) > staleTip {
			blocks = 1
		}
		if blocks > 0 {
			_, err = c.Mine(ctx, blocks)
		}
		return err
	})
}

// fund pays every node's wallet. A start that was cut off after it funds again,
// which is harmless: more coins.
func (n *Network) fund(ctx context.Context) error {
	var outputs []btcd.Output
	for _, name := range NodeNames() {
		coins := coinsPerNode
		if name == edges()[0][0] {
			coins = openerCoins
		}
		for range coins {
			address, err := n.NewAddress(ctx, name)
			if err != nil {
				return err
			}
			outputs = append(outputs, btcd.Output{Address: address, Sat: coinSat})
		}
	}
	err := n.withBitcoin(func(c *btcd.Client) error {
		// The rewards of the first blocks are 50 BTC each; a spent one is refused.
		var err error
		for height := 1; height <= 10; height++ {
			if _, err = c.Fund(ctx, height, outputs); err == nil {
				return nil
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := n.Mine(ctx, 1); err != nil {
		return err
	}
	for _, name := range NodeNames() {
		err := await(ctx, topologyWithin, name+"'s coins confirm", func(ctx context.Context) error {
			return n.withNode(name, func(c *lnd.Client) error { return c.HasConfirmed(ctx, coinsPerNode*coinSat) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// connect makes the two nodes of an edge peers.
func (n *Network) connect(ctx context.Context, edge [2]string) error {
	var key string
	if err := n.withNode(edge[1], func(c *lnd.Client) (err error) { key, err = c.PublicKey(ctx); return err }); err != nil {
		return err
	}
	return await(ctx, topologyWithin, edge[0]+" connects to "+edge[1], func(ctx context.Context) error {
		return n.withNode(edge[0], func(c *lnd.Client) error { return c.Connect(ctx, key, n.peerAddress(edge[1])) })
	})
}

// openChannels opens the channels that are missing, half of the capacity on each side.
func (n *Network) openChannels(ctx context.Context) error {
	opener := edges()[0][0]
	var have int
	if err := n.withNode(opener, func(c *lnd.Client) (err error) { have, err = c.ChannelCount(ctx); return err }); err != nil {
		return err
	}
	if have >= len(edges()) {
		return nil
	}
	for _, edge := range edges()[have:] {
		var key string
		if err := n.withNode(edge[1], func(c *lnd.Client) (err error) { key, err = c.PublicKey(ctx); return err }); err != nil {
			return err
		}
		err := n.withNode(edge[0], func(c *lnd.Client) error {
			return c.OpenChannel(ctx, key, channelSat, channelSat/2)
		})
		if err != nil {
			return fmt.Errorf("open the channel from %s to %s: %w", edge[0], edge[1], err)
		}
	}
	return n.Mine(ctx, 6) // a channel is announced with six confirmations
}

// awaitChannels waits until all channels are active and every node can route over them.
func (n *Network) awaitChannels(ctx context.Context) error {
	for _, name := range NodeNames() {
		err := await(ctx, topologyWithin, name+"'s channels become active", func(ctx context.Context) error {
			return n.withNode(name, func(c *lnd.Client) error { return c.ActiveChannels(ctx, degree(name)) })
		})
		if err != nil {
			return err
		}
	}
	for _, name := range NodeNames() {
		err := await(ctx, topologyWithin, name+" learns of all channels", func(ctx context.Context) error {
			return n.withNode(name, func(c *lnd.Client) error { return c.KnowsChannels(ctx, len(edges())) })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func degree(name string) int {
	count := 0
	for _, edge := range edges() {
		if slices.Contains(edge[:], name) {
			count++
		}
	}
	return count
}

// rejoin waits until a node that was started again is synced and its channels to
// running nodes are active.
func (n *Network) rejoin(ctx context.Context, node string) error {
	if err := n.WaitSynced(ctx); err != nil {
		return err
	}
	var joined [][2]string
	for _, edge := range edges() {
		if !slices.Contains(edge[:], node) || !n.runs(edge[0]) || !n.runs(edge[1]) {
			continue
		}
		if err := n.connect(ctx, edge); err != nil {
			return err
		}
		joined = append(joined, edge)
	}
	var err error
	for range rejoinTries {
		err = await(ctx, rejoinWithin, node+"'s channels become active", func(ctx context.Context) error {
			return n.withNode(node, func(c *lnd.Client) error { return c.ActiveChannels(ctx, len(joined)) })
		})
		if err == nil || ctx.Err() != nil {
			return err
		}
		n.reconnect(ctx, joined)
	}
	return err
}

// A channel is active some seconds after a restart. Once in a while lnd keeps its link down although the peers are
// connected; a new connection brings it up.
const (
	rejoinWithin = 20 * time.Second
	rejoinTries  = 6
)

// reconnect ends connections and makes them anew. What fails is tried again: the channels tell whether it helped.
func (n *Network) reconnect(ctx context.Context, joined [][2]string) {
	for _, edge := range joined {
		var key string
		err := n.withNode(edge[1], func(c *lnd.Client) (err error) { key, err = c.PublicKey(ctx); return err })
		if err == nil {
			err = n.withNode(edge[0], func(c *lnd.Client) error { return c.Disconnect(ctx, key) })
		}
		n.say("%s and %s connect anew (%v)", edge[0], edge[1], err)
		_ = n.connect(ctx, edge)
	}
}

func (n *Network) runs(node string) bool {
	s := n.service(node)
	return s != nil && s.status().State == Running
}

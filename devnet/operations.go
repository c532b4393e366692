package devnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lightningnetwork/lnd/lnrpc"

	"github.com/holdfast-pay/holdfast/devnet/btcd"
	"github.com/holdfast-pay/holdfast/devnet/lnd"
)

// HoldExpiry is how long a hold invoice can be paid.
const HoldExpiry = time.Hour

// Operations steers the chain and the Lightning nodes. It needs only their RPC, so
// any process that can read the network's folder may use it. A node's name is
// bank, alice or bob, or its process's name (lnd-bob).
type Operations struct {
	dir string
	env map[string]string
}

func newOperations(dir string, env map[string]string) Operations {
	return Operations{dir: dir, env: env}
}

// withNode calls a node. A connection per operation: nodes come and go, and a
// connection that has seen its node die waits before it tries again.
func (o *Operations) withNode(name string, do func(*lnd.Client) error) error {
	name = strings.TrimPrefix(name, "lnd-")
	if !slices.Contains(NodeNames(), name) {
		return fmt.Errorf("no node is called %q; there are %v", name, NodeNames())
	}
	prefix := "LND_" + strings.ToUpper(name)
	c, err := lnd.Dial(o.env[prefix+"_RPC"], o.env[prefix+"_TLS"], o.env[prefix+"_MACAROON"])
	if err != nil {
		return err
	}
	if err := errors.Join(do(c), c.Close()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (o *Operations) withBitcoin(do func(*btcd.Client) error) error {
	c, err := btcd.Dial(o.env["BTCD_RPC"], o.env["BTCD_RPC_USER"], o.env["BTCD_RPC_PASS"], o.env["BTCD_RPC_CERT"])
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c)
}

// Mine mines n blocks and waits until the running Lightning nodes have seen them.
func (o *Operations) Mine(ctx context.Context, n int) error {
	err := o.withBitcoin(func(c *btcd.Client) error { _, err := c.Mine(ctx, n); return err })
	if err != nil {
		return err
	}
	return o.WaitSynced(ctx)
}

// Height is the chain's height in blocks.
func (o *Operations) Height(ctx context.Context) (height int, err error) {
	return height, o.withBitcoin(func(c *btcd.Client) error { height, err = c.Height(ctx); return err })
}

// Mempool lists the ids of unconfirmed transactions.
func (o *Operations) Mempool(ctx context.Context) (txids []string, err error) {
	return txids, o.withBitcoin(func(c *btcd.Client) error { txids, err = c.Mempool(ctx); return err })
}

// WaitSynced waits until the running Lightning nodes have seen the newest block.
func (o *Operations) WaitSynced(ctx context.Context) error {
	height, err := o.Height(ctx)
	if err != nil {
		return err
	}
	for _, name := range NodeNames() {
		err := await(ctx, topologyWithin, name+" syncs to the chain", func(ctx context.Context) error {
			err := o.withNode(name, func(c *lnd.Client) error { return c.Synced(ctx, height) })
			if errors.Is(err, os.ErrNotExist) || lnd.Down(err) {
				return nil // it does not run
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Invoice makes an invoice of sat (0: the payer chooses the amount).
func (o *Operations) Invoice(ctx context.Context, node string, sat int64, memo string, expiry time.Duration) (invoice string, err error) {
	return invoice, o.withNode(node, func(c *lnd.Client) error {
		invoice, err = c.Invoice(ctx, sat, memo, expiry)
		return err
	})
}

// Hold makes an invoice whose payment stays held until Settle or Cancel, and
// keeps the preimage in the network's folder, so that another process can settle.
// Hash and preimage are hex.
func (o *Operations) Hold(ctx context.Context, node string, sat int64) (invoice, hash, preimage string, err error) {
	err = o.withNode(node, func(c *lnd.Client) error {
		invoice, hash, preimage, err = c.Hold(ctx, sat, HoldExpiry)
		return err
	})
	if err != nil {
		return "", "", "", err
	}
	return invoice, hash, preimage, writeFile(o.holdPath(hash), []byte(preimage+"\n"))
}

func (o *Operations) holdPath(hash string) string {
	return filepath.Join(o.dir, "holds", filepath.Base(hash))
}

// Settle takes the payment that is held for an invoice of Hold.
func (o *Operations) Settle(ctx context.Context, node, hash string) error {
	preimage, err := os.ReadFile(o.holdPath(hash))
	if err != nil {
		return fmt.Errorf("no hold invoice with hash %s was made on this network: %w", hash, err)
	}
	return o.withNode(node, func(c *lnd.Client) error { return c.Settle(ctx, strings.TrimSpace(string(preimage))) })
}

// Cancel cancels an invoice by its hash; a payment held for it goes back.
func (o *Operations) Cancel(ctx context.Context, node, hash string) error {
	return o.withNode(node, func(c *lnd.Client) error { return c.Cancel(ctx, hash) })
}

// AwaitHeld waits until a payment is held for the invoice.
func (o *Operations) AwaitHeld(ctx context.Context, node, hash string) error {
	return o.withNode(node, func(c *lnd.Client) error { return c.AwaitState(ctx, hash, lnrpc.Invoice_ACCEPTED) })
}

// AwaitSettled waits until the invoice is paid.
func (o *Operations) AwaitSettled(ctx context.Context, node, hash string) error {
	return o.withNode(node, func(c *lnd.Client) error { return c.AwaitState(ctx, hash, lnrpc.Invoice_SETTLED) })
}

// Pay pays an invoice from a node (sat only for one without an amount) and waits
// for the end. A payment that fails is an error.
func (o *Operations) Pay(ctx context.Context, node, invoice string, sat int64) (payment lnd.Payment, err error) {
	wait, err := o.PayAsync(ctx, node, invoice, sat)
	if err != nil {
		return lnd.Payment{}, err
	}
	return wait()
}

// PayAsync starts a payment and returns when the node has taken it on; wait answers its end.
func (o *Operations) PayAsync(ctx context.Context, node, invoice string, sat int64) (wait func() (lnd.Payment, error), err error) {
	type end struct {
		payment lnd.Payment
		err     error
	}
	started, done := make(chan error, 1), make(chan end, 1)
	go func() {
		var e end
		e.err = o.withNode(node, func(c *lnd.Client) error {
			follow, err := c.PayAsync(ctx, invoice, sat)
			started <- err
			if err != nil {
				return err
			}
			e.payment, err = follow()
			if err == nil && !e.payment.Succeeded {
				err = fmt.Errorf("the payment failed: %s", e.payment.Failure)
			}
			return err
		})
		if e.err != nil {
			select {
			case started <- e.err: // the node was not reached at all
			default:
			}
		}
		done <- e
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() (lnd.Payment, error) { e := <-done; return e.payment, e.err }, nil
}

// NewAddress makes a fresh on-chain address of a node.
func (o *Operations) NewAddress(ctx context.Context, node string) (address string, err error) {
	return address, o.withNode(node, func(c *lnd.Client) error { address, err = c.NewAddress(ctx); return err })
}

// Send pays sat on-chain from a node's wallet and returns the transaction id; Mine confirms it.
func (o *Operations) Send(ctx context.Context, node, address string, sat int64) (txid string, err error) {
	return txid, o.withNode(node, func(c *lnd.Client) error { txid, err = c.Send(ctx, address, sat); return err })
}

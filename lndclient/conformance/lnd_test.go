package conformance_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/conformance"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestMain(m *testing.M) { devnettest.Main(m, devnet.Config{}) }

// TestLND runs the suite against lnd-bank of a devnet.
func TestLND(t *testing.T) {
	world := newWorld(t)
	conformance.Run(t, func(*testing.T) conformance.World { return world })
}

// TestConnect: what New and Check refuse, on a real node.
func TestConnect(t *testing.T) {
	env := devnettest.Net(t).Env()
	bank := bankConfig(env)
	for name, row := range map[string]struct {
		change func(*lndclient.Config)
		reason payment.Reason
	}{
		"fits":              {func(*lndclient.Config) {}, ""},
		"another network":   {func(c *lndclient.Config) { c.Network = lndclient.Mainnet }, payment.ReasonInvalidInput},
		"no such network":   {func(c *lndclient.Config) { c.Network = "moon" }, payment.ReasonInvalidInput},
		"no certificate":    {func(c *lndclient.Config) { c.TLSCertPath = "/nowhere" }, payment.ReasonInvalidInput},
		"no macaroon":       {func(c *lndclient.Config) { c.MacaroonPath = "/nowhere" }, payment.ReasonInvalidInput},
		"another macaroon":  {func(c *lndclient.Config) { c.MacaroonPath = env["LND_ALICE_MACAROON"] }, payment.ReasonNodeOffline},
		"another cert":      {func(c *lndclient.Config) { c.TLSCertPath = env["LND_ALICE_TLS"] }, payment.ReasonNodeOffline},
		"nobody listens":    {func(c *lndclient.Config) { c.Address = "127.0.0.1:1" }, payment.ReasonNodeOffline},
		"not a certificate": {func(c *lndclient.Config) { c.TLSCertPath = env["LND_BANK_MACAROON"] }, payment.ReasonInvalidInput},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			cfg := bank
			row.change(&cfg)
			client, err := connect(ctx, cfg)
			if payment.ReasonOf(err) != row.reason {
				t.Fatalf("got %v, want %s", err, row.reason)
			}
			if client != nil {
				_ = client.Close()
			}
		})
	}
}

func connect(ctx context.Context, cfg lndclient.Config) (*lndclient.Client, error) {
	client, err := lndclient.New(cfg)
	if err != nil {
		return nil, err
	}
	return client, client.Check(ctx)
}

func bankConfig(env map[string]string) lndclient.Config {
	return lndclient.Config{
		Name: "bank", Address: env["LND_BANK_RPC"], TLSCertPath: env["LND_BANK_TLS"],
		MacaroonPath: env["LND_BANK_MACAROON"], Network: lndclient.Regtest,
	}
}

// lndWorld is a devnet seen from its bank.
type lndWorld struct {
	net  *devnet.Network
	bank *lndclient.Client
}

func newWorld(t *testing.T) *lndWorld {
	t.Helper()
	net := devnettest.Net(t)
	bank, err := connect(t.Context(), bankConfig(net.Env()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bank.Close() })
	w := &lndWorld{net: net, bank: bank}
	for range 4 {
		address, err := bank.NewAddress(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.Deposit(t, address, 2_000_000)
	}
	w.Mine(t, 1)
	return w
}

func (w *lndWorld) Node() lndclient.Node { return w.bank }

func (w *lndWorld) Mine(t *testing.T, blocks int) {
	t.Helper()
	must(t, w.net.Mine(t.Context(), blocks))
}

func (w *lndWorld) invoice(t *testing.T, node string, amount payment.Sat, expiry time.Duration) string {
	t.Helper()
	made, err := w.net.Invoice(t.Context(), node, int64(amount), "conformance", expiry)
	must(t, err)
	return made
}

func (w *lndWorld) PeerInvoice(t *testing.T, amount payment.Sat) string {
	t.Helper()
	return w.invoice(t, "alice", amount, time.Hour)
}

func (w *lndWorld) DearInvoice(t *testing.T, amount payment.Sat) string {
	t.Helper()
	return w.invoice(t, "bob", amount, time.Hour) // over alice, who takes a fee
}

func (w *lndWorld) ExpiredInvoice(t *testing.T) string {
	t.Helper()
	request := w.invoice(t, "alice", 1000, time.Second)
	made, err := lndclient.DecodeInvoice(request, lndclient.Regtest)
	must(t, err)
	poll(t, "the invoice to expire", func() error {
		if !made.Expired(time.Now()) {
			return errors.New("still valid")
		}
		return nil
	})
	return request
}

func (w *lndWorld) PeerHold(t *testing.T, amount payment.Sat) string {
	t.Helper()
	request, _, _, err := w.net.Hold(t.Context(), "alice", int64(amount))
	must(t, err)
	return request
}

func (w *lndWorld) PeerHolds(t *testing.T, hash payment.Hash) {
	t.Helper()
	must(t, w.net.AwaitHeld(t.Context(), "alice", hash.String()))
}

func (w *lndWorld) PeerSettle(t *testing.T, hash payment.Hash) {
	t.Helper()
	w.PeerHolds(t, hash)
	must(t, w.net.Settle(t.Context(), "alice", hash.String()))
}

func (w *lndWorld) PeerCancel(t *testing.T, hash payment.Hash) {
	t.Helper()
	w.PeerHolds(t, hash)
	must(t, w.net.Cancel(t.Context(), "alice", hash.String()))
}

func (w *lndWorld) PeerPays(t *testing.T, request string) {
	t.Helper()
	_, err := w.net.PayAsync(t.Context(), "alice", request, 0)
	must(t, err)
}

func (w *lndWorld) OutsideAddress(t *testing.T) string {
	t.Helper()
	address, err := w.net.NewAddress(t.Context(), "bob")
	must(t, err)
	return address
}

func (w *lndWorld) Deposit(t *testing.T, address string, amount payment.Sat) string {
	t.Helper()
	txid, err := w.net.Send(t.Context(), "alice", address, int64(amount))
	must(t, err)
	return txid
}

func (w *lndWorld) Stop(t *testing.T) { t.Helper(); must(t, w.net.StopProcess("lnd-bank")) }

func (w *lndWorld) Kill(t *testing.T) { t.Helper(); must(t, w.net.KillProcess("lnd-bank")) }

// Start waits until the channel works again as well.
func (w *lndWorld) Start(t *testing.T) {
	t.Helper()
	must(t, w.net.StartProcess(t.Context(), "lnd-bank"))
	probe := w.PeerInvoice(t, 1000)
	poll(t, "a route to alice", func() error {
		_, err := w.bank.EstimateRouteFee(t.Context(), probe, 0)
		return err
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// poll asks until there is no error, for a minute.
func poll(t *testing.T, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s: %v", what, err)
		}
	}
}

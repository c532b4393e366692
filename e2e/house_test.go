package e2e_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// The nodes: ours, its neighbour, and one more hop, for which alice takes a fee.
const (
	bank  = "bank"
	alice = "alice"
	bob   = "bob"
)

// within bounds every wait: generous for two busy cores, and far below what would hide a hang.
const within = 90 * time.Second

// house is what the tests share: the network, and a core API's view of Holdfast.
type house struct {
	net      *devnet.Network
	books    *ledger.Ledger
	temporal client.Client
	door     *starter.Starter
	nodes    map[string]*lndclient.Client

	treasury ledger.Wallet // pays every test's wallet, inside the ledger
	chain    *sync.Mutex   // held by tests that need to know when blocks are mined
	// sending is held for reading while a payment looks for its way, and for writing while a block is mined: a receiver that
	// is some blocks ahead of the sender refuses the HTLC because it would time out too soon.
	sending *sync.RWMutex
}

// opened is the one house of this process; the first test that enters opens it.
var opened struct {
	once  sync.Once
	house *house
	err   error
}

func open(t testing.TB) *house {
	t.Helper()
	opened.once.Do(func() { opened.house, opened.err = openHouse(devnettest.Net(t)) })
	must(t, opened.err)
	return opened.house
}

func silent() sdklog.Logger { return sdklog.NewStructuredLogger(quiet()) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func openHouse(net *devnet.Network) (*house, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	h := &house{net: net, chain: &sync.Mutex{}, sending: &sync.RWMutex{}, nodes: map[string]*lndclient.Client{}}
	env := h.net.Env()
	var err error
	if h.books, err = ledger.Open(ctx, env["DATABASE_URL"]); err != nil {
		return nil, err
	}
	if h.temporal, err = client.DialContext(ctx, client.Options{HostPort: env["TEMPORAL_ADDRESS"], Logger: silent()}); err != nil {
		return nil, err
	}
	for name, prefix := range map[string]string{bank: "LND_BANK_", alice: "LND_ALICE_", bob: "LND_BOB_"} {
		h.nodes[name], err = lndclient.New(lndclient.Config{
			Name: name, Address: env[prefix+"RPC"], TLSCertPath: env[prefix+"TLS"], MacaroonPath: env[prefix+"MACAROON"], Network: lndclient.Regtest,
		})
		if err != nil {
			return nil, err
		}
	}
	h.door = starter.New(h.temporal, h.books, starter.DefaultConfig(lndclient.Regtest, []string{bank}), quiet())
	return h, h.fillTreasury(ctx)
}

// fillTreasury receives deposits for all tests, which also gives lnd-bank coins to pay with side by side.
func (h *house) fillTreasury(ctx context.Context) error {
	const coins, coinSat = 6, 30_000_000
	var err error
	h.treasury, err = h.books.OpenWallet(ctx, ledger.Wallet{ID: uuid.New(), AccountID: uuid.New(), Name: "treasury", Currency: payment.BTC})
	if err != nil {
		return err
	}
	address, err := h.door.CreateAddress(ctx, h.treasury.AccountID, h.treasury.ID)
	if err != nil {
		return err
	}
	for range coins {
		if _, err := h.net.Send(ctx, alice, address, coinSat); err != nil {
			return err
		}
	}
	if err := h.net.Mine(ctx, 1); err != nil {
		return err
	}
	return poll(ctx, "the treasury's deposits", func() error {
		w, err := h.books.Wallet(ctx, h.treasury.ID)
		if err == nil && w.Balance < payment.Sat(coins*coinSat).MustMsat() {
			err = errors.New("the treasury holds " + w.Balance.String())
		}
		return err
	})
}

// steps compares the ledger with a node as reconcile does.
func (h *house) steps(node string) *activities.NodeSteps {
	return &activities.NodeSteps{
		Ledger: h.books, Node: h.nodes[bank], Name: node, Network: lndclient.Regtest, Timing: activities.DefaultTiming(), Depth: 1,
		Now: time.Now, Log: quiet(),
	}
}

// balanced fails the test unless every check of the ledger and the comparison with our node are ok.
func (h *house) balanced(t testing.TB, nodes ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	results, err := h.books.Check(ctx)
	must(t, err)
	for _, r := range results {
		if !r.OK {
			t.Errorf("check %s: %s", r.Name, r.Detail)
		}
	}
	for _, node := range append(nodes, bank) {
		compared, err := h.steps(node).Compare(ctx, activities.CompareWindow)
		must(t, err)
		for _, c := range compared.Checks {
			if !c.OK {
				t.Errorf("%s: %s", c.Name, c.Detail)
			}
		}
	}
}

// poll asks until there is no error, or ctx ends.
func poll(ctx context.Context, what string, ask func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("waited in vain for "+what), err)
		}
	}
}

// until polls for a test.
func until(t testing.TB, what string, ask func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	must(t, poll(ctx, what, ask))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

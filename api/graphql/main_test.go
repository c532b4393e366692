package graphqlapi

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/callback"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/worker"
	"github.com/holdfast-pay/holdfast/workflows"
)

const (
	bank    = "bank"
	network = "regtest"
)

// house is the whole product, but for LND, which is in memory: a ledger, Temporal, a worker, and the door over HTTP behind
// the frame. Tests share it; each has accounts of its own.
type house struct {
	ledger  *ledger.Ledger
	changes *ledger.Changes
	starter *starter.Starter
	network *lndfake.Network
	bank    *lndfake.Node
	peer    *lndfake.Node // somebody outside
	issuer  *identity.DevIssuer
	auth    *identity.Authenticator
	config  Config
	log     *lines
	address string // of HTTP, host:port
	books   string // the ledger's database
}

// theHouse is built by the first test that asks, and torn down by TestMain.
var theHouse struct {
	once sync.Once
	*house
	err   error
	stops []func() error
}

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(theHouse.stops) - 1; i >= 0; i-- {
		if err := theHouse.stops[i](); err != nil {
			fmt.Fprintln(os.Stderr, "tear down:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

func home(t testing.TB) *house {
	t.Helper()
	theHouse.once.Do(func() { theHouse.house, theHouse.err = build() })
	if theHouse.err != nil {
		t.Fatalf("the house cannot be built: %v", theHouse.err)
	}
	return theHouse.house
}

func later(stop func() error) { theHouse.stops = append(theHouse.stops, stop) }

func build() (*house, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	core, err := devnettest.StartCore(ctx, workflows.SearchAttributeTypes())
	if err != nil {
		return nil, err
	}
	later(core.Stop)
	if err := ledger.MigrateUp(ctx, core.DatabaseURL); err != nil {
		return nil, err
	}
	h := &house{network: lndfake.New(), log: &lines{}, books: core.DatabaseURL}
	h.bank, h.peer = h.network.AddNode(bank), h.network.AddNode("peer")
	for range 100 { // an output for every on-chain payment: none waits for another's change
		h.bank.Deposit(1_000_000)
	}
	if h.ledger, err = ledger.Open(ctx, core.DatabaseURL, ledger.WithMaxConns(20)); err != nil {
		return nil, err
	}
	later(func() error { h.ledger.Close(); return nil })
	temporal, err := core.Dial(ctx, client.Options{}, workflows.Attributes(payment.Request{
		WalletID: payment.NewID(), AccountID: payment.NewID(), KeyID: payment.NewID(), PaymentHash: ledgertest.RandomHash(), Node: bank, Amount: 1,
	}))
	if err != nil {
		return nil, err
	}
	later(func() error { temporal.Close(); return nil })
	settings := starter.DefaultConfig(lndclient.Regtest, []string{bank})
	h.starter = starter.New(temporal, h.ledger, settings, slog.New(slog.DiscardHandler))
	h.serveSagas(temporal)
	if err := h.identify(); err != nil {
		return nil, err
	}
	return h, h.serve()
}

// master is what the secrets of callback endpoints are derived from, for the API and the worker alike.
var master = callback.NewSecrets("the master secret of a test")

func (h *house) serveSagas(temporal client.Client) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, worker.Config{
			Temporal: temporal, Ledger: h.ledger, Starter: h.starter, Nodes: map[string]lndclient.Node{bank: h.bank}, Network: network,
			Timing:    activities.Timing{Call: 5 * time.Second, Margin: time.Second, Follow: 300 * time.Millisecond, Pathfinding: 2 * time.Second},
			Callbacks: worker.Callbacks{Secrets: master, Inside: true}, Log: slog.New(slog.DiscardHandler),
		})
	}()
	later(func() error { cancel(); return <-ended })
}

func (h *house) identify() error {
	dir, err := os.MkdirTemp("", "holdfast-issuer-")
	if err != nil {
		return err
	}
	later(func() error { return os.RemoveAll(dir) })
	if h.issuer, err = identity.NewDevIssuer(filepath.Join(dir, "key.pem"), nil); err != nil {
		return err
	}
	h.auth, err = identity.NewAuthenticator(identity.Config{
		Keys: api.Keys(h.ledger), SecretPrefix: "test", Issuer: h.issuer.Issuer(), Ensure: func(ctx context.Context, account payment.AccountID) error {
			_, err := h.ledger.EnsureAccount(ctx, account)
			return err
		}, Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		later(func() error { h.auth.Close(); return nil })
	}
	return err
}

// serve puts the door behind the frame.
func (h *house) serve() error {
	ctx, cancel := context.WithCancel(context.Background())
	later(func() error { cancel(); return nil })
	h.changes = ledger.NewChanges(h.ledger, 2*time.Second, slog.New(slog.DiscardHandler))
	heard := make(chan error, 1)
	go func() { heard <- h.changes.Run(ctx) }()
	later(func() error { cancel(); return <-heard })
	h.config = Config{
		Starter: h.starter, Ledger: h.ledger, Changes: h.changes, Authenticate: api.AuthenticateBy(h.auth), Issuer: h.issuer, Development: true,
		Network: network, LightningDomain: "localhost", NodeIDs: []string{h.bank.Pubkey()}, SecretPrefix: "test",
		Callbacks: master, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	}
	address, stop, err := h.open(h.config)
	if err == nil {
		later(stop)
	}
	h.address = address
	return err
}

// open serves a door of its own; most tests use the common one.
func (h *house) open(cfg Config) (address string, stop func() error, err error) {
	door, err := New(cfg)
	if err != nil {
		return "", nil, err
	}
	return h.frame(door)
}

func (h *house) frame(door *Handler) (address string, stop func() error, err error) {
	return h.frameWith(door, func(*api.Config) {})
}

// frameWith is frame with a changed configuration.
func (h *house) frameWith(door *Handler, change func(*api.Config)) (address string, stop func() error, err error) {
	cfg := api.Config{
		HTTP: "127.0.0.1:0", GraphQL: door.HTTP, GraphQLWS: door.WS, Authenticate: api.AuthenticateBy(h.auth), Log: slog.New(slog.DiscardHandler),
	}
	change(&cfg)
	frame, err := api.Start(context.Background(), cfg)
	if err != nil {
		return "", nil, err
	}
	return frame.HTTPAddress(), func() error { return frame.Stop(context.Background()) }, nil
}

// lines is a log that tests read.
type lines struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

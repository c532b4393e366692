package grpcapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
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
	bankName = "bank"
	sat      = payment.Msat(1000)
)

// house is what all tests of the package share: one Postgres, one Temporal server, one ledger, one worker, and LND nodes
// that are fakes. Tests keep apart by their accounts and keys. TestMain has no other place to keep it.
var house struct {
	ledger   *ledger.Ledger
	database string // URL
	temporal client.Client
	network  *lndfake.Network
	bank     *lndfake.Node // ours
	peer     *lndfake.Node // somebody outside
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "api/grpc:", err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of Temporal included
	defer cancel()
	core, err := devnettest.StartCore(ctx, workflows.SearchAttributeTypes())
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, core.Stop()) }()
	house.temporal, err = core.Dial(ctx, client.Options{}, workflows.Attributes(payment.Request{
		WalletID: payment.NewID(), AccountID: payment.NewID(), KeyID: payment.NewID(), Node: bankName, PaymentHash: payment.Hash{1}, Amount: 1,
	}))
	if err != nil {
		return 0, err
	}
	stop, err := furnish(ctx, core.DatabaseURL)
	if err != nil {
		return 0, err
	}
	defer stop()
	return m.Run(), nil
}

// furnish opens the ledger and starts a worker.
func furnish(ctx context.Context, database string) (stop func(), err error) {
	house.database = database
	if err := ledger.MigrateUp(ctx, house.database); err != nil {
		return nil, err
	}
	if house.ledger, err = ledger.Open(ctx, house.database); err != nil {
		return nil, err
	}
	house.network = lndfake.New()
	house.bank, house.peer = house.network.AddNode(bankName), house.network.AddNode("peer")
	house.bank.SetLiquidity(1_000_000_000 * sat)
	address, err := house.bank.NewAddress(ctx)
	if err != nil {
		return nil, err
	}
	house.network.SendToAddress(address, 10_000_000)
	house.network.Mine(6)
	workerCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(workerCtx, worker.Config{
			Temporal: house.temporal, Ledger: house.ledger, Starter: newStarter(house.temporal, 0), Network: lndclient.Regtest,
			Nodes: map[string]lndclient.Node{bankName: house.bank}, Reconcile: time.Hour, Log: silent(),
		})
	}()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
		}
		house.temporal.Close()
		house.ledger.Close()
	}, nil
}

func newStarter(temporal client.Client, holdLocks time.Duration) *starter.Starter {
	cfg := starter.DefaultConfig(lndclient.Regtest, []string{bankName})
	cfg.HoldLocks = holdLocks
	return starter.New(temporal, house.ledger, cfg, silent())
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// running is a server on a real port.
type running struct {
	server  *grpc.Server
	address string
}

// serve starts a server of its own for a test, in development mode unless the test changes that.
func serve(t testing.TB, change ...func(*grpcapi.Config)) running {
	t.Helper()
	cfg := grpcapi.Config{Starter: newStarter(house.temporal, 0), Ledger: house.ledger, Log: silent(), Development: true}
	for _, c := range change {
		c(&cfg)
	}
	server, err := grpcapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return running{server, listener.Addr().String()}
}

func (r running) dial(t testing.TB, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	if len(options) == 0 {
		options = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	conn, err := grpc.NewClient("passthrough:///"+r.address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// soon calls check until it is true.
func soon(t testing.TB, what string, check func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(30 * time.Second)
	for !check() {
		select {
		case <-end:
			t.Fatalf("not within 30 s: %s", what)
		case <-tick.C:
		}
	}
}

func wantCode(t testing.TB, err error, want codes.Code) *status.Status {
	t.Helper()
	answer := status.Convert(err)
	if answer.Code() != want {
		t.Fatalf("got %v, want %v", err, want)
	}
	return answer
}

// newKey is a key of a fresh account.
func newKey(t testing.TB, limits map[payment.Window]payment.Sat) ledger.Key {
	t.Helper()
	return ledgertest.NewKey(t, house.ledger, payment.NewID(), limits)
}

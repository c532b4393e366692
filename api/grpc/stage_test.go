package grpcapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	tlog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/devnet/process"
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
	dir, err := folder()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, postgres.Remove(filepath.Join(dir, "postgres")), os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres' own user must pass through
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute) // a cold build of Temporal included
	defer cancel()
	pg, err := postgres.Start(ctx, postgres.Config{Dir: filepath.Join(dir, "postgres"), Fast: true})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pg.Stop()) }()
	stopTemporal, err := startTemporal(ctx, dir, pg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, stopTemporal()) }()
	stop, err := furnish(ctx, pg)
	if err != nil {
		return 0, err
	}
	defer stop()
	return m.Run(), nil
}

// folder makes one for the servers, and removes those of test processes that died without an end (a timeout, a panic).
func folder() (string, error) {
	const prefix = "holdfast-grpc-"
	left, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		var pid int
		_, err := fmt.Sscanf(filepath.Base(dir), prefix+"%d-", &pid)
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			if err := errors.Join(postgres.Remove(filepath.Join(dir, "postgres")), os.RemoveAll(dir)); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("%s%d-", prefix, os.Getpid()))
}

// furnish opens the ledger and starts a worker.
func furnish(ctx context.Context, pg *postgres.Server) (stop func(), err error) {
	house.database = pg.URL("holdfast")
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

func startTemporal(ctx context.Context, dir string, pg *postgres.Server) (stop func() error, err error) {
	programs, err := build.Ensure(ctx, os.Stderr, build.Temporal())
	if err != nil {
		return nil, err
	}
	address, internal, err := freePorts()
	if err != nil {
		return nil, err
	}
	args := []string{"--address", address, "--internal-port", fmt.Sprint(internal), "--postgres-url", pg.URL("postgres")}
	for name, kind := range workflows.SearchAttributeTypes() {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	server, err := process.Start(process.Spec{Name: "temporal", Path: programs["temporal"], Args: args, LogPath: filepath.Join(dir, "temporal.log")})
	if err != nil {
		return nil, err
	}
	stop = func() error { return server.Stop(20 * time.Second) }
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		house.temporal, err = client.DialContext(ctx, client.Options{HostPort: address, Logger: tlog.NewStructuredLogger(silent())})
		if err == nil {
			if err = ready(ctx); err == nil {
				return stop, nil
			}
			house.temporal.Close()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, errors.New(server.LogTail(20)), stop())
		case <-server.Done():
			return nil, errors.Join(err, errors.New(server.LogTail(20)))
		case <-tick.C:
		}
	}
}

// ready starts a workflow that nobody serves, with search attributes: they are known everywhere then.
func ready(ctx context.Context) error {
	_, err := house.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "ready", TaskQueue: "nobody", TypedSearchAttributes: workflows.Attributes(payment.Request{KeyID: payment.NewID(), Node: "x", PaymentHash: payment.Hash{1}}),
	}, "nothing")
	if err != nil {
		return err
	}
	return house.temporal.TerminateWorkflow(ctx, "ready", "", "ready")
}

// freePorts finds an address, and the first of three ports in a row.
func freePorts() (address string, internal int, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", 0, err
	}
	defer l.Close()
	for first := 30_300; first < 32_000; first += 3 {
		open := 0
		for i := range 3 {
			if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i)); err == nil {
				open++
				l.Close()
			}
		}
		if open == 3 {
			return l.Addr().String(), first, nil
		}
	}
	return "", 0, errors.New("no three free ports in a row")
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

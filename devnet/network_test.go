package devnet_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
)

func TestMain(m *testing.M) {
	devnettest.Main(m, devnet.Config{SearchAttributes: map[string]string{"HoldfastKind": "Keyword", "HoldfastAmount": "Int"}})
}

func ctxFor(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pay sends sat from one node to another by an invoice.
func pay(ctx context.Context, t *testing.T, n *devnet.Operations, from, to string, sat int64) {
	t.Helper()
	invoice, err := n.Invoice(ctx, to, sat, "test", time.Hour)
	must(t, err)
	payment, err := n.Pay(ctx, from, invoice, 0)
	must(t, err)
	if payment.Msat != sat*1000 {
		t.Errorf("paid %d msat, want %d", payment.Msat, sat*1000)
	}
}

func TestEveryRoutePays(t *testing.T) {
	n := devnettest.Net(t)
	ctx := ctxFor(t, time.Minute)
	for _, route := range [][2]string{{"alice", "bob"}, {"bank", "bob"}, {"bob", "bank"}, {"lnd-bank", "lnd-alice"}} {
		pay(ctx, t, &n.Operations, route[0], route[1], 1000)
	}
}

func TestInvoiceWithoutAmount(t *testing.T) {
	n := devnettest.Net(t)
	ctx := ctxFor(t, time.Minute)
	invoice, err := n.Invoice(ctx, "bob", 0, "any", time.Hour)
	must(t, err)
	payment, err := n.Pay(ctx, "bank", invoice, 777)
	must(t, err)
	if payment.Msat != 777_000 {
		t.Errorf("paid %d msat, want 777000", payment.Msat)
	}
}

// The network's operations work from another process too, which finds the
// preimage in the network's folder.
func TestHoldInvoiceIsSettledOrCancelled(t *testing.T) {
	n := devnettest.Net(t)
	remote, err := devnet.Attach(n.Dir())
	must(t, err)
	ctx := ctxFor(t, time.Minute)
	for _, settle := range []bool{true, false} {
		invoice, hash, _, err := n.Hold(ctx, "bob", 2000)
		must(t, err)
		wait, err := n.PayAsync(ctx, "bank", invoice, 0)
		must(t, err)
		must(t, remote.AwaitHeld(ctx, "bob", hash))
		if settle {
			must(t, remote.Settle(ctx, "bob", hash))
		} else {
			must(t, remote.Cancel(ctx, "bob", hash))
		}
		if payment, err := wait(); payment.Succeeded != settle || (err == nil) != settle {
			t.Errorf("settle %t: payment %+v, error %v", settle, payment, err)
		}
	}
}

func TestOnChainSendConfirms(t *testing.T) {
	n := devnettest.Net(t)
	ctx := ctxFor(t, time.Minute)
	address, err := n.NewAddress(ctx, "bank")
	must(t, err)
	txid, err := n.Send(ctx, "alice", address, 50_000)
	must(t, err)
	waiting, err := n.Mempool(ctx)
	must(t, err)
	if len(waiting) != 1 || waiting[0] != txid {
		t.Errorf("mempool %v, want %s", waiting, txid)
	}
	must(t, n.Mine(ctx, 1))
	if waiting, err = n.Mempool(ctx); err != nil || len(waiting) != 0 {
		t.Errorf("after a block the mempool is %v, %v", waiting, err)
	}
}

func TestKilledNodeComesBack(t *testing.T) {
	n := devnettest.Net(t)
	remote, err := devnet.Attach(n.Dir())
	must(t, err)
	ctx := ctxFor(t, 3*time.Minute)
	for name, end := range map[string]func(string) error{"killed": remote.KillProcess, "stopped": remote.StopProcess} {
		must(t, end("bob"))
		list, err := remote.Ps()
		must(t, err)
		for _, p := range list {
			if want := p.Name != "lnd-bob"; (p.State == devnet.Running) != want {
				t.Errorf("%s bob: %+v", name, p)
			}
		}
		must(t, remote.Mine(ctx, 1)) // a node that does not run is not waited for
		began := time.Now()
		must(t, remote.StartProcess(ctx, "bob"))
		t.Logf("%s bob is back after %s", name, time.Since(began))
		pay(ctx, t, &remote.Operations, "bank", "bob", 1000)
	}
}

func TestInfrastructureComesBack(t *testing.T) {
	n := devnettest.Net(t)
	ctx := ctxFor(t, 3*time.Minute)
	must(t, n.Mine(ctx, 3))
	before, err := n.Height(ctx)
	must(t, err)
	for _, name := range []string{"temporal", "btcd", "postgres"} {
		must(t, n.KillProcess(name))
		must(t, n.StartProcess(ctx, name))
	}
	if after, err := n.Height(ctx); err != nil || after != before {
		t.Errorf("the killed btcd had %d blocks and has %d (%v)", before, after, err)
	}
	must(t, n.Mine(ctx, 1)) // all nodes follow the chain again
}

func TestUnknownNames(t *testing.T) {
	n := devnettest.Net(t)
	if err := n.StopProcess("lnd-carol"); err == nil || !strings.Contains(err.Error(), "lnd-alice") {
		t.Error(err)
	}
	if _, err := n.NewAddress(t.Context(), "carol"); err == nil || !strings.Contains(err.Error(), "alice") {
		t.Error(err)
	}
	if _, err := devnet.Attach(t.TempDir()); err == nil || !strings.Contains(err.Error(), "make dev") {
		t.Error(err)
	}
}

// Invariant 2.
func TestOneSupervisorPerDir(t *testing.T) {
	n := devnettest.Net(t)
	if _, err := devnet.Start(t.Context(), devnet.Config{Dir: n.Dir()}); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Error(err)
	}
}

// Invariants 1 and 4: beside the package's network, another one keeps its state, on the ports that it is told to use, on the
// same ones where it is told nothing, and on others.
func TestSecondStartKeepsState(t *testing.T) {
	ctx := ctxFor(t, 5*time.Minute)
	cfg := devnet.Config{
		Dir: filepath.Join(devnettest.Dir(t), strings.Repeat("deep", 30)), Fast: true,
		Extra: []devnet.Process{{Name: "worker", Path: "/bin/sh", Args: []string{"-c", "echo at $TEMPORAL_ADDRESS; exec sleep 1000"}}},
	}
	height, base := 0, 0
	for _, step := range []string{"first", "second", "on other ports"} {
		cfg.BasePort = 0
		if step != "second" {
			base = freeBase(t)
			cfg.BasePort = base
		}
		began := time.Now()
		n, err := devnet.Start(ctx, cfg)
		must(t, err)
		t.Logf("%s start took %s", step, time.Since(began))
		now, err := n.Height(ctx)
		must(t, err)
		if step != "first" && (now < height || time.Since(began) > time.Minute) { // alone on two cores it takes ten seconds
			t.Errorf("the start took %s, at height %d of %d", time.Since(began), now, height)
		}
		onPorts(t, n, base)
		apart(t, n, devnettest.Net(t))
		pay(ctx, t, &n.Operations, "bank", "bob", 1000)
		must(t, n.KillProcess("worker"))
		must(t, n.StartProcess(ctx, "worker"))
		if list := n.Ps(); list[len(list)-1].Name != "worker" || list[len(list)-1].State != devnet.Running {
			t.Errorf("the worker does not run: %+v", list)
		}
		if text, err := os.ReadFile(n.LogPath("worker")); err != nil || !strings.Contains(string(text), "at "+n.Env()["TEMPORAL_ADDRESS"]) {
			t.Errorf("the worker's log is %q, %v", text, err)
		}
		must(t, n.Mine(ctx, 3))
		height = now + 3
		began = time.Now()
		must(t, n.Stop(ctx))
		t.Logf("stop took %s", time.Since(began))
	}
}

// onPorts: every address of the network lies in its block.
func onPorts(t *testing.T, n *devnet.Network, base int) {
	t.Helper()
	local := regexp.MustCompile(`127\.0\.0\.1:(\d+)`)
	addresses := 0
	for name, value := range n.Env() {
		for _, match := range local.FindAllStringSubmatch(value, -1) {
			addresses++
			if port, err := strconv.Atoi(match[1]); err != nil || port < base || port >= base+devnet.PortCount {
				t.Errorf("%s is at %s; the network's ports begin at %d", name, value, base)
			}
		}
	}
	if addresses < 10 {
		t.Errorf("%d addresses in %v", addresses, n.Env())
	}
}

// apart: two networks share no port and no address, and what happens on one is not seen on the other.
func apart(t *testing.T, one, other *devnet.Network) {
	t.Helper()
	used := map[int]string{}
	for _, p := range one.Ps() {
		for _, port := range p.Ports {
			used[port] = p.Name
		}
	}
	for _, p := range other.Ps() {
		for _, port := range p.Ports {
			if used[port] != "" {
				t.Errorf("port %d is %s's here and %s's there", port, used[port], p.Name)
			}
		}
	}
	mine, theirs := one.Env(), other.Env()
	for _, name := range []string{"DATABASE_URL", "TEMPORAL_ADDRESS", "BTCD_RPC", "LND_BANK_RPC", "LND_BANK_MACAROON", "HOLDFAST_HTTP", "HOLDFAST_GRPC"} {
		if mine[name] == "" || mine[name] == theirs[name] {
			t.Errorf("%s is %q here and %q there", name, mine[name], theirs[name])
		}
	}
	ctx := ctxFor(t, time.Minute)
	before, err := other.Height(ctx)
	must(t, err)
	must(t, one.Mine(ctx, 1))
	if after, err := other.Height(ctx); err != nil || after != before {
		t.Errorf("a block here moved the other chain from %d to %d (%v)", before, after, err)
	}
}

// The file can be sourced and names what the documentation names.
func TestEnvFile(t *testing.T) {
	n := devnettest.Net(t)
	env, err := devnet.ReadEnv(filepath.Join(n.Dir(), "env"))
	must(t, err)
	for _, name := range []string{
		"HOLDFAST_HTTP", "HOLDFAST_GRPC", "HOLDFAST_METRICS", "HOLDFAST_DASHBOARD", "HOLDFAST_NODES", "HOLDFAST_NETWORK",
		"HOLDFAST_DEVELOPMENT", "HOLDFAST_DEVELOPMENT_KEY_FILE", "HOLDFAST_SECRET_PREFIX", "HOLDFAST_GRPC_TOKEN", "HOLDFAST_CALLBACK_SECRET", "HOLDFAST_METRICS_WORKER",
		"DATABASE_URL", "TEMPORAL_ADDRESS", "TEMPORAL_UI", "BTCD_RPC", "BTCD_RPC_USER", "BTCD_RPC_PASS", "BTCD_RPC_CERT",
		"LND_BANK_RPC", "LND_BANK_TLS", "LND_BANK_MACAROON", "LND_ALICE_RPC", "LND_ALICE_TLS", "LND_ALICE_MACAROON",
		"LND_BOB_RPC", "LND_BOB_TLS", "LND_BOB_MACAROON",
	} {
		if env[name] == "" || env[name] != n.Env()[name] {
			t.Errorf("%s is %q in the file and %q in Env", name, env[name], n.Env()[name])
		}
	}
	for _, name := range []string{"LND_BOB_TLS", "LND_BOB_MACAROON", "BTCD_RPC_CERT"} {
		if _, err := os.Stat(env[name]); err != nil {
			t.Error(err)
		}
	}
}

// The operations may be used by many at once.
func TestConcurrentPayments(t *testing.T) {
	n := devnettest.Net(t)
	ctx := ctxFor(t, time.Minute)
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			invoice, err := n.Invoice(ctx, "alice", 100, "", time.Hour)
			if err == nil {
				_, err = n.Pay(ctx, "bank", invoice, 0)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

package worker_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/codec"
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

// fleet is a house whose workers have builds, and whose payloads may be sealed.
type fleet struct {
	t        *testing.T
	core     *devnettest.Core
	temporal client.Client
	books    *ledger.Ledger
	door     *starter.Starter
	network  *lndfake.Network
	bank     *lndfake.Node
	peer     *lndfake.Node
	wallet   ledger.Wallet
}

func newFleet(t *testing.T, keys codec.Keys) *fleet {
	t.Helper()
	core, err := devnettest.StartCore(t.Context(), workflows.SearchAttributeTypes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := core.Stop(); err != nil {
			t.Error(err)
		}
	})
	f := &fleet{t: t, core: core}
	f.dial(keys)
	if err := ledger.MigrateUp(t.Context(), core.DatabaseURL); err != nil {
		t.Fatal(err)
	}
	f.books = ledgertest.Open(t, core.DatabaseURL)
	f.network = lndfake.New()
	f.bank, f.peer = f.network.AddNode("bank"), f.network.AddNode("peer")
	f.open(keys)
	f.wallet = ledgertest.Funded(t, f.books, 1_000_000_000)
	return f
}

// dial connects to Temporal as a process with these keys.
func (f *fleet) dial(keys codec.Keys) {
	f.t.Helper()
	values, failures := keys.Converters()
	var err error
	f.temporal, err = f.core.Dial(f.t.Context(), client.Options{DataConverter: values, FailureConverter: failures},
		workflows.Attributes(payment.Request{AccountID: payment.NewID(), Node: "bank", Amount: 1}))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(f.temporal.Close)
}

// open gives the house a door with these keys.
func (f *fleet) open(keys codec.Keys) { f.door = f.doorFor(keys, "bank") }

// doorFor is the door of a process with these keys and nodes.
func (f *fleet) doorFor(keys codec.Keys, nodes ...string) *starter.Starter {
	cfg := starter.DefaultConfig(lndclient.Regtest, nodes)
	cfg.Payloads, _ = keys.Converters()
	return starter.New(f.temporal, f.books, cfg, slog.New(slog.DiscardHandler))
}

// with is the same house as a process with other keys sees it.
func (f *fleet) with(keys codec.Keys) *fleet {
	other := *f
	other.dial(keys)
	other.open(keys)
	return &other
}

func (f *fleet) await(what string, done func() bool) {
	f.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			f.t.Fatalf("never: %s", what)
		}
	}
}

// run starts a worker of a build; stop ends it and waits.
func (f *fleet) run(build string) (stop func()) {
	return f.serve(build, f.door, map[string]lndclient.Node{"bank": f.bank})
}

// serve starts a worker of a build that holds the credentials of some nodes.
func (f *fleet) serve(build string, door *starter.Starter, nodes map[string]lndclient.Node) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, worker.Config{
			Temporal: f.temporal, Ledger: f.books, Starter: door, Nodes: nodes, Network: lndclient.Regtest,
			Timing: activities.Timing{Call: 5 * time.Second, Margin: time.Second, Follow: 300 * time.Millisecond, Pathfinding: 2 * time.Second},
			Build:  build, Reconcile: time.Second, Log: slog.New(slog.DiscardHandler),
		})
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("build %s: %v", build, err)
		}
	}
	f.t.Cleanup(stop)
	return stop
}

// promote waits until Temporal has met the build.
func (f *fleet) promote(build string) {
	f.t.Helper()
	f.await("the promotion of "+build, func() bool {
		err := worker.Promote(f.t.Context(), f.temporal, build)
		if err != nil && !payment.IsReason(err, payment.ReasonInvalidInput) {
			f.t.Fatal(err)
		}
		return err == nil
	})
}

func (f *fleet) pay(invoice string) ledger.Payment {
	f.t.Helper()
	row, err := f.door.PayInvoice(f.t.Context(), starter.PayInvoice{
		Caller: starter.Caller{AccountID: f.wallet.AccountID, Door: payment.DoorGo}, WalletID: f.wallet.ID, Invoice: invoice,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return row
}

func (f *fleet) state(id payment.ID) payment.State {
	row, err := f.books.Payment(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return row.State
}

// buildOf is the build that a workflow runs on, as Temporal tells it.
func (f *fleet) buildOf(id string) string {
	described, err := f.temporal.DescribeWorkflowExecution(f.t.Context(), id, "")
	if err != nil {
		f.t.Fatal(err)
	}
	return described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
}

func (f *fleet) statuses() string {
	builds, err := worker.Builds(f.t.Context(), f.temporal)
	if err != nil {
		f.t.Fatal(err)
	}
	slices.SortFunc(builds, func(a, b worker.Build) int { return strings.Compare(a.ID, b.ID) })
	var words []string
	for _, b := range builds {
		words = append(words, b.ID+" "+b.Status)
	}
	return strings.Join(words, ", ")
}

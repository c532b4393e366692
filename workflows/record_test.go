package workflows_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
	"github.com/holdfast-pay/holdfast/workflows/historytest"
)

var record = flag.Bool("record", false, "record the histories of workflows/testdata anew, on a Temporal server of their own")

// TestRecordHistories is the recorder: go test ./workflows -run TestRecordHistories -record
func TestRecordHistories(t *testing.T) {
	if !*record {
		t.Skip("only with -record")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	temporal := startTemporal(ctx, t)
	for _, play := range plays() {
		t.Run(play.file, func(t *testing.T) {
			if err := perform(ctx, temporal, play); err != nil {
				t.Error(err)
			}
		})
	}
}

// play is one workflow to record: what it is asked, what its steps answer, and what happens to it.
type play struct {
	file     string
	workflow string
	req      payment.Request
	input    any // nil: req
	noInput  bool
	steps    func(c *cast)
	early    func(ctx context.Context, c *cast) error // after the start, before any worker serves
	drive    func(ctx context.Context, c *cast) error // while the workers serve; nil: wait for the end
	firstRun bool                                     // record the first run and not the newest
}

// cast is a play on stage.
type cast struct {
	temporal client.Client
	id       string
	books    *books
	stage    []worker.Worker
	req      payment.Request
}

func perform(ctx context.Context, temporal client.Client, p play) error {
	c := &cast{temporal: temporal, id: p.req.ID.String(), books: newBooks(p.req), req: p.req}
	input := p.input
	if input == nil {
		input = p.req
	}
	inputs := []any{input}
	if p.noInput {
		inputs = nil
	}
	run, err := temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: c.id, TaskQueue: workflows.PaymentsQueue, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		TypedSearchAttributes: workflows.Attributes(p.req), StaticSummary: workflows.Summary(p.req, "shop"),
	}, p.workflow, inputs...)
	if err != nil {
		return err
	}
	if p.early != nil {
		if err := p.early(ctx, c); err != nil {
			return err
		}
	}
	for _, queue := range []string{workflows.PaymentsQueue, workflows.WatchersQueue, workflows.CallbacksQueue, workflows.NodeQueue(testNode)} {
		w := worker.New(temporal, queue, worker.Options{DisableRegistrationAliasing: true, WorkerStopTimeout: time.Second})
		registerWorkflows(w)
		c.stage = append(c.stage, w)
	}
	c.ledgerSteps()
	p.steps(c)
	for _, w := range c.stage {
		if err := w.Start(); err != nil {
			return err
		}
		defer w.Stop()
	}
	if p.drive == nil {
		p.drive = func(ctx context.Context, _ *cast) error { return run.Get(ctx, nil) }
	}
	if err := p.drive(ctx, c); err != nil {
		return err
	}
	runID := ""
	if p.firstRun {
		runID = run.GetRunID()
	}
	err = historytest.RecordRun(ctx, temporal, c.id, runID, filepath.Join(histories, p.file+".json"))
	_ = temporal.TerminateWorkflow(ctx, c.id, "", "recorded") // most have ended
	return err
}

func (c *cast) end(ctx context.Context) error {
	return c.temporal.GetWorkflow(ctx, c.id, "").Get(ctx, nil)
}

func (c *cast) update(ctx context.Context, name string, args ...any) error {
	handle, err := c.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: c.id, UpdateName: name, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

func (c *cast) hint(ctx context.Context) error {
	return c.temporal.SignalWorkflow(ctx, c.id, "", workflows.SignalNews, nil)
}

// inFlight waits until the saga tells its callers "in flight".
func (c *cast) inFlight(ctx context.Context) error { return c.update(ctx, workflows.UpdateOutcome) }

// startTemporal starts a Temporal server and its database, for this test alone.
func startTemporal(ctx context.Context, t *testing.T) client.Client {
	t.Helper()
	dir, err := os.MkdirTemp("", "holdfast-record-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // Postgres' own user must pass through
		t.Fatal(err)
	}
	programs, err := build.Ensure(ctx, os.Stderr, build.Temporal())
	if err != nil {
		t.Fatal(err)
	}
	database, err := postgres.Start(ctx, postgres.Config{Dir: filepath.Join(dir, "postgres"), Fast: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Stop() })
	address, internal := freePort(t), freePorts(t, 3)
	args := []string{"--address", address, "--internal-port", fmt.Sprint(internal), "--postgres-url", database.URL("postgres")}
	for name, kind := range workflows.SearchAttributeTypes() {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	server := exec.CommandContext(ctx, programs["temporal"], args...)
	var out bytes.Buffer
	server.Stdout, server.Stderr = &out, &out
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = 20 * time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
		if t.Failed() {
			t.Logf("temporal: %s", out.String())
		}
	})
	return dial(ctx, t, address)
}

// dial waits until the server knows the search attributes everywhere.
func dial(ctx context.Context, t *testing.T, address string) client.Client {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		temporal, err := client.DialContext(ctx, client.Options{HostPort: address, Identity: "recorder", Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
		if err == nil {
			err = ready(ctx, temporal)
			if err == nil {
				t.Cleanup(temporal.Close)
				return temporal
			}
			temporal.Close()
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-tick.C:
		}
	}
}

// ready starts a workflow that nobody serves, with every search attribute.
func ready(ctx context.Context, temporal client.Client) error {
	req := lightningRequest()
	_, err := temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "ready", TaskQueue: "nobody", TypedSearchAttributes: workflows.Attributes(req),
	}, "Lightning", req)
	if err != nil {
		return err
	}
	return temporal.TerminateWorkflow(ctx, "ready", "", "ready")
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// freePorts finds the first of some ports in a row.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for first := 21_000; first < 30_000; first += n {
		open := 0
		for i := range n {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
			if err == nil {
				open++
				_ = l.Close()
			}
		}
		if open == n {
			return first
		}
	}
	t.Fatal("no free ports")
	return 0
}

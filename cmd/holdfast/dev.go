package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/demo"
	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/workflows"
)

// stopWithin bounds the graceful end of a network; what is left then is killed.
const stopWithin = time.Minute

type devCommand struct {
	Dir      string `default:".devnet" placeholder:"DIR" help:"The network's folder."`
	BasePort int    `placeholder:"N" help:"First of 20 ports. Default: free ones, kept for the next start."`
	Once     bool   `help:"Stop after the demo."`
}

// Validate is asked by the parser.
func (c *devCommand) Validate() error { return devnet.CheckBasePort(c.BasePort) }

// Run brings the network up, plays the demo, and stays. A demo that failed does not take the network down, so that it can
// be looked at; it decides the exit code.
func (c *devCommand) Run(ctx context.Context, d *deps) (err error) {
	began := time.Now()
	net, err := d.startNetwork(ctx, c.Dir, c.BasePort)
	if err != nil {
		return err
	}
	defer func() {
		d.print.Line("stopping the network …")
		err = errors.Join(err, stop(ctx, net))
	}()
	d.print.Line("")
	house := d.on(net.Env())
	defer house.close()
	shown, demoErr := house.runDemo(ctx, net)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if demoErr != nil {
		d.print.Error(demoErr)
	}
	if err := d.announce(net, shown, time.Since(began)); err != nil {
		return err
	}
	if !c.Once {
		d.print.Line("\nCtrl-C stops the network; its state stays in %s for the next start (`make clean` removes it).", net.Dir())
		<-ctx.Done()
	}
	if demoErr != nil {
		return show.Exit{Code: show.Failed} // printed above
	}
	return nil
}

// startNetwork brings up a network with a worker and the API as two of its processes.
func (d *deps) startNetwork(ctx context.Context, dir string, basePort int) (*devnet.Network, error) {
	var progress io.Writer = d.print.Out
	if d.print.JSON {
		progress = d.print.Err
	}
	net, err := devnet.Start(ctx, devnet.Config{
		Dir: dir, BasePort: basePort, Out: progress, DatabaseURL: d.devDatabase(),
		SearchAttributes: workflows.SearchAttributeTypes(),
		Extra: []devnet.Process{
			{Name: "worker", Args: []string{"worker", "--migrate"}, Ready: d.workerReady(ctx)},
			{Name: "api", Args: []string{"api"}, Ready: apiReady(ctx)},
		},
	})
	switch {
	case err == nil:
		return net, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	default:
		return nil, networkAway(err)
	}
}

// devDatabase is a Postgres to use instead of one of the network's own: by flag, or from the environment where this
// machine has no Postgres binaries. Binaries that were asked for and do not fit are no reason to use another server: the
// start of the network says what is wrong with them.
func (d *deps) devDatabase() string {
	if url, ok := d.flags.Get(settings.DatabaseURL); ok {
		return url
	}
	if _, err := postgres.FindBinaries(); errors.Is(err, postgres.ErrNoBinaries) {
		url, _ := d.environment.Get(settings.DatabaseURL)
		return url
	}
	return ""
}

// workerReady answers nil once the worker with the process id polls the payments: then its database is migrated as well.
// Temporal lists the pollers of one that was killed for minutes.
func (d *deps) workerReady(ctx context.Context) func(env map[string]string, pid int) error {
	var temporal client.Client
	return func(env map[string]string, pid int) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if temporal == nil {
			dialed, err := client.DialContext(ctx, client.Options{HostPort: env[settings.TemporalAddress], Logger: sdklog.NewStructuredLogger(d.log)})
			if err != nil {
				return err
			}
			temporal = dialed
		}
		for _, queue := range []string{workflows.PaymentsQueue, workflows.WatchersQueue} {
			answer, err := temporal.WorkflowService().DescribeTaskQueue(ctx, describe(queue))
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(answer.GetPollers(), func(p *taskqueue.PollerInfo) bool { return isOf(p, pid) }) {
				return fmt.Errorf("the worker does not poll the queue %s yet", queue)
			}
		}
		return nil
	}
}

// isOf reports whether a poller is of the process: the SDK calls itself PID@host@queue.
func isOf(poller *taskqueue.PollerInfo, pid int) bool {
	return strings.HasPrefix(poller.GetIdentity(), fmt.Sprintf("%d@", pid))
}

// apiReady answers nil once the API answers that all it needs is there.
func apiReady(ctx context.Context) func(env map[string]string, pid int) error {
	return func(env map[string]string, _ int) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, env["HOLDFAST_HTTP"]+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return nil
		}
		text, err := io.ReadAll(io.LimitReader(res.Body, 1000))
		return errors.Join(fmt.Errorf("the api is not ready: %s", text), err)
	}
}

func stop(ctx context.Context, net *devnet.Network) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return onNetwork(net.Stop(ctx))
}

// announce prints the addresses to open, and a link per payment of the demo.
func (d *deps) announce(net *devnet.Network, shown []demo.Shown, took time.Duration) error {
	env := net.Env()
	ui := env["TEMPORAL_UI"]
	links := make([]map[string]string, len(shown))
	rows := [][2]string{
		{"playground", env["HOLDFAST_HTTP"]},
		{"Temporal UI", ui},
		{"Postgres", env[settings.DatabaseURL]},
		{"Temporal", env[settings.TemporalAddress]},
	}
	for _, node := range devnet.NodeNames() {
		rows = append(rows, [2]string{"lnd-" + node, env["LND_"+strings.ToUpper(node)+"_RPC"]})
	}
	rows = append(rows, [2]string{"settings", net.Dir() + "/env"})
	for i, s := range shown {
		link := ui + "/namespaces/default/workflows/" + s.ID.String()
		links[i] = map[string]string{"title": s.Title, "payment_id": s.ID.String(), "url": link}
		rows = append(rows, [2]string{s.Title, link})
	}
	d.print.Line("\nthe network is up (%.0f s); open:", took.Seconds())
	return d.print.Object(map[string]any{"env": env, "dir": net.Dir(), "payments": links}, rows...)
}

func describe(queue string) *workflowservice.DescribeTaskQueueRequest {
	return &workflowservice.DescribeTaskQueueRequest{
		Namespace: client.DefaultNamespace, TaskQueue: &taskqueue.TaskQueue{Name: queue}, TaskQueueType: enums.TASK_QUEUE_TYPE_WORKFLOW,
	}
}

package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/holdfast-pay/holdfast/devnet"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/workflows"
)

// workerProcess is the name of the process that serves the sagas.
const workerProcess = "worker"

// sideBySide is how many undisturbed tests run at once: they wait for nodes more than they work.
const sideBySide = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if explicit := parallelFlag(); !explicit {
		if err := flag.Set("test.parallel", sideBySide); err != nil {
			panic(err)
		}
	}
	env := holdfastEnv()
	devnettest.Main(m, devnet.Config{
		SearchAttributes: workflows.SearchAttributeTypes(),
		Extra: []devnet.Process{{
			Name: workerProcess, Path: "/bin/sh",
			// The binary's path is known only when the network's folder is.
			Args: []string{"-c", `exec "$HOLDFAST" worker --migrate`},
			Env:  env, Ready: workerReady,
		}, {
			Name: apiProcess, Path: "/bin/sh", Args: []string{"-c", `exec "$HOLDFAST" api`}, Env: env, Ready: apiReady,
		}},
	})
}

func parallelFlag() (explicit bool) {
	flag.Visit(func(f *flag.Flag) { explicit = explicit || f.Name == "test.parallel" })
	return explicit
}

// holdfastEnv builds cmd/holdfast into the network's folder at the first start, and leads its processes to the network.
func holdfastEnv() func(network map[string]string) []string {
	var once sync.Once
	return func(network map[string]string) []string {
		path := filepath.Join(filepath.Dir(filepath.Dir(network["BTCD_RPC_CERT"])), "holdfast")
		once.Do(func() {
			build := exec.Command("go", "build", "-o", path, "../cmd/holdfast")
			build.Stdout, build.Stderr = os.Stderr, os.Stderr
			if err := build.Run(); err != nil {
				fmt.Fprintln(os.Stderr, "e2e: build cmd/holdfast:", err) // the worker's start fails next, and says so
			}
		})
		// All tests log in from one address, side by side.
		env := append(os.Environ(), "HOLDFAST="+path, "HOLDFAST_RATE_LOGINS=600 per 1m, burst 100")
		for key, value := range network {
			env = append(env, key+"="+value)
		}
		return env
	}
}

// apiReady answers nil once the API says that all it needs is there.
func apiReady(network map[string]string, _ int) error {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(network["HOLDFAST_HTTP"] + "/readyz")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %d", res.StatusCode)
	}
	return nil
}

// workerReady answers nil once the worker with the process id polls every queue; Temporal lists the dead one's pollers as well.
func workerReady(network map[string]string, pid int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	temporal, err := client.DialContext(ctx, client.Options{HostPort: network["TEMPORAL_ADDRESS"], Logger: silent()})
	if err != nil {
		return err
	}
	defer temporal.Close()
	for queue, kind := range map[string]enums.TaskQueueType{
		workflows.PaymentsQueue: enums.TASK_QUEUE_TYPE_WORKFLOW, workflows.WatchersQueue: enums.TASK_QUEUE_TYPE_WORKFLOW,
		workflows.NodeQueue(bank): enums.TASK_QUEUE_TYPE_ACTIVITY,
	} {
		answer, err := temporal.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: client.DefaultNamespace, TaskQueue: &taskqueue.TaskQueue{Name: queue}, TaskQueueType: kind,
		})
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(answer.GetPollers(), func(p *taskqueue.PollerInfo) bool {
			return strings.HasPrefix(p.GetIdentity(), fmt.Sprintf("%d@", pid))
		}) {
			return fmt.Errorf("the worker does not poll the queue %s yet", queue)
		}
	}
	return nil
}

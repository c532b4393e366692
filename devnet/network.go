package devnet

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

// Network is a running network and its supervisor.
type Network struct {
	Operations // what needs only the nodes' RPC

	cfg      Config
	state    state
	ports    ports
	lock     *process.Lock
	programs map[string]string

	databaseURL string
	services    []*service // in the order of their start; stopped in reverse
	control     *control
}

// Start brings everything up and returns when it is ready: the databases are
// there, the channels are active and known to all nodes, the extra processes run.
// A Dir that was used before keeps its state.
func Start(ctx context.Context, cfg Config) (*Network, error) {
	began := time.Now()
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	lock, err := process.TryLock(cfg.path("lock"))
	if err != nil {
		return nil, fmt.Errorf("a network already runs in %s: use it, or stop it first (%w)", cfg.Dir, err)
	}
	n := &Network{cfg: cfg, lock: lock}
	if err := n.start(ctx); err != nil {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, n.Stop(stopCtx))
	}
	n.say("the network is ready (%s)", since(began))
	return n, nil
}

func (n *Network) start(ctx context.Context) error {
	// What can be told at once comes before the builds, which may take minutes.
	programs := []build.Program{build.Btcd(), build.Lnd(), build.Temporal()}
	if err := errors.Join(n.checkDatabase(ctx), build.Check(programs...)); err != nil {
		return err
	}
	if err := n.endStale(ctx); err != nil { // it holds the ports
		return err
	}
	if err := n.claim(); err != nil {
		return err
	}
	var err error
	if n.programs, err = build.Ensure(ctx, n.cfg.Out, programs...); err != nil {
		return err
	}
	n.describe()

	// The two halves do not need each other.
	err = concurrently(ctx,
		func(ctx context.Context) error {
			if err := n.createDatabases(ctx); err != nil {
				return err
			}
			return n.bring(ctx, "postgres", "temporal")
		},
		func(ctx context.Context) error { return n.bringNodes(ctx) },
	)
	if err != nil {
		return err
	}
	env := makeEnv(&n.cfg, n.ports, n.state, n.databaseURL)
	n.Operations.env = env
	if err := writeEnv(n.cfg.path("env"), env); err != nil {
		return err
	}
	if n.control, err = listenControl(n); err != nil {
		return err
	}
	for _, p := range n.cfg.Extra {
		if err := n.bring(ctx, p.Name); err != nil {
			return err
		}
	}
	return nil
}

// claim takes the ports and remembers them.
func (n *Network) claim() error {
	var err error
	if n.state, err = loadState(n.cfg.path("state.json")); err != nil {
		return err
	}
	if n.ports, err = claimPorts(&n.cfg, n.state.BasePort); err != nil {
		return err
	}
	n.state.BasePort = n.ports.base
	if n.cfg.DatabaseURL != "" {
		n.state.useServer(n.cfg.DatabaseURL)
	}
	return n.state.save(n.cfg.path("state.json"))
}

// describe makes the services; nothing starts yet.
func (n *Network) describe() {
	if n.cfg.DatabaseURL == "" {
		n.services = append(n.services, n.postgresService())
	}
	n.services = append(n.services, n.btcdService())
	for _, name := range NodeNames() {
		n.services = append(n.services, n.lndService(name))
	}
	n.services = append(n.services, n.temporalService())
	for _, p := range n.cfg.Extra {
		n.services = append(n.services, n.extraService(p))
	}
	n.Operations = newOperations(n.cfg.Dir, makeEnv(&n.cfg, n.ports, n.state, n.databaseURL))
}

// endStale ends what a killed supervisor of this Dir has left behind.
func (n *Network) endStale(ctx context.Context) error {
	files, err := filepath.Glob(n.cfg.path("run", "*.pid"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := process.EndStale(ctx, file, 15*time.Second); err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSuffix(filepath.Base(file), ".pid"), err)
		}
	}
	return nil
}

// bring starts services one after the other; one that this network does without is skipped.
func (n *Network) bring(ctx context.Context, names ...string) error {
	for _, name := range names {
		s := n.service(name)
		if s == nil {
			continue
		}
		began := time.Now()
		if err := s.up(ctx); err != nil {
			return err
		}
		n.say("%s is ready (%s)", name, since(began))
	}
	return nil
}

// bringNodes brings up chain and Lightning nodes, from a snapshot the first time.
func (n *Network) bringNodes(ctx context.Context) error {
	if !n.state.Funded {
		if err := n.restoreSnapshot(ctx); err != nil {
			return err
		}
	}
	return n.bringTopology(ctx)
}

func (n *Network) service(name string) *service {
	name = processName(name)
	i := slices.IndexFunc(n.services, func(s *service) bool { return s.name == name })
	if i < 0 {
		return nil
	}
	return n.services[i]
}

// processName accepts a node's own name for its process.
func processName(name string) string {
	if slices.Contains(NodeNames(), name) {
		return "lnd-" + name
	}
	return name
}

// Env is the network's addresses, paths and credentials, as written to Dir/env.
func (n *Network) Env() map[string]string { return maps.Clone(n.Operations.env) }

// Dir is the folder of the network's state.
func (n *Network) Dir() string { return n.cfg.Dir }

// LogPath is the log file of a process.
func (n *Network) LogPath(name string) string { return n.cfg.logPath(processName(name)) }

// Stop ends everything in order: extras, Temporal, Lightning nodes, btcd, Postgres.
// What does not end in its time is killed; when ctx ends, the rest is killed at once.
func (n *Network) Stop(ctx context.Context) error {
	var all []error
	if n.control != nil {
		all = append(all, n.control.close())
	}
	killAll := context.AfterFunc(ctx, func() {
		for _, s := range n.services {
			// Not by s.kill: that waits for the stop to end.
			if c := s.current(); c != nil && !ended(c) {
				_ = c.Kill() // the stop that waits for it reports
			}
		}
	})
	defer killAll()
	for _, group := range n.stopOrder() {
		errs := make([]error, len(group))
		var done sync.WaitGroup
		for i, s := range group {
			done.Go(func() { errs[i] = s.stop() })
		}
		done.Wait()
		all = append(all, errs...)
	}
	if n.ports.lock != nil {
		all = append(all, n.ports.lock.Unlock())
	}
	return errors.Join(append(all, n.lock.Unlock())...)
}

// stopOrder is the reverse of the start, the Lightning nodes at once.
func (n *Network) stopOrder() [][]*service {
	var order [][]*service
	var nodes []*service
	for _, s := range slices.Backward(n.services) {
		switch {
		case strings.HasPrefix(s.name, "lnd-"):
			nodes = append(nodes, s)
		case s.name == "btcd":
			order = append(order, nodes, []*service{s})
		default:
			order = append(order, []*service{s})
		}
	}
	return order
}

// Remove deletes a network that does not run, with everything it has stored, also
// on a database server of somebody else. Should that be away, the error names what
// stays there; a network that starts afresh does not use it.
func Remove(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := process.TryLock(filepath.Join(dir, "lock"))
	if err != nil {
		return fmt.Errorf("a network runs in %s: stop it first (%w)", dir, err)
	}
	return errors.Join(dropDatabases(dir), postgres.Remove(filepath.Join(dir, "postgres")), os.RemoveAll(dir), lock.Unlock())
}

func (n *Network) say(format string, args ...any) {
	fmt.Fprintf(n.cfg.Out, format+"\n", args...)
}

func since(t time.Time) time.Duration { return time.Since(t).Round(10 * time.Millisecond) }

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return fmt.Sprintf("%x", sum[:6])
}

// concurrently runs all and returns the first error; the others are cancelled and waited for.
func concurrently(ctx context.Context, all ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done sync.WaitGroup
	for _, do := range all {
		done.Go(func() {
			if err := do(ctx); err != nil {
				cancel(err) // only the first counts
			}
		})
	}
	done.Wait()
	return context.Cause(ctx)
}

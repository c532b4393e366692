package devnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/devnet/btcd"
	"github.com/holdfast-pay/holdfast/devnet/lnd"
	"github.com/holdfast-pay/holdfast/devnet/postgres"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

const startWithin = 90 * time.Second

func (n *Network) spec(name, path string, args ...string) process.Spec {
	return process.Spec{Name: name, Path: path, Args: args, LogPath: n.cfg.logPath(name), PidFile: n.cfg.pidPath(name)}
}

// postgresChild fits a Postgres server to child.
type postgresChild struct {
	*process.Process
	server *postgres.Server
}

func (c postgresChild) Stop(time.Duration) error { return c.server.Stop() }
func (c postgresChild) Kill() error              { return c.server.Kill() }

func (n *Network) postgresService() *service {
	port := n.ports.at(portPostgres)
	return &service{name: "postgres", ports: []int{port}, start: func(ctx context.Context) (child, error) {
		server, err := postgres.Start(ctx, postgres.Config{
			Dir: n.cfg.path("postgres"), Port: port, Fast: n.cfg.Fast, Log: n.cfg.logPath("postgres"),
		})
		if err != nil {
			return nil, err
		}
		n.databaseURL = server.URL("holdfast")
		return postgresChild{server.Process(), server}, nil
	}}
}

func (n *Network) temporalService() *service {
	used := []int{n.ports.at(portTemporal)}
	args := []string{
		"--address", n.ports.address(portTemporal), "--http-address", n.ports.address(portTemporalHTTP),
		"--internal-port", strconv.Itoa(n.ports.at(portTemporalInternal)),
	}
	if !n.cfg.Fast {
		used = append(used, n.ports.at(portTemporalUI))
		args = append(args, "--ui-address", n.ports.address(portTemporalUI))
	}
	if n.cfg.DatabaseURL != "" {
		args = append(args, "--database", n.state.temporalDatabase())
	}
	for name, kind := range n.cfg.SearchAttributes {
		args = append(args, "--search-attribute", name+"="+kind)
	}
	return &service{name: "temporal", ports: used, grace: 15 * time.Second, start: func(ctx context.Context) (child, error) {
		args := append(slices.Clone(args), "--postgres-url", n.databaseURL)
		return startReady(ctx, n.spec("temporal", n.programs["temporal"], args...), startWithin, func(ctx context.Context, _ int) error {
			return temporalReady(ctx, n.ports.address(portTemporal), n.cfg.SearchAttributes)
		})
	}}
}

func (n *Network) btcdService() *service {
	port := n.ports.at(portBtcd)
	dir := n.cfg.path("btcd")
	return &service{name: "btcd", ports: []int{port}, grace: 30 * time.Second, start: func(ctx context.Context) (child, error) {
		payout, err := btcd.MinerAddress()
		if err != nil {
			return nil, err
		}
		// btcd writes a sample configuration unless the file exists.
		config := filepath.Join(dir, "btcd.conf")
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(config, nil, 0o600)); err != nil {
			return nil, err
		}
		spec := n.spec("btcd", n.programs["btcd"],
			"--configfile="+config, "--regtest", "--txindex", "--nolisten", "--miningaddr="+payout,
			"--datadir="+filepath.Join(dir, "data"), "--logdir="+filepath.Join(dir, "logs"),
			"--rpclisten="+n.ports.address(portBtcd), "--rpcuser="+btcdUser, "--rpcpass="+n.state.BtcdPassword,
			"--rpccert="+filepath.Join(dir, "rpc.cert"), "--rpckey="+filepath.Join(dir, "rpc.key"))
		spec.Env = append(os.Environ(), "BTCD_HOME="+dir) // read by our patch of it
		return startReady(ctx, spec, startWithin, func(ctx context.Context, _ int) error {
			return n.withBitcoin(func(c *btcd.Client) error { _, err := c.Height(ctx); return err })
		})
	}}
}

// peerAddress is where a node listens for the other nodes.
func (n *Network) peerAddress(name string) string {
	return net.JoinHostPort(n.state.PeerHost, strconv.Itoa(n.ports.at(portLnd+2*slices.Index(NodeNames(), name)+1)))
}

func (n *Network) lndService(name string) *service {
	i := slices.Index(NodeNames(), name)
	rpc := portLnd + 2*i
	return &service{
		name: "lnd-" + name, ports: []int{n.ports.at(rpc), n.ports.at(rpc + 1)}, grace: 40 * time.Second,
		start: func(ctx context.Context) (child, error) {
			return startReady(ctx, n.spec("lnd-"+name, n.programs["lnd"], n.lndArgs(name, n.ports.address(rpc))...), startWithin,
				func(ctx context.Context, _ int) error {
					return n.withNode(name, func(c *lnd.Client) error { return c.Serving(ctx) })
				})
		},
	}
}

func (n *Network) lndArgs(name, rpcAddress string) []string {
	return []string{
		"--lnddir=" + n.cfg.path("lnd", name), "--alias=" + name, "--noseedbackup", "--nobootstrap", "--norest",
		"--bitcoin.regtest", "--bitcoin.node=btcd", "--btcd.rpchost=" + n.ports.address(portBtcd),
		"--btcd.rpcuser=" + btcdUser, "--btcd.rpcpass=" + n.state.BtcdPassword, "--btcd.rpccert=" + n.cfg.path("btcd", "rpc.cert"),
		"--rpclisten=" + rpcAddress, "--listen=" + n.peerAddress(name),
		"--tlsdisableautofill", "--tlsautorefresh", "--debuglevel=info", "--logging.file.disable",
		"--bitcoin.defaultchanconfs=1", "--maxpendingchannels=10",
		// Gossip and reconnection at the speed of a test.
		"--trickledelay=50", "--gossip.sub-batch-delay=50ms", "--historicalsyncinterval=10s",
		"--minbackoff=200ms", "--maxbackoff=2s", "--chan-enable-timeout=1s",
		// A stopped btcd is an exercise, not a reason for lnd to end itself.
		"--healthcheck.chainbackend.attempts=0", "--healthcheck.diskspace.attempts=0",
	}
}

func (n *Network) extraService(p Process) *service {
	return &service{name: p.Name, grace: 40 * time.Second, start: func(ctx context.Context) (child, error) {
		path := p.Path
		if path == "" {
			self, err := os.Executable()
			if err != nil {
				return nil, err
			}
			path = self
		}
		spec := n.spec(p.Name, path, p.Args...)
		network := n.Env()
		if p.Env != nil {
			spec.Env = p.Env(network)
		} else {
			spec.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool {
				return strings.HasPrefix(pair, "TEMPORAL_") // of a Temporal that somebody else has
			})
			for key, value := range network {
				spec.Env = append(spec.Env, key+"="+value)
			}
		}
		return startReady(ctx, spec, startWithin, func(_ context.Context, pid int) error {
			if p.Ready == nil {
				return nil
			}
			return p.Ready(network, pid)
		})
	}}
}

func errUnknownProcess(name string, services []*service) error {
	names := make([]string, len(services))
	for i, s := range services {
		names[i] = s.name
	}
	return fmt.Errorf("no process is called %q; there are %v", name, names)
}

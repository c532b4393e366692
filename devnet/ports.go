package devnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/holdfast-pay/holdfast/devnet/build"
	"github.com/holdfast-pay/holdfast/devnet/process"
)

// PortCount is how many ports a network takes, from its base port on.
const PortCount = 20

// The base ports that leave room for a whole block, above the system's own.
const (
	minBasePort = 1024
	maxBasePort = 65_536 - PortCount
)

// Offsets from the base port. The first four and the last are reserved for the product.
const (
	portHTTP = iota
	portGRPC
	portMetrics
	portDashboard
	portPostgres
	portTemporal
	portTemporalUI
	portTemporalHTTP
	portTemporalInternal // three
	portBtcd             = portTemporalInternal + 3
	portLnd              = portBtcd + 1 // RPC and p2p per node
	portMetricsWorker    = portLnd + 6
)

// ports is a claimed block of ports.
type ports struct {
	base int
	lock *process.Lock // keeps other networks of this user away while we run
}

func (p ports) at(offset int) int { return p.base + offset }

func (p ports) address(offset int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.at(offset)))
}

// The blocks for networks that do not care lie below the ports that the kernel
// hands out to outgoing connections.
const (
	firstBlock = 12_000
	lastBlock  = 32_000
)

// CheckBasePort says what is wrong with a base port; 0 means any.
func CheckBasePort(port int) error {
	if port != 0 && (port < minBasePort || port > maxBasePort) {
		return fmt.Errorf("the base port is %d: choose one from %d to %d (the network takes %d ports from it on)", port, minBasePort, maxBasePort, PortCount)
	}
	return nil
}

// claimPorts claims the configured block, the one remembered from the last start,
// or a free one.
func claimPorts(cfg *Config, remembered int) (ports, error) {
	if cfg.BasePort != 0 {
		return claimBlock(cfg.BasePort)
	}
	if remembered != 0 {
		if p, err := claimBlock(remembered); err == nil {
			return p, nil
		}
	}
	var last error
	for range 100 {
		block := firstBlock + PortCount*rand.IntN((lastBlock-firstBlock)/PortCount)
		p, err := claimBlock(block)
		if err == nil {
			return p, nil
		}
		last = err
	}
	return ports{}, fmt.Errorf("no free block of ports was found: %w", last)
}

// ClaimPorts claims a free block of PortCount ports for what is no network, but runs beside some. release gives it back.
func ClaimPorts() (base int, release func() error, err error) {
	p, err := claimPorts(&Config{}, 0)
	if err != nil {
		return 0, nil, err
	}
	return p.base, p.lock.Unlock, nil
}

func claimBlock(base int) (ports, error) {
	cache, err := build.CacheDir()
	if err != nil {
		return ports{}, err
	}
	dir := filepath.Join(cache, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return ports{}, err
	}
	lock, err := process.TryLock(filepath.Join(dir, strconv.Itoa(base)))
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ports{}, fmt.Errorf("another network runs on ports %d to %d: stop it or choose another base port", base, base+PortCount-1)
	}
	if err != nil {
		return ports{}, err
	}
	for port := base; port < base+PortCount; port++ {
		if err := probePort(port); err != nil {
			return ports{}, errors.Join(err, lock.Unlock())
		}
	}
	return ports{base: base, lock: lock}, nil
}

func probePort(port int) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d is in use: stop what uses it or choose another base port (the network takes %d ports)", port, PortCount)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("port %d is not for this user: choose another base port (the network takes %d ports)", port, PortCount)
	case err != nil:
		return fmt.Errorf("port %d cannot be used: %w", port, err)
	}
	return listener.Close()
}

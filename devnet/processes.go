package devnet

import (
	"context"
	"strings"
)

// Ps lists the network's processes in the order of their start.
func (n *Network) Ps() []ProcessStatus {
	all := make([]ProcessStatus, len(n.services))
	for i, s := range n.services {
		all[i] = s.status()
	}
	return all
}

// StopProcess ends a process gracefully and returns when it is gone.
func (n *Network) StopProcess(name string) error {
	s := n.service(name)
	if s == nil {
		return errUnknownProcess(name, n.services)
	}
	return s.stop()
}

// KillProcess ends a process with SIGKILL, as a crash would.
func (n *Network) KillProcess(name string) error {
	s := n.service(name)
	if s == nil {
		return errUnknownProcess(name, n.services)
	}
	return s.kill()
}

// StartProcess starts a stopped or ended process and returns when it is ready; a
// Lightning node is ready when it is synced and its channels to running nodes are
// active; btcd is ready when the running nodes follow it. A running process is left alone.
func (n *Network) StartProcess(ctx context.Context, name string) error {
	s := n.service(name)
	if s == nil {
		return errUnknownProcess(name, n.services)
	}
	if err := s.up(ctx); err != nil {
		return err
	}
	if node, ok := strings.CutPrefix(s.name, "lnd-"); ok {
		return n.rejoin(ctx, node)
	}
	if s.name == "btcd" {
		return n.WaitSynced(ctx)
	}
	return nil
}

package devnet

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Config says what network to run.
type Config struct {
	Dir      string    // the network's state; created if missing
	BasePort int       // first of PortCount ports, which need not be those of the last start; 0: those, or free ones
	Fast     bool      // for tests: Postgres without fsync, no Temporal UI
	Out      io.Writer // progress, one line per step; nil: none

	// DatabaseURL is a PostgreSQL server to use instead of starting one: the URL of
	// a database there, for a user who may create databases and roles. The network
	// makes databases of its own beside that one; Remove drops them.
	DatabaseURL string

	// SearchAttributes are registered with Temporal: type (Keyword, Int, ...) by name.
	SearchAttributes map[string]string

	// Extra processes are started when the network is up, in order, and stopped first.
	Extra []Process
}

// Process is a program that runs on the network, e.g. the worker.
type Process struct {
	Name string // for ps, stop, start and kill
	Path string // the executable; empty: ourselves
	Args []string

	// Env gives the environment (KEY=VALUE) from the network's (Network.Env). nil:
	// ours and the network's.
	Env func(network map[string]string) []string

	// Ready is asked until it answers nil; nil means ready once started. By the process
	// id it can tell the process from the one before it.
	Ready func(network map[string]string, pid int) error
}

// NodeNames are the Lightning nodes, in the order of their channels.
func NodeNames() []string { return []string{"bank", "alice", "bob"} }

// edges are the channels: opener first.
func edges() [][2]string { return [][2]string{{"alice", "bank"}, {"alice", "bob"}} }

func (c *Config) complete() error {
	if err := CheckBasePort(c.BasePort); err != nil {
		return err
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	c.Dir = dir
	if c.Out == nil {
		c.Out = io.Discard
	}
	c.Out = &lines{to: c.Out}
	seen := map[string]bool{"postgres": true, "temporal": true, "btcd": true}
	for _, name := range NodeNames() {
		seen["lnd-"+name] = true
	}
	for _, p := range c.Extra {
		if seen[p.Name] {
			return fmt.Errorf("two processes are called %q", p.Name)
		}
		seen[p.Name] = true
	}
	// Others may pass through (Postgres' own user must reach its cluster) but not look.
	for _, sub := range []string{"", "log", "run", "lnd", "holds"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o711); err != nil {
			return fmt.Errorf("the network's folder cannot be made: %w", err)
		}
	}
	return nil
}

// lines lets the halves of a start tell their progress at once.
type lines struct {
	mu sync.Mutex
	to io.Writer // guarded by mu
}

// Write writes a line.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(line)
}

func (c *Config) path(parts ...string) string {
	return filepath.Join(append([]string{c.Dir}, parts...)...)
}

func (c *Config) logPath(name string) string { return c.path("log", name+".log") }

func (c *Config) pidPath(name string) string { return c.path("run", name+".pid") }

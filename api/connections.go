package api

import (
	"net"
	"net/netip"
	"sync"

	"golang.org/x/net/netutil"

	"github.com/holdfast-pay/holdfast/api/limit"
)

// boundedListener bounds a listener's connections: all of them, of which more wait, and those of one client, of which more are closed
// at once. So one client alone cannot make others wait.
func (s *Server) boundedListener(listener net.Listener, all int) net.Listener {
	perClient := min(s.cfg.Limits.PeerConnections, max(1, all/2))
	fair := &fairListener{
		Listener: listener, most: perClient, exempt: s.trusted, open: map[string]int{},
		refused: func() { s.cfg.Counts.RateLimited("connections", "address") },
	}
	return netutil.LimitListener(fair, all)
}

// fairListener closes connections of clients that have too many. Proxies of ours are exempt: they stand for many clients.
type fairListener struct {
	net.Listener
	most    int
	exempt  func(netip.Addr) bool
	refused func()

	mu   sync.Mutex
	open map[string]int // by client; without an entry there is none
}

// Accept answers the next connection that may stay.
func (l *fairListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client, exempt := l.clientOf(conn.RemoteAddr())
		if exempt {
			return conn, nil
		}
		if l.take(client) {
			return &fairConn{Conn: conn, release: sync.OnceFunc(func() { l.giveBack(client) })}, nil
		}
		_ = conn.Close() // it was not asked for anything
		l.refused()
	}
}

func (l *fairListener) clientOf(peer net.Addr) (client string, exempt bool) {
	at, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return "unknown", false
	}
	address := at.Addr().Unmap()
	return limit.ClientOf(address), l.exempt(address)
}

func (l *fairListener) take(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client] >= l.most {
		return false
	}
	l.open[client]++
	return true
}

func (l *fairListener) giveBack(client string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[client]--; l.open[client] == 0 {
		delete(l.open, client)
	}
}

// fairConn is a connection that is counted until it is closed.
type fairConn struct {
	net.Conn
	release func()
}

// Close may be called more than once.
func (c *fairConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}

package api

import (
	"net"
	"net/netip"
	"sync"
)

// fairListener closes the connections of an address that has enough of them, so that one client cannot take them all. The
// networks of trusted proxies speak for many and are not counted.
type fairListener struct {
	net.Listener
	most    int
	proxies []netip.Prefix

	mu   sync.Mutex
	open map[netip.Addr]int // an entry only while there are connections
}

func newFairListener(l net.Listener, most int, proxies []netip.Prefix) *fairListener {
	return &fairListener{Listener: l, most: most, proxies: proxies, open: map[netip.Addr]int{}}
}

// Accept gives the next connection of an address that may have it.
func (l *fairListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, counted := l.peer(conn)
		if !counted {
			return conn, nil
		}
		if l.enter(peer) {
			return &fairConn{Conn: conn, leave: func() { l.leave(peer) }}, nil
		}
		_ = conn.Close() // it is refused
	}
}

func (l *fairListener) peer(conn net.Conn) (peer netip.Addr, counted bool) {
	from, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}, false // no address of the internet
	}
	peer = from.Addr().Unmap()
	for _, proxy := range l.proxies {
		if proxy.Contains(peer) {
			return netip.Addr{}, false
		}
	}
	return peer, true
}

func (l *fairListener) enter(peer netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[peer] >= l.most {
		return false
	}
	l.open[peer]++
	return true
}

func (l *fairListener) leave(peer netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[peer]--; l.open[peer] <= 0 {
		delete(l.open, peer)
	}
}

// fairConn makes room when it is closed, once.
type fairConn struct {
	net.Conn
	once  sync.Once
	leave func()
}

// Close closes the connection.
func (c *fairConn) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}

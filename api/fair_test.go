package api

import (
	"net"
	"net/netip"
	"testing"
)

// One address gets so many connections and no more; what it closes it may open again; a proxy's are not counted.
func TestOneAddressCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		proxies []netip.Prefix
		third   bool // gets through while two are open
	}{
		"a client": {nil, false},
		"a proxy":  {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := newFairListener(inner, 2, c.proxies)
			accepted := make(chan net.Conn)
			go func() {
				defer close(accepted)
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					accepted <- conn
				}
			}()
			t.Cleanup(func() { _ = inner.Close() })
			dial := func() net.Conn {
				t.Helper()
				conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				return conn
			}
			dial()
			dial()
			first := <-accepted
			<-accepted
			third := dial()
			if c.third {
				<-accepted
				return
			}
			if _, err := third.Read(make([]byte, 1)); err == nil { // closed by the listener
				t.Fatal("a third connection was let in")
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			dial()
			<-accepted
		})
	}
}

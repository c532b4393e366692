package graphqlapi

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
)

// statements counts what a ledger executes: it stands between it and Postgres.
type statements struct{ n atomic.Int64 }

// counting is the house's door over a ledger whose statements are counted.
func (h *house) counting(t *testing.T) (string, *statements) {
	t.Helper()
	books, err := url.Parse(h.books)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	counted, server := &statements{}, books.Host
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go counted.between(from, server)
		}
	}()
	books.Host = listener.Addr().String()
	watched, err := ledger.Open(t.Context(), books.String(), ledger.WithMaxConns(2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(watched.Close)
	cfg := h.config
	cfg.Ledger = watched
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	return address, counted
}

// between hands on what the two say, message by message one way: after the first, each has a letter and a length.
func (s *statements) between(from net.Conn, server string) {
	defer from.Close()
	to, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer to.Close()
	go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
	head := make([]byte, 5)
	for first := true; ; first = false {
		letter := head[:1]
		if first {
			letter = nil
		}
		if _, err := io.ReadFull(from, letter); err != nil {
			return
		}
		if _, err := io.ReadFull(from, head[1:]); err != nil {
			return
		}
		if !first && (head[0] == 'E' || head[0] == 'Q') {
			s.n.Add(1)
		}
		if _, err := to.Write(append(append([]byte{}, letter...), head[1:]...)); err != nil {
			return
		}
		if _, err := io.CopyN(to, from, int64(binary.BigEndian.Uint32(head[1:]))-4); err != nil {
			return
		}
	}
}

// One operation reads each thing once, however many aliases and keys there are.
func TestAliasesReadOnce(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1_000)
	for range 8 {
		o.key("READ", map[string]any{"DAILY": 7})
	}
	_, id := o.key("WRITE", nil)
	address, counted := h.counting(t)
	o.house = &house{address: address}
	wallet := o.wallet.ID.String()
	for name, c := range map[string]struct {
		query string
		most  int64
	}{
		"budgets of keys": {`{ me { ` + aliases(`apiKeys { limits { dailyLimitSats dailySpentSats } }`, 20) + ` } }`, 3},
		"wallets and what hangs on them": {`{ me { ` + aliases(`defaultAccount { wallets { id balance } defaultWallet { id } callbackEndpoints { url }
			walletById(walletId: "`+wallet+`") { balance } }`, 20) + ` contacts { id } again: contacts { id } } }`, 5},
		"histories":       {`{ me { defaultAccount { wallets { ` + aliases(`transactions(first: 1) { nodes { id } }`, 10) + ` } } } }`, 40},
		"a mutation's":    {`mutation { apiKeySetLimit(input: {id: "` + id + `", limitTimeWindow: DAILY, limitSats: 5}) { apiKey { ` + aliases("limits { dailyLimitSats }", 50) + ` } } }`, 6},
		"pending amounts": {`{ me { defaultAccount { ` + aliases(`walletById(walletId: "`+wallet+`") { pendingIncomingBalance }`, 30) + ` } } }`, 4},
	} {
		before := counted.n.Load()
		a := o.ask(c.query, nil)
		if got := counted.n.Load() - before; got == 0 || got > c.most {
			t.Errorf("%s: %d statements, want at most %d", name, got, c.most)
		}
		if name == "budgets of keys" && (strings.Count(a.raw, `"dailyLimitSats":"7"`)+strings.Count(a.raw, `"dailyLimitSats":7`) != 8*20) {
			t.Errorf("got %.500s", a.raw)
		}
	}
}

// A second mutation of one operation sees what the first has changed.
func TestMutationsDoNotRememberOneAnother(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1_000)
	_, id := o.key("WRITE", nil)
	set := func(sat string) string {
		return `apiKeySetLimit(input: {id: "` + id + `", limitTimeWindow: DAILY, limitSats: ` + sat + `}) { apiKey { limits { dailyLimitSats } } }`
	}
	a := o.ask(`mutation { a: `+set("5")+` b: `+set("6")+` }`, nil)
	a.want("a.apiKey.limits.dailyLimitSats", "5")
	a.want("b.apiKey.limits.dailyLimitSats", "6")
}

// A query has a deadline.
func TestQueriesEnd(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Limits.QueryTime = time.Nanosecond
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1)
	o.house = &house{address: address}
	if a := o.send(`{ me { id } }`, nil); len(a.Errors) != 1 || !strings.Contains(a.raw, "too long") {
		t.Errorf("got %q", a.raw)
	}
	o.ask(`mutation { accountUpdateDisplayCurrency(input: {currency: "USD"}) { errors { message } account { wallets { balance } } } }`, nil)
}

func TestOnceIsOnce(t *testing.T) {
	t.Parallel()
	reads := 0
	read := func() (int, error) { reads++; return reads, nil }
	ctx := remembering(t.Context())
	for range 3 {
		if got, err := once(ctx, "a", read); got != 1 || err != nil {
			t.Errorf("got %d, %v", got, err)
		}
	}
	if got, _ := once(context.Background(), "a", read); got != 2 {
		t.Errorf("without readings: %d", got)
	}
}

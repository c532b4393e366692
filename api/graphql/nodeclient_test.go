package graphqlapi

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/nodetest"
)

// Clients that nobody here wrote.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	h := home(t)
	payer := h.funded(t, 50_000)
	key, _ := payer.key("WRITE", nil)
	nodetest.Run(t, "nodeclient", "client.mjs", "ADDRESS="+h.address, fmt.Sprintf("PHONE=+1650%07d", uuid.New().ID()%10_000_000),
		"PAYER_KEY="+key.header.Get("X-Api-Key"), "PAYER_WALLET="+payer.wallet.ID.String())
	if payer.balance() != 34_000 { // 20,000 out, 4,000 back
		t.Errorf("the payer has %d sat", payer.balance())
	}
}

// Invariant 11, seen by the client that browsers use: it comes again by itself.
func TestNodeClientComesAgain(t *testing.T) {
	t.Parallel()
	h := home(t)
	o := h.funded(t, 1)
	key, _ := o.key("READ", nil)
	heard := &nth{text: "could not be checked", n: 3, reached: make(chan struct{})}
	_, _, address, wire := h.far(t, func(cfg *Config) { cfg.Log = slog.New(slog.NewTextHandler(heard, nil)) })
	wire.cut()
	mended := make(chan struct{})
	go func() {
		defer close(mended)
		select {
		case <-heard.reached:
		case <-time.After(time.Minute): // node starts first; without its three tries it will say what it missed
		}
		wire.mend()
	}()
	nodetest.Run(t, "nodeclient", "retry.mjs", "ADDRESS="+address, "KEY="+key.header.Get("X-Api-Key"), "ACCOUNT="+o.wallet.AccountID.String())
	<-mended
}

// nth is a log that tells when a text has come for the nth time.
type nth struct {
	text    string
	reached chan struct{}

	mu sync.Mutex
	n  int
}

// Write takes one line.
func (l *nth) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(string(line), l.text) {
		if l.n--; l.n == 0 {
			close(l.reached)
		}
	}
	return len(line), nil
}

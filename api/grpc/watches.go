package grpcapi

import (
	"context"
	"sync"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// Watches of health that are open at once: they need no token and last as long as a stream may.
const (
	maxWatches          = 1024
	maxWatchesPerClient = 32 // of one address: a balancer has one per connection
)

// watches counts those of callers without a token. The zero value has none.
type watches struct {
	mu   sync.Mutex
	all  int
	open map[string]int // by client's address; without an entry there is none
}

// take admits one more; the caller gives it back.
func (w *watches) take(client string) (giveBack func(), ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all >= maxWatches || w.open[client] >= maxWatchesPerClient {
		return nil, false
	}
	if w.open == nil {
		w.open = map[string]int{}
	}
	w.all++
	w.open[client]++
	return sync.OnceFunc(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.all--
		if w.open[client]--; w.open[client] == 0 {
			delete(w.open, client)
		}
	}), true
}

// watching counts a watch of health until it ends. Whoever shows the server's token is not counted.
func (g *gate) watching(ctx context.Context, method string) (end func(), err error) {
	if method != healthv1.Health_Watch_FullMethodName || g.cfg.Token != "" && g.showsToken(ctx) {
		return func() {}, nil
	}
	end, ok := g.watches.take(clientAddress(ctx))
	if !ok {
		return nil, status.Error(codes.ResourceExhausted, "Too many watches of health without the server's token. Use Check, or end some.")
	}
	return end, nil
}

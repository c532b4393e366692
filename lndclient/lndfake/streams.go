package lndfake

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/holdfast-pay/holdfast/lndclient"
)

type streamKind int

const (
	paymentStream streamKind = iota
	invoiceStream
	transactionStream
	blockStream
)

// stream is one subscriber's queue. It never drops an event.
type stream struct {
	kind streamKind

	mu     sync.Mutex
	queue  []any
	broken bool
	wake   chan struct{} // holds one token while there is news
}

func (s *stream) push(event any) {
	s.mu.Lock()
	s.queue = append(s.queue, event)
	s.mu.Unlock()
	s.signal()
}

func (s *stream) cut() {
	s.mu.Lock()
	s.broken = true
	s.mu.Unlock()
	s.signal()
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next waits for an event, the end of ctx, or the stream's.
func (s *stream) next(ctx context.Context, call Call) (any, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			event := s.queue[0]
			s.queue = s.queue[1:]
			s.mu.Unlock()
			return event, nil
		}
		broken := s.broken
		s.mu.Unlock()
		if broken {
			return nil, failure(call, lndclient.KindUnavailable, "the stream broke")
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, &lndclient.Error{Kind: lndclient.KindUnknown, Call: string(call), Cause: ctx.Err()}
		}
	}
}

func (n *Node) subscribe(kind streamKind) *stream {
	s := &stream{kind: kind, wake: make(chan struct{}, 1)}
	n.streams = append(n.streams, s)
	return s
}

func (n *Node) unsubscribe(s *stream) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.streams = slices.DeleteFunc(n.streams, func(other *stream) bool { return other == s })
}

func (n *Node) breakStreams() {
	for _, s := range n.streams {
		s.cut()
	}
	n.streams = nil
}

func (n *Node) announce(kind streamKind, event any) {
	for _, s := range n.streams {
		if s.kind == kind {
			s.push(event)
		}
	}
}

func (n *Node) announcePayment(p *outgoing) { n.announce(paymentStream, p.record) }

func (n *Node) announceInvoice(i *incoming) { n.announce(invoiceStream, i.record) }

// WatchPayments delivers what is in flight, then each change from now on.
func (n *Node) WatchPayments(ctx context.Context, ready func(), seen func(lndclient.Payment) error) error {
	inFlight := func() []lndclient.Payment {
		var list []lndclient.Payment
		for _, p := range n.payments {
			if !p.record.Terminal() {
				list = append(list, p.record)
			}
		}
		slices.SortFunc(list, func(a, b lndclient.Payment) int { return cmp.Compare(a.Index, b.Index) })
		return list
	}
	return watch(ctx, n, WatchPayments, paymentStream, inFlight, ready, seen)
}

// WatchInvoices delivers settled invoices after the index, old ones first.
func (n *Node) WatchInvoices(ctx context.Context, settleIndex uint64, ready func(), seen func(lndclient.Invoice) error) error {
	backlog := func() []lndclient.Invoice {
		var settled []lndclient.Invoice
		for _, invoice := range n.invoices {
			if invoice.record.SettleIndex > settleIndex {
				settled = append(settled, invoice.record)
			}
		}
		slices.SortFunc(settled, func(a, b lndclient.Invoice) int { return cmp.Compare(a.SettleIndex, b.SettleIndex) })
		return settled
	}
	return watch(ctx, n, WatchInvoices, invoiceStream, backlog, ready, seen)
}

// WatchTransactions delivers each change of a wallet transaction from now on.
func (n *Node) WatchTransactions(ctx context.Context, ready func(), seen func(lndclient.Transaction) error) error {
	return watch(ctx, n, WatchTransactions, transactionStream, nil, ready, seen)
}

// WatchBlocks delivers the present height and each new one.
func (n *Node) WatchBlocks(ctx context.Context, seen func(height int32) error) error {
	present := func() []int32 { return []int32{n.network.chain.height} }
	return watch(ctx, n, WatchBlocks, blockStream, present, nil, seen)
}

// watch subscribes and takes the backlog in one step, so that nothing falls between.
func watch[T any](ctx context.Context, n *Node, call Call, kind streamKind, backlog func() []T, ready func(), seen func(T) error) error {
	var events *stream
	err := n.do(ctx, call, func() error {
		events = n.subscribe(kind)
		if backlog != nil {
			for _, old := range backlog() {
				events.push(old)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer n.unsubscribe(events)
	if ready != nil {
		ready()
	}
	for {
		event, err := events.next(ctx, call)
		if err != nil {
			return err
		}
		if err := seen(event.(T)); err != nil {
			return err
		}
	}
}

package conformance

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/btcsuite/btcd/wire"

	"github.com/holdfast-pay/holdfast/lndclient"
)

func checkWatch(t *testing.T, w World) {
	t.Run("payments", func(t *testing.T) { watchPayments(t, w) })
	t.Run("invoices, resumed by settle index", func(t *testing.T) { watchInvoices(t, w) })
	t.Run("transactions", func(t *testing.T) { watchTransactions(t, w) })
	t.Run("blocks", func(t *testing.T) { watchBlocks(t, w) })
	t.Run("the error of seen comes back", func(t *testing.T) {
		mine := errors.New("mine")
		err := w.Node().WatchBlocks(t.Context(), func(int32) error { return mine })
		if !errors.Is(err, mine) {
			t.Errorf("got %v", err)
		}
	})
}

// subscription runs one Watch call in the background.
type subscription[T any] struct {
	events chan T
	ended  chan error
	cancel context.CancelFunc
}

// watch starts a Watch call and waits until it is ready.
func watch[T any](t *testing.T, call func(ctx context.Context, ready func(), seen func(T) error) error) *subscription[T] {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s := &subscription[T]{events: make(chan T, 1000), ended: make(chan error, 1), cancel: cancel}
	ready := make(chan struct{})
	go func() {
		s.ended <- call(ctx, func() { close(ready) }, func(event T) error {
			s.events <- event
			return nil
		})
	}()
	select {
	case <-ready:
	case err := <-s.ended:
		cancel()
		t.Fatalf("the stream ended before it was ready: %v", err)
	case <-time.After(patience):
		cancel()
		t.Fatal("the stream never became ready")
	}
	return s
}

// until waits for an event that fits.
func (s *subscription[T]) until(t *testing.T, what string, fits func(T) bool) T {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case event := <-s.events:
			if fits(event) {
				return event
			}
		case err := <-s.ended:
			t.Fatalf("the stream ended before %s: %v", what, err)
		case <-deadline:
			t.Fatalf("never seen: %s", what)
		}
	}
}

// stop ends the stream and checks that it says why.
func (s *subscription[T]) stop(t *testing.T) {
	t.Helper()
	s.cancel()
	select {
	case err := <-s.ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a canceled stream ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("a canceled stream did not end")
	}
}

// broken waits for the stream's end and checks that it is silence, not an answer.
func (s *subscription[T]) broken(t *testing.T) {
	t.Helper()
	defer s.cancel()
	select {
	case err := <-s.ended:
		if !errors.Is(err, lndclient.ErrUnavailable) && !errors.Is(err, lndclient.ErrUnknown) {
			t.Errorf("a broken stream ended with %v", err)
		}
	case <-time.After(patience):
		t.Error("a broken stream did not end")
	}
}

func watchPayments(t *testing.T, w World) {
	node, invoice := w.Node(), decode(t, w.PeerHold(t, 1100))
	stream := watch(t, node.WatchPayments)
	defer stream.stop(t)
	mustSend(t, node, invoice.Request)
	stream.until(t, "the HTLC", func(p lndclient.Payment) bool { return p.Hash == invoice.Hash && p.HTLCs > 0 })

	// One that subscribes later gets what is in flight first.
	late := watch(t, node.WatchPayments)
	defer late.stop(t)
	late.until(t, "the payment in flight", func(p lndclient.Payment) bool {
		return p.Hash == invoice.Hash && p.Status == lndclient.InFlight
	})
	w.PeerSettle(t, invoice.Hash)
	for _, s := range []*subscription[lndclient.Payment]{stream, late} {
		s.until(t, "the success", func(p lndclient.Payment) bool {
			return p.Hash == invoice.Hash && p.Status == lndclient.Succeeded
		})
	}
}

func watchInvoices(t *testing.T, w World) {
	node := w.Node()
	from := func(index uint64) *subscription[lndclient.Invoice] {
		return watch(t, func(ctx context.Context, ready func(), seen func(lndclient.Invoice) error) error {
			return node.WatchInvoices(ctx, index, ready, seen)
		})
	}
	pay := func() lndclient.Invoice {
		added := addInvoice(t, node, lndclient.AddInvoice{Amount: 1_000_000, Expiry: time.Hour})
		w.PeerPays(t, added.Request)
		return invoiceIn(t, node, added.Hash, lndclient.InvoiceSettled)
	}
	first := pay() // before anybody listens
	all := from(0)
	defer all.stop(t)
	last := uint64(0)
	all.until(t, "the invoice paid before", func(i lndclient.Invoice) bool {
		if i.SettleIndex <= last {
			t.Errorf("settle index %d after %d", i.SettleIndex, last)
		}
		last = i.SettleIndex
		return i.Hash == first.Hash
	})
	second := pay()
	live := all.until(t, "the invoice paid now", func(i lndclient.Invoice) bool { return i.Hash == second.Hash })
	if live.State != lndclient.InvoiceSettled || live.SettleIndex != second.SettleIndex || live.Received != 1_000_000 {
		t.Errorf("live: %+v", live)
	}
	resumed := from(first.SettleIndex)
	defer resumed.stop(t)
	resumed.until(t, "what came after the index, first", func(i lndclient.Invoice) bool {
		if i.SettleIndex <= first.SettleIndex {
			t.Errorf("settle index %d again, resumed after %d", i.SettleIndex, first.SettleIndex)
		}
		return i.Hash == second.Hash
	})
}

func watchTransactions(t *testing.T, w World) {
	node := w.Node()
	stream := watch(t, node.WatchTransactions)
	defer stream.stop(t)
	address, err := node.NewAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	txid := w.Deposit(t, address, 21_000)
	stream.until(t, "the deposit", func(tx lndclient.Transaction) bool { return tx.TxID == txid && tx.Confirmations == 0 })
	w.Mine(t, 1)
	stream.until(t, "its block", func(tx lndclient.Transaction) bool { return tx.TxID == txid && tx.Confirmations > 0 })
}

func watchBlocks(t *testing.T, w World) {
	node := w.Node()
	info, err := node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan struct{})
	stream := watch(t, func(ctx context.Context, ready func(), seen func(int32) error) error {
		begun := false
		return node.WatchBlocks(ctx, func(height int32) error {
			if !begun {
				begun = true
				ready() // the present height proves the subscription
				close(first)
			}
			return seen(height)
		})
	})
	defer stream.stop(t)
	<-first
	stream.until(t, "the present height", func(height int32) bool { return height == info.BlockHeight })
	w.Mine(t, 2)
	stream.until(t, "two more", func(height int32) bool { return height == info.BlockHeight+2 })
}

// shared reports whether two transactions spend a common output.
func shared(t *testing.T, a, b []byte) bool {
	t.Helper()
	var txA, txB wire.MsgTx
	if err := txA.Deserialize(bytes.NewReader(a)); err != nil {
		t.Fatal(err)
	}
	if err := txB.Deserialize(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	for _, in := range txA.TxIn {
		for _, other := range txB.TxIn {
			if in.PreviousOutPoint == other.PreviousOutPoint {
				return true
			}
		}
	}
	return false
}

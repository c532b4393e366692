package conformance

import (
	"context"
	"errors"
	"testing"

	"github.com/holdfast-pay/holdfast/lndclient"
)

// checkRestart: a node that goes away, one way or the other, answers silence, and the same Node works again when it
// is back.
func checkRestart(t *testing.T, w World) {
	t.Run("stopped", func(t *testing.T) { restart(t, w, w.Stop) })
	t.Run("killed", func(t *testing.T) { restart(t, w, w.Kill) })
}

func restart(t *testing.T, w World, end func(t *testing.T)) {
	node := w.Node()
	invoice, unsent := decode(t, w.PeerHold(t, 5000)), decode(t, w.PeerInvoice(t, 1000))
	mustSend(t, node, invoice.Request)
	held(t, node, invoice.Hash)
	w.PeerHolds(t, invoice.Hash)

	payments := watch(t, node.WatchPayments)
	invoices := watch(t, func(ctx context.Context, ready func(), seen func(lndclient.Invoice) error) error {
		return node.WatchInvoices(ctx, 0, ready, seen)
	})
	type followed struct {
		last lndclient.Payment
		err  error
	}
	following := make(chan followed, 1)
	go func() {
		last, err := node.FollowPayment(t.Context(), invoice.Hash)
		following <- followed{last, err}
	}()
	end(t)
	payments.broken(t)
	invoices.broken(t)
	// The stream of one payment breaks as well: the last word is in flight, and the error is silence.
	cut := <-following
	if cut.last.Terminal() || cut.err == nil {
		t.Errorf("follow over the end of the node: %+v, %v", cut.last, cut.err)
	}
	// The first call may still meet the dying connection; after that there is none.
	eventually(t, "Unavailable", func() (bool, error) {
		_, err := node.LookupPayment(t.Context(), invoice.Hash)
		if !errors.Is(err, lndclient.ErrUnavailable) && !errors.Is(err, lndclient.ErrUnknown) {
			t.Fatalf("a node that is away answered %v", err)
		}
		return errors.Is(err, lndclient.ErrUnavailable), err
	})
	_, err := send(t, node, unsent.Request)
	wantKind(t, "send to a node that is away", err, lndclient.ErrUnavailable, "")

	w.Start(t)
	eventually(t, "an answer after the restart", func() (bool, error) {
		_, err := node.Info(t.Context())
		return err == nil, err
	})
	if _, err := node.LookupPayment(t.Context(), unsent.Hash); !errors.Is(err, lndclient.ErrNotFound) {
		t.Errorf("what was sent to a node that was away: %v", err)
	}
	seen, err := node.LookupPayment(t.Context(), invoice.Hash)
	if err != nil || seen.Status != lndclient.InFlight || seen.HTLCs == 0 {
		t.Errorf("held over the restart: %+v, %v", seen, err)
	}
	w.PeerSettle(t, invoice.Hash)
	if ended := finish(t, node, invoice.Hash); ended.Status != lndclient.Succeeded {
		t.Errorf("settled after the restart: %+v", ended)
	}
	again := watch(t, node.WatchPayments)
	again.stop(t)
}

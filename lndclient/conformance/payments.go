package conformance

import (
	"context"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

func checkPayments(t *testing.T, w World) {
	t.Run("settles", func(t *testing.T) { sendSettles(t, w) })
	t.Run("held then settled", func(t *testing.T) { sendHeldThenSettled(t, w) })
	t.Run("held then canceled, then retried", func(t *testing.T) { sendHeldThenCanceled(t, w) })
	t.Run("amount chosen by the payer", func(t *testing.T) { sendChosenAmount(t, w) })
	t.Run("list by index", func(t *testing.T) { listByIndex(t, w) })
}

func sendSettles(t *testing.T, w World) {
	node, invoice := w.Node(), decode(t, w.PeerInvoice(t, 1000))
	before := time.Now()
	first := mustSend(t, node, invoice.Request)
	if first.Hash != invoice.Hash || first.Status != lndclient.InFlight || first.Index == 0 || first.Amount != 1_000_000 {
		t.Errorf("first word: %+v", first)
	}
	ended := finish(t, node, invoice.Hash)
	if ended.Status != lndclient.Succeeded || payment.Hash(sha256.Sum256(ended.Preimage[:])) != invoice.Hash {
		t.Errorf("end: %+v", ended)
	}
	if ended.Index != first.Index || ended.Amount != 1_000_000 || ended.HTLCs != 0 || ended.Expiry != 0 || ended.Failure != "" {
		t.Errorf("end: %+v", ended)
	}
	if ended.CreatedAt.Before(before.Add(-time.Minute)) || ended.CreatedAt.After(time.Now().Add(time.Minute)) {
		t.Errorf("created at %v, sent at %v", ended.CreatedAt, before)
	}
	_, err := send(t, node, invoice.Request)
	wantKind(t, "send what is paid", err, lndclient.ErrAlreadyExists, "")
}

func sendHeldThenSettled(t *testing.T, w World) {
	node, invoice := w.Node(), decode(t, w.PeerHold(t, 2000))
	mustSend(t, node, invoice.Request)
	seen := held(t, node, invoice.Hash)
	w.PeerHolds(t, invoice.Hash)
	info, err := node.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if seen.Expiry <= uint32(info.BlockHeight) || seen.Terminal() { //nolint:gosec // a block height
		t.Errorf("held: %+v at height %d", seen, info.BlockHeight)
	}
	_, err = send(t, node, invoice.Request)
	wantKind(t, "send what is in flight", err, lndclient.ErrAlreadyExists, "")
	balance, err := node.Balance(t.Context())
	if err != nil || balance.HTLCsOut < 2_000_000 {
		t.Errorf("HTLCs out: %+v, %v", balance, err)
	}
	if places, err := node.LocateHTLCs(t.Context(), invoice.Hash); err != nil || places.OnChannels != 1 || places.Closing != 0 {
		t.Errorf("the HTLC's place: %+v, %v", places, err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	followed, err := node.FollowPayment(ctx, invoice.Hash)
	if err != nil || followed.Status != lndclient.InFlight || followed.HTLCs == 0 {
		t.Errorf("follow until ctx ends: %+v, %v", followed, err)
	}
	w.PeerSettle(t, invoice.Hash)
	if ended := finish(t, node, invoice.Hash); ended.Status != lndclient.Succeeded || ended.HTLCs != 0 || ended.Expiry != 0 {
		t.Errorf("settled: %+v", ended)
	}
	eventually(t, "the HTLC to leave the channel", func() (bool, error) {
		places, err := node.LocateHTLCs(t.Context(), invoice.Hash)
		return err == nil && places == lndclient.HTLCPlaces{}, err
	})
}

func sendHeldThenCanceled(t *testing.T, w World) {
	node, invoice := w.Node(), decode(t, w.PeerHold(t, 3000))
	first := mustSend(t, node, invoice.Request)
	held(t, node, invoice.Hash)
	w.PeerCancel(t, invoice.Hash)
	ended := finish(t, node, invoice.Hash)
	if ended.Status != lndclient.Failed || ended.Failure != payment.ReasonRejected || ended.HTLCs != 0 || ended.Fee != 0 {
		t.Errorf("canceled: %+v", ended)
	}
	// A failed hash can be paid again: LND registers a new payment under it.
	second := mustSend(t, node, invoice.Request)
	if second.Index <= first.Index || second.CreatedAt.Before(first.CreatedAt) {
		t.Errorf("retry: first %+v, second %+v", first, second)
	}
	again := finish(t, node, invoice.Hash)
	if again.Index != second.Index || again.Failure != payment.ReasonRejected {
		t.Errorf("retry of a canceled invoice: %+v", again)
	}
	list, err := node.ListPayments(t.Context(), first.Index-1, 100)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, listed := range list {
		if listed.Hash == invoice.Hash {
			found++
		}
	}
	if found != 1 {
		t.Errorf("the hash is listed %d times, want once", found)
	}
}

func sendChosenAmount(t *testing.T, w World) {
	node, invoice := w.Node(), decode(t, w.PeerInvoice(t, 0))
	sent, err := node.SendPayment(t.Context(), lndclient.SendPayment{
		Invoice: invoice.Request, Amount: 1_234_000, FeeLimit: 100_000, PathfindingTimeout: 20 * time.Second,
	})
	if err != nil || sent.Amount != 1_234_000 {
		t.Fatalf("send: %+v, %v", sent, err)
	}
	if ended := finish(t, node, invoice.Hash); ended.Status != lndclient.Succeeded || ended.Amount != 1_234_000 {
		t.Errorf("end: %+v", ended)
	}
}

func listByIndex(t *testing.T, w World) {
	node := w.Node()
	var sent []lndclient.Payment
	for range 3 {
		invoice := decode(t, w.PeerInvoice(t, 100))
		sent = append(sent, mustSend(t, node, invoice.Request))
		finish(t, node, invoice.Hash)
	}
	list, err := node.ListPayments(t.Context(), sent[0].Index, 1)
	if err != nil || len(list) != 1 || list[0].Hash != sent[1].Hash {
		t.Errorf("one after %d: %+v, %v", sent[0].Index, list, err)
	}
	list, err = node.ListPayments(t.Context(), sent[0].Index, 100)
	if err != nil || len(list) != 2 || list[0].Index != sent[1].Index || list[1].Index != sent[2].Index {
		t.Errorf("all after %d: %+v, %v", sent[0].Index, list, err)
	}
	list, err = node.ListPayments(t.Context(), sent[2].Index, 100)
	if err != nil || len(list) != 0 {
		t.Errorf("nothing after the last: %+v, %v", list, err)
	}
}

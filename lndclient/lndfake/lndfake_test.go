package lndfake_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func pair(t *testing.T) (*lndfake.Network, *lndfake.Node, *lndfake.Node) {
	t.Helper()
	network := lndfake.New()
	return network, network.AddNode("bank"), network.AddNode("peer")
}

func send(invoice lndfake.MadeInvoice) lndclient.SendPayment {
	return lndclient.SendPayment{Invoice: invoice.Request, FeeLimit: 10_000, PathfindingTimeout: 10 * time.Second}
}

// Invariant 3: a lost answer leaves the payment in place; a fault before the effect leaves nothing.
func TestFaultsBeforeAndAfterTheEffect(t *testing.T) {
	t.Parallel()
	_, bank, peer := pair(t)
	invoice := peer.MakeInvoice(1000)

	bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindUnavailable)
	if _, err := bank.SendPayment(t.Context(), send(invoice)); !errors.Is(err, lndclient.ErrUnavailable) {
		t.Fatalf("before the effect: %v", err)
	}
	if _, err := bank.LookupPayment(t.Context(), invoice.Hash); !errors.Is(err, lndclient.ErrNotFound) {
		t.Fatalf("a fault before the effect left a trace: %v", err)
	}
	bank.Fail(lndfake.SendPayment, lndfake.AfterEffect, lndclient.KindUnknown)
	if _, err := bank.SendPayment(t.Context(), send(invoice)); !errors.Is(err, lndclient.ErrUnknown) {
		t.Fatalf("after the effect: %v", err)
	}
	got, err := bank.LookupPayment(t.Context(), invoice.Hash)
	if err != nil || got.Status != lndclient.Succeeded || got.Preimage != invoice.Preimage {
		t.Fatalf("a lost answer undid the payment: %+v, %v", got, err)
	}
	if calls := bank.Calls(lndfake.SendPayment); calls != 2 {
		t.Fatalf("counted %d sends, want 2", calls)
	}
}

// Invariant 1: plans are used up one per attempt, and a retried hash gets a new index.
func TestPlansAndRetry(t *testing.T) {
	t.Parallel()
	_, bank, peer := pair(t)
	invoice := peer.MakeInvoice(1000)
	bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonTimeout))
	first, err := bank.SendPayment(t.Context(), send(invoice))
	if err != nil || first.Status != lndclient.InFlight {
		t.Fatalf("first: %+v, %v", first, err)
	}
	if got, _ := bank.LookupPayment(t.Context(), invoice.Hash); got.Status != lndclient.Failed || got.Failure != payment.ReasonTimeout {
		t.Fatalf("planned failure: %+v", got)
	}
	second, err := bank.SendPayment(t.Context(), send(invoice))
	if err != nil || second.Index <= first.Index {
		t.Fatalf("second: %+v, %v", second, err)
	}
	if _, err := bank.SendPayment(t.Context(), send(invoice)); !errors.Is(err, lndclient.ErrAlreadyExists) {
		t.Fatalf("third: %v", err)
	}
	list, err := bank.ListPayments(t.Context(), 0, 10)
	if err != nil || len(list) != 1 || list[0].Index != second.Index {
		t.Fatalf("list: %+v, %v", list, err)
	}
}

// A gate holds one call until it is released; the node can go down meanwhile.
func TestGateAndDown(t *testing.T) {
	t.Parallel()
	_, bank, peer := pair(t)
	invoice := peer.MakeHold(1000)
	gate := bank.Block(lndfake.SendPayment, lndfake.BeforeEffect)
	done := make(chan error, 1)
	go func() {
		_, err := bank.SendPayment(t.Context(), send(invoice))
		done <- err
	}()
	<-gate.Reached()
	bank.Down()
	gate.Release()
	if err := <-done; !errors.Is(err, lndclient.ErrUnavailable) {
		t.Fatalf("a call that reached a dead node: %v", err)
	}
	bank.Up()
	if _, err := bank.SendPayment(t.Context(), send(invoice)); err != nil {
		t.Fatal(err)
	}
	if balance, _ := bank.Balance(t.Context()); balance.HTLCsOut != 1_001_000 {
		t.Fatalf("HTLCs out: %v", balance.HTLCsOut)
	}
}

// On-chain: drop, conflict, and the death of the loser.
func TestDropAndConflict(t *testing.T) {
	t.Parallel()
	network, bank, _ := pair(t)
	bank.Deposit(100_000)
	funded, err := bank.FundPSBT(t.Context(), lndclient.FundPSBT{
		Address: lndfake.OutsideAddress(), Amount: 20_000, SatPerVByte: 2, LockID: [32]byte{1}, LockFor: time.Hour, MinConfs: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bank.SignPSBT(t.Context(), funded.PSBT)
	if err != nil {
		t.Fatal(err)
	}
	if err := bank.Publish(t.Context(), signed.Raw, "one"); err != nil {
		t.Fatal(err)
	}
	network.Drop(signed.TxID)
	network.Mine(1)
	if tx, err := bank.LookupTransaction(t.Context(), signed.TxID); err != nil || tx.Confirmations != 0 || tx.Fee != funded.Fee {
		t.Fatalf("dropped: %+v, %v", tx, err)
	}
	if err := bank.Publish(t.Context(), signed.Raw, "one"); err != nil || !network.InMempool(signed.TxID) {
		t.Fatalf("published again: %v", err)
	}
	network.Conflict(signed.TxID)
	network.Mine(1)
	if _, err := bank.LookupTransaction(t.Context(), signed.TxID); !errors.Is(err, lndclient.ErrNotFound) {
		t.Fatalf("the loser of a conflict: %v", err)
	}
	if err := bank.Publish(t.Context(), signed.Raw, "one"); lndclient.WhyRefused(err) != payment.ReasonPublishRejected {
		t.Fatalf("publish the loser: %v", err)
	}
}

// A stranded payment stays in flight, whatever the receiver does, and has no HTLC on a channel.
func TestStrand(t *testing.T) {
	t.Parallel()
	_, bank, peer := pair(t)
	invoice := peer.MakeHold(1000)
	if _, err := bank.SendPayment(t.Context(), send(invoice)); err != nil {
		t.Fatal(err)
	}
	bank.Strand(invoice.Hash)
	if err := peer.CancelInvoice(t.Context(), invoice.Hash); err != nil {
		t.Fatal(err)
	}
	seen, err := bank.LookupPayment(t.Context(), invoice.Hash)
	if err != nil || seen.Status != lndclient.InFlight || seen.HTLCs != 1 {
		t.Errorf("stranded: %+v, %v", seen, err)
	}
	if places, err := bank.LocateHTLCs(t.Context(), invoice.Hash); err != nil || places != (lndclient.HTLCPlaces{}) {
		t.Errorf("places: %+v, %v", places, err)
	}
	if _, err := bank.SendPayment(t.Context(), send(invoice)); !errors.Is(err, lndclient.ErrAlreadyExists) {
		t.Errorf("send again: %v", err)
	}
}

package lndfake_test

import (
	"testing"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/conformance"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance.Run(t, newFakeWorld)
}

// fakeWorld is a bank and a peer in memory.
type fakeWorld struct {
	network    *lndfake.Network
	bank, peer *lndfake.Node
	holds      map[payment.Hash][32]byte
}

func newFakeWorld(*testing.T) conformance.World {
	network := lndfake.New()
	w := &fakeWorld{network: network, bank: network.AddNode("bank"), peer: network.AddNode("peer"), holds: map[payment.Hash][32]byte{}}
	for range 3 {
		w.bank.Deposit(1_000_000)
	}
	return w
}

func (w *fakeWorld) Node() lndclient.Node { return w.bank }

func (w *fakeWorld) Mine(_ *testing.T, blocks int) { w.network.Mine(blocks) }

func (w *fakeWorld) PeerInvoice(_ *testing.T, amount payment.Sat) string {
	return w.peer.MakeInvoice(amount).Request
}

func (w *fakeWorld) DearInvoice(_ *testing.T, amount payment.Sat) string {
	return w.peer.MakeInvoice(amount).Request // a fee of 1 sat
}

func (w *fakeWorld) ExpiredInvoice(*testing.T) string { return w.peer.MakeExpired(1000).Request }

func (w *fakeWorld) PeerHold(_ *testing.T, amount payment.Sat) string {
	made := w.peer.MakeHold(amount)
	w.holds[made.Hash] = made.Preimage
	return made.Request
}

func (w *fakeWorld) PeerHolds(t *testing.T, hash payment.Hash) {
	t.Helper()
	if seen, err := w.peer.LookupInvoice(t.Context(), hash); err != nil || seen.State != lndclient.InvoiceAccepted {
		t.Fatalf("the peer's invoice: %+v, %v", seen, err)
	}
}

func (w *fakeWorld) PeerSettle(t *testing.T, hash payment.Hash) {
	t.Helper()
	if err := w.peer.SettleInvoice(t.Context(), w.holds[hash]); err != nil {
		t.Fatal(err)
	}
}

func (w *fakeWorld) PeerCancel(t *testing.T, hash payment.Hash) {
	t.Helper()
	if err := w.peer.CancelInvoice(t.Context(), hash); err != nil {
		t.Fatal(err)
	}
}

func (w *fakeWorld) PeerPays(t *testing.T, request string) {
	t.Helper()
	if _, err := w.peer.SendPayment(t.Context(), lndclient.SendPayment{Invoice: request, FeeLimit: 10_000}); err != nil {
		t.Fatal(err)
	}
}

func (w *fakeWorld) OutsideAddress(*testing.T) string { return lndfake.OutsideAddress() }

func (w *fakeWorld) Deposit(_ *testing.T, address string, amount payment.Sat) string {
	return w.network.SendToAddress(address, amount)
}

func (w *fakeWorld) Stop(*testing.T)  { w.bank.Down() }
func (w *fakeWorld) Kill(*testing.T)  { w.bank.Down() }
func (w *fakeWorld) Start(*testing.T) { w.bank.Up() }

package conformance

import (
	"bytes"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

func checkInvoices(t *testing.T, w World) {
	t.Run("paid", func(t *testing.T) { invoicePaid(t, w) })
	t.Run("canceled", func(t *testing.T) { invoiceCanceled(t, w) })
	t.Run("held", func(t *testing.T) { invoiceHeld(t, w) })
	t.Run("description hash", func(t *testing.T) { invoiceDescribedByHash(t, w) })
}

func addInvoice(t *testing.T, node lndclient.Node, add lndclient.AddInvoice) lndclient.Invoice {
	t.Helper()
	added, err := node.AddInvoice(t.Context(), add)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

func invoiceIn(t *testing.T, node lndclient.Node, hash payment.Hash, state lndclient.InvoiceState) lndclient.Invoice {
	t.Helper()
	var seen lndclient.Invoice
	eventually(t, "an invoice that is "+string(state), func() (bool, error) {
		var err error
		seen, err = node.LookupInvoice(t.Context(), hash)
		return err == nil && seen.State == state, err
	})
	return seen
}

func invoicePaid(t *testing.T, w World) {
	node := w.Node()
	added := addInvoice(t, node, lndclient.AddInvoice{Amount: 1_500_000, Memo: "three coffees", Expiry: 30 * time.Minute})
	decoded := decode(t, added.Request)
	if payment.Hash(sha256.Sum256(added.Preimage[:])) != added.Hash || len(decoded.Secret) != 32 || decoded.DescriptionHash != nil {
		t.Errorf("preimage %x, payment secret %x, description hash %x", added.Preimage, decoded.Secret, decoded.DescriptionHash)
	}
	if decoded.Hash != added.Hash || decoded.Amount != 1_500_000 || decoded.Description != "three coffees" {
		t.Errorf("decoded: %+v", decoded)
	}
	if added.State != lndclient.InvoiceOpen || added.Memo != "three coffees" || added.AddIndex == 0 || added.SettleIndex != 0 ||
		added.ExpiresAt.Sub(added.CreatedAt) != 30*time.Minute || !added.SettledAt.IsZero() {
		t.Errorf("added: %+v", added)
	}
	w.PeerPays(t, added.Request)
	paid := invoiceIn(t, node, added.Hash, lndclient.InvoiceSettled)
	if paid.Received != 1_500_000 || paid.SettleIndex == 0 || paid.SettledAt.IsZero() {
		t.Errorf("paid: %+v", paid)
	}
	wantKind(t, "cancel what is settled", node.CancelInvoice(t.Context(), added.Hash), lndclient.ErrAlreadyExists, "")
}

// invoiceDescribedByHash: the invoice holds the hash instead of the memo, which the node keeps.
func invoiceDescribedByHash(t *testing.T, w World) {
	for name, hold := range map[string]payment.Hash{"plain": {}, "hold": randomHash()} {
		add := lndclient.AddInvoice{Amount: 1_000_000, Memo: "for us", Expiry: time.Hour, Hash: hold, DescriptionHash: sha256.Sum256([]byte("a long story"))}
		added := addInvoice(t, w.Node(), add)
		decoded := decode(t, added.Request)
		if !bytes.Equal(decoded.DescriptionHash, add.DescriptionHash[:]) || decoded.Description != "" || added.Memo != "for us" {
			t.Errorf("%s: added %+v, decoded %+v", name, added, decoded)
		}
	}
}

func invoiceCanceled(t *testing.T, w World) {
	node := w.Node()
	added := addInvoice(t, node, lndclient.AddInvoice{Amount: 1_000_000, Expiry: time.Hour})
	for range 2 {
		if err := node.CancelInvoice(t.Context(), added.Hash); err != nil {
			t.Fatal(err)
		}
	}
	seen := invoiceIn(t, node, added.Hash, lndclient.InvoiceCanceled)
	if seen.Received != 0 || seen.Preimage != added.Preimage { // a proof for who pays it elsewhere
		t.Errorf("canceled: %+v", seen)
	}
}

func invoiceHeld(t *testing.T, w World) {
	node := w.Node()
	preimage := randomHash()
	hash := payment.Hash(sha256.Sum256(preimage[:]))
	add := lndclient.AddInvoice{Amount: 2_000_000, Expiry: time.Hour, Hash: hash}
	added := addInvoice(t, node, add)
	if added.Hash != hash || added.Preimage != ([32]byte{}) {
		t.Fatalf("added: %+v", added)
	}
	_, err := node.AddInvoice(t.Context(), add)
	wantKind(t, "the same hash again", err, lndclient.ErrAlreadyExists, "")
	wantKind(t, "settle before the HTLC", node.SettleInvoice(t.Context(), preimage), lndclient.ErrRefused, "")
	w.PeerPays(t, added.Request)
	if seen := invoiceIn(t, node, hash, lndclient.InvoiceAccepted); seen.Received != 2_000_000 || seen.SettleIndex != 0 {
		t.Errorf("accepted: %+v", seen)
	}
	for range 2 { // settling twice is no error
		if err := node.SettleInvoice(t.Context(), preimage); err != nil {
			t.Fatal(err)
		}
	}
	if settled := invoiceIn(t, node, hash, lndclient.InvoiceSettled); settled.Preimage != [32]byte(preimage) {
		t.Errorf("settled: %+v", settled)
	}

	other := randomHash()
	canceled := addInvoice(t, node, lndclient.AddInvoice{Amount: 1_000_000, Expiry: time.Hour, Hash: sha256.Sum256(other[:])})
	if err := node.CancelInvoice(t.Context(), canceled.Hash); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "settle what is canceled", node.SettleInvoice(t.Context(), other), lndclient.ErrRefused, payment.ReasonInvoiceCanceled)
}

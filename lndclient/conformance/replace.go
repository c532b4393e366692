package conformance

import (
	"slices"
	"testing"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// paid is a transaction of 20,000 sat at 3 sat/vB that waits in the mempool.
type paid struct {
	lndclient.SignedTx
	fee     payment.Sat
	address string
}

func waits(t *testing.T, w World) paid {
	t.Helper()
	address := w.OutsideAddress(t)
	funded := fund(t, w, lockID(), address, 20_000)
	signed := sign(t, w.Node(), funded.PSBT)
	publish(t, w, signed)
	return paid{signed, funded.Fee, address}
}

func publish(t *testing.T, w World, tx lndclient.SignedTx) {
	t.Helper()
	if err := w.Node().Publish(t.Context(), tx.Raw, "holdfast test"); err != nil {
		t.Fatalf("publish: %v", err)
	}
	transaction(t, w.Node(), tx.TxID, 0)
}

// replacement of a transaction, signed.
func replacement(t *testing.T, w World, of paid, raw []byte, rate uint64) (lndclient.Rebuilt, lndclient.SignedTx) {
	t.Helper()
	built, err := lndclient.ReplacementPSBT(t.Context(), w.Node(), lndclient.Replacement{
		Raw: raw, Address: of.address, Amount: 20_000, Network: lndclient.Regtest, SatPerVByte: rate,
	})
	if err != nil {
		t.Fatalf("replacement at %d sat/vB: %v", rate, err)
	}
	signed := sign(t, w.Node(), built.PSBT)
	if signed.TxID == of.TxID || !shared(t, signed.Raw, of.Raw) {
		t.Errorf("%s does not replace %s", signed.TxID, of.TxID)
	}
	return built, signed
}

// replace: twice, each dearer; the receiver's output stays to the sat; what was replaced is gone once the last confirms.
func replace(t *testing.T, w World) {
	node, first := w.Node(), waits(t, w)
	_, err := lndclient.ReplacementPSBT(t.Context(), node, lndclient.Replacement{
		Raw: first.Raw, Address: first.address, Amount: 20_000, Network: lndclient.Regtest, SatPerVByte: 3,
	})
	if !payment.IsReason(err, payment.ReasonInvalidInput) {
		t.Errorf("a replacement at the same rate: %v", err)
	}
	built, second := replacement(t, w, first, first.Raw, 5)
	_, err = node.LookupTransaction(t.Context(), second.TxID)
	wantKind(t, "a replacement that is only signed", err, lndclient.ErrNotFound, "")
	for range 2 {
		publish(t, w, second)
	}
	if seen := transaction(t, node, second.TxID, 0); seen.Fee != built.Fee || built.Fee <= first.fee {
		t.Errorf("the fee was %v, then %v, and LND says %v", first.fee, built.Fee, seen.Fee)
	}
	if err := node.Publish(t.Context(), first.Raw, ""); err == nil {
		t.Error("the cheaper one replaces the dearer one")
	}
	built, third := replacement(t, w, first, second.Raw, 40)
	publish(t, w, third)
	w.Mine(t, 1)
	seen := transaction(t, node, third.TxID, 1)
	paid := slices.IndexFunc(seen.Outputs, func(out lndclient.TxOutput) bool { return out.Address == first.address })
	if paid < 0 || seen.Outputs[paid].Amount != 20_000 || len(seen.Outputs) != 2 || seen.Fee != built.Fee {
		t.Errorf("confirmed: %+v", seen)
	}
	for _, gone := range []string{first.TxID, second.TxID} {
		_, err := node.LookupTransaction(t.Context(), gone)
		wantKind(t, "what was replaced", err, lndclient.ErrNotFound, "")
	}
}

// replacedConfirms: the node signs a replacement that reaches nobody, and the first transaction is mined.
func replacedConfirms(t *testing.T, w World) {
	first := waits(t, w)
	_, second := replacement(t, w, first, first.Raw, 10)
	w.Mine(t, 1)
	transaction(t, w.Node(), first.TxID, 1)
	wantKind(t, "publish what can never confirm", w.Node().Publish(t.Context(), second.Raw, ""), lndclient.ErrRefused, payment.ReasonPublishRejected)
}

// takeBack: an input is spent back to the node, which makes the payment impossible.
func takeBack(t *testing.T, w World) {
	node, first := w.Node(), waits(t, w)
	address, err := node.NewAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	built, err := lndclient.RescuePSBT(t.Context(), node, lndclient.Rescue{
		Raw: first.Raw, Address: address, Network: lndclient.Regtest, SatPerVByte: 1, Outbid: first.fee,
	})
	if err != nil || built.Fee <= first.fee || built.SatPerVByte <= 3 {
		t.Fatalf("rescue: %+v, %v", built, err)
	}
	rescue := sign(t, node, built.PSBT)
	publish(t, w, rescue)
	w.Mine(t, 1)
	seen := transaction(t, node, rescue.TxID, 1)
	if len(seen.Outputs) != 1 || !seen.Outputs[0].Ours || seen.Outputs[0].Address != address || seen.Fee != built.Fee {
		t.Errorf("rescue: %+v", seen)
	}
	_, err = node.LookupTransaction(t.Context(), first.TxID)
	wantKind(t, "what was taken back", err, lndclient.ErrNotFound, "")
	wantKind(t, "publish it again", node.Publish(t.Context(), first.Raw, ""), lndclient.ErrRefused, payment.ReasonPublishRejected)
}

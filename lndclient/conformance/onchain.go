package conformance

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

func checkOnchain(t *testing.T, w World) {
	t.Run("fund, sign, publish, confirm", func(t *testing.T) { payOnchain(t, w) })
	t.Run("leases", func(t *testing.T) { leases(t, w) })
	t.Run("refused funding", func(t *testing.T) { refusedFunding(t, w) })
	t.Run("double spend", func(t *testing.T) { doubleSpend(t, w) })
	t.Run("replaced by a dearer one", func(t *testing.T) { replace(t, w) })
	t.Run("the replaced one confirms", func(t *testing.T) { replacedConfirms(t, w) })
	t.Run("taken back", func(t *testing.T) { takeBack(t, w) })
	t.Run("fee estimate", func(t *testing.T) {
		estimate, err := w.Node().EstimateFee(t.Context(), w.OutsideAddress(t), 20_000, 6)
		if err != nil || estimate.Fee <= 0 || estimate.SatPerVByte == 0 {
			t.Errorf("estimate: %+v, %v", estimate, err)
		}
		_, err = w.Node().EstimateFee(t.Context(), w.OutsideAddress(t), 10_000_000_000, 6)
		wantKind(t, "more than the wallet has", err, lndclient.ErrRefused, payment.ReasonNodeFunds)
	})
	t.Run("deposit", func(t *testing.T) { deposit(t, w) })
}

func lockID() [32]byte { return randomHash() }

func fund(t *testing.T, w World, lock [32]byte, address string, amount payment.Sat) lndclient.FundedPSBT {
	t.Helper()
	funded, err := w.Node().FundPSBT(t.Context(), lndclient.FundPSBT{
		Address: address, Amount: amount, SatPerVByte: 3, LockID: lock, LockFor: time.Hour, MinConfs: 1,
	})
	if err != nil {
		t.Fatalf("fund: %v", err)
	}
	return funded
}

func sign(t *testing.T, node lndclient.Node, packet []byte) lndclient.SignedTx {
	t.Helper()
	signed, err := node.SignPSBT(t.Context(), packet)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return signed
}

func transaction(t *testing.T, node lndclient.Node, txid string, confirmations int32) lndclient.Transaction {
	t.Helper()
	var seen lndclient.Transaction
	eventually(t, "a transaction in the wallet", func() (bool, error) {
		var err error
		seen, err = node.LookupTransaction(t.Context(), txid)
		return err == nil && seen.Confirmations == confirmations, err
	})
	return seen
}

func payOnchain(t *testing.T, w World) {
	node, address := w.Node(), w.OutsideAddress(t)
	funded := fund(t, w, lockID(), address, 30_000)
	if funded.Fee <= 0 || funded.Fee > 10_000 {
		t.Errorf("fee: %v", funded.Fee)
	}
	signed := sign(t, node, funded.PSBT)
	_, err := node.LookupTransaction(t.Context(), signed.TxID)
	wantKind(t, "a transaction that is only signed", err, lndclient.ErrNotFound, "")

	for range 2 { // publishing twice is no error
		if err := node.Publish(t.Context(), signed.Raw, "holdfast test"); err != nil {
			t.Fatalf("publish: %v", err)
		}
		seen := transaction(t, node, signed.TxID, 0)
		if seen.Label != "holdfast test" || seen.Fee != funded.Fee || !bytes.Equal(seen.Raw, signed.Raw) || seen.BlockHeight > 0 {
			t.Errorf("unconfirmed: %+v", seen)
		}
	}
	w.Mine(t, 1)
	seen := transaction(t, node, signed.TxID, 1)
	paid := slices.IndexFunc(seen.Outputs, func(out lndclient.TxOutput) bool { return out.Address == address })
	if paid < 0 || seen.Outputs[paid].Amount != 30_000 || seen.Outputs[paid].Ours {
		t.Errorf("outputs: %+v", seen.Outputs)
	}
	if len(seen.Inputs) == 0 || !seen.Inputs[0].Ours || seen.BlockHeight == 0 || seen.Fee != funded.Fee {
		t.Errorf("confirmed: %+v", seen)
	}
	if err := node.Publish(t.Context(), signed.Raw, "holdfast test"); err != nil {
		t.Errorf("publish what is confirmed: %v", err)
	}
	w.Mine(t, 2)
	transaction(t, node, signed.TxID, 3)

	list, err := node.ListTransactions(t.Context(), seen.BlockHeight)
	if err != nil || !slices.ContainsFunc(list, func(tx lndclient.Transaction) bool { return tx.TxID == signed.TxID }) {
		t.Errorf("listed from height %d: %d, %v", seen.BlockHeight, len(list), err)
	}
	list, err = node.ListTransactions(t.Context(), seen.BlockHeight+1)
	if err != nil || slices.ContainsFunc(list, func(tx lndclient.Transaction) bool { return tx.TxID == signed.TxID }) {
		t.Errorf("listed from a later height: %d, %v", len(list), err)
	}
}

// leases: a leased coin is not chosen again until it is released, and stays in the balance.
func leases(t *testing.T, w World) {
	node, address := w.Node(), w.OutsideAddress(t)
	before, err := node.Balance(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	lock := lockID()
	first := sign(t, node, fund(t, w, lock, address, 20_000).PSBT)
	second := sign(t, node, fund(t, w, lock, address, 20_000).PSBT)
	if shared(t, first.Raw, second.Raw) {
		t.Error("a leased coin was chosen again")
	}
	during, err := node.Balance(t.Context())
	if err != nil || during.OnchainConfirmed != before.OnchainConfirmed {
		t.Errorf("balance %+v, with leases %+v, %v", before, during, err)
	}
	for range 2 { // releasing nothing is no error
		if err := node.ReleaseLeases(t.Context(), lock); err != nil {
			t.Fatal(err)
		}
	}
	other := lockID()
	third := sign(t, node, fund(t, w, other, address, 20_000).PSBT)
	if !shared(t, first.Raw, third.Raw) && !shared(t, second.Raw, third.Raw) {
		t.Error("a released coin was not chosen")
	}
	if err := node.ReleaseLeases(t.Context(), lock); err != nil { // another id's leases stay
		t.Fatal(err)
	}
	fourth := sign(t, node, fund(t, w, lock, address, 20_000).PSBT)
	if shared(t, third.Raw, fourth.Raw) {
		t.Error("a release freed the coins of another lock id")
	}
	for _, id := range [][32]byte{lock, other} {
		if err := node.ReleaseLeases(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
}

func refusedFunding(t *testing.T, w World) {
	for _, row := range []struct {
		name    string
		address string
		amount  payment.Sat
		why     payment.Reason
	}{
		{"dust", w.OutsideAddress(t), 100, payment.ReasonDust},
		{"too much", w.OutsideAddress(t), 10_000_000_000, payment.ReasonNodeFunds},
		{"address of another network", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", 20_000, payment.ReasonInvalidAddress},
		{"garbage", "nonsense", 20_000, payment.ReasonInvalidAddress},
	} {
		_, err := w.Node().FundPSBT(t.Context(), lndclient.FundPSBT{
			Address: row.address, Amount: row.amount, SatPerVByte: 3, LockID: lockID(), LockFor: time.Minute, MinConfs: 1,
		})
		wantKind(t, row.name, err, lndclient.ErrRefused, row.why)
	}
}

// doubleSpend: of two transactions that spend the same coin, the second is refused, in the mempool and after.
func doubleSpend(t *testing.T, w World) {
	node, address, lock := w.Node(), w.OutsideAddress(t), lockID()
	loser := sign(t, node, fund(t, w, lock, address, 20_000).PSBT)
	if err := node.ReleaseLeases(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	winner := sign(t, node, fund(t, w, lock, address, 25_000).PSBT)
	if !shared(t, loser.Raw, winner.Raw) {
		t.Fatal("the two transactions spend different coins")
	}
	if err := node.Publish(t.Context(), winner.Raw, "winner"); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "publish against the mempool", node.Publish(t.Context(), loser.Raw, "loser"), lndclient.ErrRefused, payment.ReasonPublishRejected)
	w.Mine(t, 1)
	transaction(t, node, winner.TxID, 1)
	wantKind(t, "publish against a block", node.Publish(t.Context(), loser.Raw, "loser"), lndclient.ErrRefused, payment.ReasonPublishRejected)
	_, err := node.LookupTransaction(t.Context(), loser.TxID)
	wantKind(t, "the loser", err, lndclient.ErrNotFound, "")
	wantKind(t, "garbage", node.Publish(t.Context(), []byte{1, 2, 3}, ""), lndclient.ErrRefused, payment.ReasonPublishRejected)
}

func deposit(t *testing.T, w World) {
	node := w.Node()
	address, err := node.NewAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if canonical, err := lndclient.DecodeAddress(address, lndclient.Regtest); err != nil || canonical != address {
		t.Errorf("address %s: %s, %v", address, canonical, err)
	}
	txid := w.Deposit(t, address, 44_000)
	transaction(t, node, txid, 0)
	w.Mine(t, 1)
	seen := transaction(t, node, txid, 1)
	ours := slices.IndexFunc(seen.Outputs, func(out lndclient.TxOutput) bool { return out.Ours })
	if ours < 0 || seen.Outputs[ours].Amount != 44_000 || seen.Outputs[ours].Address != address {
		t.Errorf("deposit: %+v", seen)
	}
	if slices.ContainsFunc(seen.Inputs, func(in lndclient.TxInput) bool { return in.Ours }) {
		t.Errorf("an outsider's inputs are ours: %+v", seen.Inputs)
	}
}

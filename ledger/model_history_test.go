package ledger_test

import (
	"slices"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// plainTransaction is what can be told of a transaction without knowing its id.
type plainTransaction struct {
	payment     payment.ID // zero: received from outside
	direction   ledger.Direction
	status      ledger.TransactionStatus
	amount, fee payment.Msat
}

// history is what the model says that a wallet shows, in no order.
func (m *ledgerMachine) history(w payment.WalletID) (rows []plainTransaction) {
	for id, p := range m.payments {
		if p.req.WalletID == w && p.state != payment.Refused {
			status := ledger.TransactionPending
			switch p.state {
			case payment.Settled:
				status = ledger.TransactionSuccess
			case payment.Failed:
				status = ledger.TransactionFailure
			}
			fee := p.fee
			if status == ledger.TransactionPending { // as far as it is known: what the signed transaction pays
				fee = min(p.signedFee, p.feeReserve)
			}
			rows = append(rows, plainTransaction{id, ledger.DirectionSend, status, -(p.amount + fee), fee})
		}
		if p.req.RecipientID == w && p.state == payment.Settled {
			rows = append(rows, plainTransaction{id, ledger.DirectionReceive, ledger.TransactionSuccess, p.amount, 0})
		}
	}
	for _, amount := range m.receipts[w] {
		rows = append(rows, plainTransaction{uuid.Nil, ledger.DirectionReceive, ledger.TransactionSuccess, amount, 0})
	}
	return rows
}

// checkHistory compares a wallet's transactions with the model, all pages of them, and that they add up to its balance.
func (m *ledgerMachine) checkHistory(t *rapid.T, w ledger.Wallet) {
	var rows []plainTransaction
	var settled payment.Msat
	for f := (ledger.TransactionFilter{AccountID: w.AccountID}); ; {
		page, err := m.l.Transactions(m.t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, tx := range page {
			rows = append(rows, plainTransaction{tx.PaymentID, tx.Direction, tx.Status, tx.Amount, tx.Fee})
			if tx.Status == ledger.TransactionSuccess {
				settled += tx.Amount
			}
		}
		if len(page) < 100 {
			break
		}
		f.Before = new(page[len(page)-1].Cursor())
	}
	want := m.history(w.ID)
	for _, row := range rows {
		at := slices.Index(want, row)
		if at < 0 {
			t.Fatalf("the history has %+v, which the model has not", row)
		}
		want = slices.Delete(want, at, at+1)
	}
	if len(want) > 0 {
		t.Fatalf("the history lacks %+v", want)
	}
	if settled != m.plain[w.ID].balance {
		t.Fatalf("what succeeded adds up to %v, the balance is %v", settled, m.plain[w.ID].balance)
	}
}

package ledger_test

import (
	"reflect"
	"testing"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// A row rebuilds the request that it was made from, so that a payment that has lost its workflow is asked for again and
// not taken for another one (rule 8).
func TestRowRebuildsItsRequest(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	wallet := ledgertest.Funded(t, l, 1_000_000_000)
	key := ledgertest.NewKey(t, l, wallet.AccountID, nil)
	base := payment.Request{Door: payment.DoorCLI, AccountID: wallet.AccountID, WalletID: wallet.ID, KeyID: key.ID, Node: "bank", Memo: "coffee ☕"}

	invoice := base
	invoice.ID, invoice.Kind, invoice.IdempotencyKey = payment.NewID(), payment.Lightning, "order-1"
	invoice.Amount, invoice.FeeReserve, invoice.MaxFee = 5_000, 0, new(payment.Msat(0))
	invoice.Invoice, invoice.PaymentHash = "lnbcrt1example", ledgertest.RandomHash()

	address := base
	address.ID, address.Kind, address.Amount, address.FeeReserve = payment.NewID(), payment.Onchain, 2_000_000, 300_000
	address.Address, address.Speed = "bcrt1qexample", payment.Slow

	all := address // the ledger fills its amount in
	all.ID, all.Amount, all.SendAll = payment.NewID(), 0, true

	for name, asked := range map[string]payment.Request{"invoice": invoice, "address": address} {
		again(t, l, name, asked)
	}
	again(t, l, "everything", all)
}

func again(t *testing.T, l *ledger.Ledger, name string, asked payment.Request) {
	t.Helper()
	first, err := l.Reserve(t.Context(), asked)
	if err != nil || first.State != payment.Reserved {
		t.Fatalf("%s: %+v, %v", name, first, err)
	}
	read, err := l.Payment(t.Context(), asked.ID)
	if err != nil || !reflect.DeepEqual(read.Asked(), asked) {
		t.Errorf("%s: rebuilt %+v\nfrom %+v (%v)", name, read.Asked(), asked, err)
	}
	second, err := l.Reserve(t.Context(), read.Asked())
	if err != nil || second.ID != first.ID || second.State != payment.Reserved || second.Amount != first.Amount {
		t.Errorf("%s: asked again: %+v, %v", name, second, err)
	}
}

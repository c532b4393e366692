package worker_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// A workflow that somebody ended before its payment had a row is started again by the next call: else the payment would be pending
// for ever, and be paid when Temporal has forgotten it. Ended later, it is started again for its row, and what the payment holds
// itself, the whole wallet and the node's only coin, does not fail it.
func TestTerminatedPaymentsEnd(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	f.impatient()
	f.bank.Deposit(2_000_000)
	ask := starter.PayAddress{
		Caller:   starter.Caller{AccountID: f.wallet.AccountID, Door: payment.DoorGo, IdempotencyKey: "order-1"},
		WalletID: f.wallet.ID, Address: lndfake.OutsideAddress(), SendAll: true,
	}

	first := f.send(ask) // there are no workers
	if _, err := f.books.Payment(t.Context(), first.ID); first.State != payment.Pending || !payment.IsReason(err, payment.ReasonPaymentNotFound) {
		t.Fatalf("%+v; its row: %v", first, err)
	}
	f.terminate(first.ID)
	other := ask
	other.Memo = "another body"
	if _, err := f.door.PayAddress(t.Context(), other); !payment.IsReason(err, payment.ReasonIdempotencyConflict) || f.running(first.ID.String()) {
		t.Fatalf("another body: %v", err)
	}
	if again := f.send(ask); again.ID != first.ID || !f.running(first.ID.String()) {
		t.Fatalf("not started again: %+v", again)
	}

	funding := f.bank.Block(lndfake.FundPSBT, lndfake.AfterEffect)
	f.run("")
	f.await("a lease", func() bool {
		select {
		case <-funding.Reached():
			return true
		default:
			return false
		}
	})
	f.terminate(first.ID)
	row, err := f.books.Payment(t.Context(), first.ID)
	if err != nil || row.State != payment.Reserved {
		t.Fatalf("%+v, %v", row, err)
	}
	if again, err := f.door.Resume(t.Context(), row); err != nil || !again {
		t.Fatalf("not started again: %t, %v", again, err)
	}
	f.await("the broadcast", func() bool { return f.state(first.ID) != payment.Reserved })
	funding.Release()
	f.await("the end", func() bool { f.network.Mine(1); return f.state(first.ID).Terminal() })
	if row := f.send(ask); row.ID != first.ID || row.State != payment.Settled {
		t.Fatalf("%s: %+v", row.State, row.Failure)
	}
	if w, err := f.books.Wallet(t.Context(), f.wallet.ID); err != nil || w.Balance != 0 || w.Held != 0 {
		t.Errorf("%+v, %v", w, err)
	}
	ledgertest.Balanced(t, f.books)
}

// impatient gives the house a door that soon answers "pending".
func (f *fleet) impatient() {
	cfg := starter.DefaultConfig(lndclient.Regtest, []string{"bank"})
	cfg.Wait = 300 * time.Millisecond
	f.door = starter.New(f.temporal, f.books, cfg, slog.New(slog.DiscardHandler))
}

func (f *fleet) send(ask starter.PayAddress) ledger.Payment {
	f.t.Helper()
	row, err := f.door.PayAddress(f.t.Context(), ask)
	if err != nil {
		f.t.Fatal(err)
	}
	return row
}

func (f *fleet) terminate(id payment.ID) {
	f.t.Helper()
	if err := f.temporal.TerminateWorkflow(f.t.Context(), id.String(), "", "an operator's mistake"); err != nil {
		f.t.Fatal(err)
	}
}

package ledger_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// listening runs changes of a database until the test ends; every is how often everybody is woken anyway.
func listening(t *testing.T, l *ledger.Ledger, every time.Duration) *ledger.Changes {
	t.Helper()
	changes := ledger.NewChanges(l, every, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- changes.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	// The first wake-up says that it listens.
	wake, done := changes.Subscribe("start")
	defer done()
	wantWoken(t, wake)
	return changes
}

func wantWoken(t *testing.T, wake <-chan struct{}) {
	t.Helper()
	select {
	case <-wake:
	case <-time.After(10 * time.Second):
		t.Fatal("not woken")
	}
}

// A change in one process wakes who waits in another, and nobody else.
func TestChangesAreHeardElsewhere(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	here, there := ledgertest.Open(t, url), ledgertest.Open(t, url)
	changes := listening(t, there, time.Hour)
	from, to := ledgertest.Funded(t, here, 1_000_000), ledgertest.Funded(t, here, 1)
	hash := ledgertest.RandomHash()

	sender, done := changes.Subscribe(ledger.WalletTopic(from.ID))
	defer done()
	receiver, done2 := changes.Subscribe(ledger.WalletTopic(to.ID), ledger.InvoiceTopic(hash))
	defer done2()
	stranger, done3 := changes.Subscribe(ledger.WalletTopic(uuid.New()))
	defer done3()
	_, err := here.Transfer(t.Context(), payment.Request{
		ID: payment.NewID(), Kind: payment.Intraledger, Door: payment.DoorGo, AccountID: from.AccountID, WalletID: from.ID, RecipientID: to.ID, Amount: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	wantWoken(t, sender)
	wantWoken(t, receiver)
	ledgertest.Fund(t, here, to, 5_000)
	wantWoken(t, receiver)
	select {
	case <-stranger:
		t.Error("somebody else was woken")
	default:
	}
	gone, leave := changes.Subscribe(ledger.WalletTopic(from.ID))
	leave()
	ledgertest.Fund(t, here, from, 5_000)
	wantWoken(t, sender)
	select {
	case <-gone:
		t.Error("who had left was woken")
	default:
	}
}

// Hints may be lost: everybody is woken every so often, and when the connection comes back.
func TestChangesAreNotMissed(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	changes := listening(t, l, 200*time.Millisecond)
	wake, done := changes.Subscribe(ledger.WalletTopic(uuid.New()))
	defer done()
	wantWoken(t, wake)
	wantWoken(t, wake)
	ledgertest.Exec(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	wantWoken(t, wake)
	wantWoken(t, wake)
	w, done2 := changes.Subscribe("any")
	defer done2()
	wantWoken(t, w)
}

// Many may come and go while changes arrive; nothing is left behind.
func TestChangesLeaveNothing(t *testing.T) {
	url := ledgertest.Database(t)
	ignore := goleak.IgnoreCurrent()
	l, err := ledger.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	changes := ledger.NewChanges(l, time.Hour, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- changes.Run(ctx) }()
	var coming sync.WaitGroup
	for range 50 {
		coming.Go(func() {
			_, done := changes.Subscribe("a", "b")
			done()
		})
	}
	coming.Wait()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	l.Close()
	goleak.VerifyNone(t, ignore)
}

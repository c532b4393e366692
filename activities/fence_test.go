package activities_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestDownBeforeTheFenceIsNotPaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Down()
	word := must(t, h.steps.SendLightning, req)
	wantNotPaid(t, word, payment.ReasonNodeOffline, 0)
	h.conclude(req, word)
	h.bank.Up()
	wantNotPaid(t, must(t, h.steps.SendLightning, req), payment.ReasonNodeOffline, 0)
	h.wantMoney(balance, 0)
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 0 {
		t.Fatalf("sent %d times after it was given back", sends)
	}
}

// Invariant 3: silence after the fence is unknown, whatever LND has really done.
func TestSilenceAfterTheFenceIsUnknownAndNeverNotPaid(t *testing.T) {
	t.Parallel()
	for name, when := range map[string]lndfake.When{"not registered": lndfake.BeforeEffect, "registered": lndfake.AfterEffect} {
		for _, kind := range []lndclient.ErrorKind{lndclient.KindUnknown, lndclient.KindUnavailable} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				req := h.reserved(h.peer.MakeInvoice(5000))
				h.bank.Fail(lndfake.SendPayment, when, kind)
				wantUnknown(t, must(t, h.steps.SendLightning, req))
				h.wantMoney(balance, 5010*sat)
				if row := h.row(req.ID); row.State != payment.Pending {
					t.Fatalf("the row is %s: the watcher hints only what is pending", row.State)
				}

				h.bank.Down()
				h.pastDeadline()
				wantUnknown(t, must(t, h.steps.SendLightning, req)) // down, for however long
				_, err := act(t.Context(), h.steps.FollowLightning, req)
				wantBenignRetry(t, err)
				h.bank.Up()
				wantPaid(t, h.untilTerminal(req), sat)

				wantSends, wantAttempt := 1, 1
				if when == lndfake.BeforeEffect {
					wantSends, wantAttempt = 2, 2
				}
				if sends := h.bank.Calls(lndfake.SendPayment); sends != wantSends || h.row(req.ID).Send.Attempt != wantAttempt {
					t.Fatalf("sent %d times with %+v", sends, h.row(req.ID).Send)
				}
			})
		}
	}
}

// untilTerminal follows as Temporal retries it.
func (h *house) untilTerminal(req payment.Request) step.Word {
	h.t.Helper()
	for range 3 {
		if word, err := act(context.Background(), h.steps.FollowLightning, req); err == nil {
			return word
		}
	}
	h.t.Fatal("LND has no final word")
	return step.Word{}
}

func TestNotFoundIsBelievedOnlyAfterDeadlineAndMargin(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindUnknown)
	must(t, h.steps.SendLightning, req)

	h.clock.Advance(h.steps.Timing.Call + h.steps.Timing.Margin - time.Millisecond)
	wantUnknown(t, must(t, h.steps.SendLightning, req))
	wantUnknown(t, must(t, h.steps.AbandonLightning, req))
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 1 {
		t.Fatalf("sent %d times: the first call may still arrive", sends)
	}
	h.clock.Advance(time.Millisecond)
	wantPaid(t, must(t, h.steps.SendLightning, req), sat)
	if row := h.row(req.ID); row.Send.Attempt != 2 || row.Send.Baseline != 0 {
		t.Fatalf("fence %+v", row.Send)
	}
}

// A call that LND refuses although it has the payment: an earlier call of ours has arrived.
func TestRefusedButRegisteredIsFollowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	gate := h.bank.Block(lndfake.SendPayment, lndfake.BeforeEffect)
	zombie := going(t.Context(), h.steps.SendLightning, req)
	<-gate.Reached()
	h.pastDeadline()
	h.bank.Refuse(lndfake.SendPayment, payment.ReasonInvoiceInvalid)
	h.bank.Block(lndfake.LookupPayment, lndfake.BeforeEffect).Release() // the first look: not found
	refused := h.bank.Block(lndfake.LookupPayment, lndfake.BeforeEffect)
	second := going(t.Context(), h.steps.SendLightning, req)
	<-refused.Reached()
	gate.Release() // the first call arrives after all, long after its deadline
	<-zombie
	refused.Release()
	got := <-second
	if got.err != nil || got.out.Status != step.InFlight || got.out.Unknown {
		t.Fatalf("%+v, %v", got.out, got.err)
	}
	if err := h.peer.SettleInvoice(t.Context(), invoice.Preimage); err != nil {
		t.Fatal(err)
	}
	wantPaid(t, must(t, h.steps.FollowLightning, req), sat)
}

func TestRefusedAndThenSilentIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Block(lndfake.LookupPayment, lndfake.BeforeEffect).Release() // the first look: not found
	h.bank.Refuse(lndfake.SendPayment, payment.ReasonInvoiceInvalid)
	h.bank.Fail(lndfake.LookupPayment, lndfake.BeforeEffect, lndclient.KindUnavailable)
	wantUnknown(t, must(t, h.steps.SendLightning, req))
}

// AlreadyExists between our look and our call: LND has it above the baseline, so it is followed.
func TestAlreadyExistsIsFollowed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeInvoice(5000)
	req := h.reserved(invoice)
	gate := h.bank.Block(lndfake.SendPayment, lndfake.BeforeEffect)
	done := going(t.Context(), h.steps.SendLightning, req)
	<-gate.Reached()
	if _, err := h.bank.SendPayment(t.Context(), lndclient.SendPayment{Invoice: invoice.Request, FeeLimit: 10 * sat}); err != nil {
		t.Fatal(err)
	}
	gate.Release()
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	wantPaid(t, got.out, sat)
}

func TestAlreadyExistsButNotShownIsUnknown(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	h.bank.Fail(lndfake.SendPayment, lndfake.BeforeEffect, lndclient.KindAlreadyExists)
	wantUnknown(t, must(t, h.steps.SendLightning, req))
}

// Two steps of one payment at the same time, as a zombie and its successor are: one payment in LND.
func TestConcurrentSendsMakeOnePayment(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 5 {
		h.customer()
		invoice := h.peer.MakeInvoice(5000)
		req := h.reserved(invoice)
		before, err := h.bank.ListPayments(t.Context(), 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var all []<-chan result[step.Word]
		for range 4 {
			all = append(all, going(t.Context(), h.steps.SendLightning, req))
		}
		for _, one := range all {
			if got := <-one; got.err != nil || got.out.Status == step.NotPaid {
				t.Fatalf("%+v, %v", got.out, got.err)
			}
		}
		after, err := h.bank.ListPayments(t.Context(), 0, 100)
		if err != nil || len(after) != len(before)+1 || after[len(after)-1].Index != uint64(len(after)) {
			t.Fatalf("LND has %d payments, had %d; %v", len(after), len(before), err)
		}
		h.conclude(req, must(t, h.steps.SendLightning, req))
		h.wantMoney(balance-5001*sat, 0)
	}
}

// A zombie that looked before the payment was given back finds the row terminal, and sends nothing.
func TestVoidBeforeTheFenceStopsALateSend(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	looked, wake := make(chan struct{}), make(chan struct{})
	steps := h.stepsOn(&sleepy{Node: h.bank, looked: looked, wake: wake})
	zombie := going(t.Context(), steps.SendLightning, req)
	<-looked
	h.conclude(req, step.Word{Status: step.NotPaid, Failure: &payment.Failure{Reason: payment.ReasonCanceled, Message: "m"}})
	close(wake)
	got := <-zombie
	if got.err != nil {
		t.Fatal(got.err)
	}
	wantNotPaid(t, got.out, payment.ReasonCanceled, 0)
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 0 {
		t.Fatalf("sent %d times", sends)
	}
	h.wantMoney(balance, 0)
}

// The same race one step later: void and fence meet on the row's lock.
func TestVoidAndFenceAtOnceNeverBoth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	req := h.reserved(h.peer.MakeInvoice(5000))
	row := h.lockRow(req.ID)
	word := step.Word{Status: step.NotPaid, Failure: &payment.Failure{Reason: payment.ReasonCanceled, Message: "m"}}
	voided := make(chan payment.Outcome, 1)
	go func() { voided <- h.conclude(req, word) }()
	row.waiters(1)
	send := going(t.Context(), h.steps.SendLightning, req)
	row.waiters(2)
	row.release()
	if got := <-voided; got.State != payment.Failed {
		t.Fatalf("void: %+v", got)
	}
	got := <-send
	if got.err != nil {
		t.Fatal(got.err)
	}
	wantNotPaid(t, got.out, payment.ReasonCanceled, 0)
	if sends := h.bank.Calls(lndfake.SendPayment); sends != 0 {
		t.Fatalf("sent %d times for a payment that was given back", sends)
	}
}

func TestVoidWithStaleEvidenceLeavesTheRow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	invoice := h.peer.MakeHold(5000)
	req := h.reserved(invoice)
	must(t, h.steps.SendLightning, req)
	stale := step.Word{Status: step.NotPaid, Failure: &payment.Failure{Reason: payment.ReasonNodeOffline, Message: "m"}}
	if got := h.conclude(req, stale); got.State != payment.Pending {
		t.Fatalf("outcome %+v", got)
	}
	h.wantMoney(balance, 5010*sat)
}

// The call that a fence allows ends before the fence's deadline, or NOT_FOUND could be believed while it still arrives.
func TestTheCallEndsBeforeTheDeadlineOfItsFence(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	watched := &deadlines{Node: h.bank}
	steps := h.stepsOn(watched)
	req := h.reserved(h.peer.MakeInvoice(100))
	row := h.lockRow(req.ID) // a fence that takes its time
	send := going(t.Context(), steps.SendLightning, req)
	row.waiters(1)
	latest := row.releaseAt().Add(steps.Timing.Call)
	if got := <-send; got.err != nil || !watched.deadline.Before(latest) {
		t.Fatalf("%v; the call may last until %v, want before %v", got.err, watched.deadline, latest)
	}
}

// deadlines notes until when a call may last.
type deadlines struct {
	lndclient.Node
	deadline time.Time
}

func (d *deadlines) SendPayment(ctx context.Context, send lndclient.SendPayment) (lndclient.Payment, error) {
	d.deadline, _ = ctx.Deadline()
	return d.Node.SendPayment(ctx, send)
}

func (d *deadlines) Publish(ctx context.Context, raw []byte, label string) error {
	d.deadline, _ = ctx.Deadline()
	return d.Node.Publish(ctx, raw, label)
}

// sleepy falls asleep after each look.
type sleepy struct {
	lndclient.Node
	looked chan<- struct{}
	wake   <-chan struct{}
}

func (s *sleepy) LookupPayment(ctx context.Context, hash payment.Hash) (lndclient.Payment, error) {
	known, err := s.Node.LookupPayment(ctx, hash)
	s.looked <- struct{}{}
	<-s.wake
	return known, err
}

// rowLock holds a payment's row, so that the steps that want it queue up.
type rowLock struct {
	h    *house
	conn *pgx.Conn // holds the row
	spy  *pgx.Conn // sees who waits: a transaction would see the same picture for ever
}

func (h *house) lockRow(id payment.ID) *rowLock {
	h.t.Helper()
	ctx := context.Background()
	conn, spy := h.connect(), h.connect()
	for _, sql := range []string{"BEGIN", "SELECT FROM payments WHERE id = '" + id.String() + "' FOR UPDATE"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			h.t.Fatal(err)
		}
	}
	return &rowLock{h: h, conn: conn, spy: spy}
}

func (h *house) connect() *pgx.Conn {
	h.t.Helper()
	conn, err := pgx.Connect(context.Background(), h.url)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close(context.Background()) }) // the database is dropped next
	return conn
}

// waiters waits until n steps queue for the row.
func (r *rowLock) waiters(n int) {
	r.h.t.Helper()
	eventually(r.h.t, "steps that wait for the row", func() bool {
		var waiting int
		err := r.spy.QueryRow(context.Background(),
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting)
		return err == nil && waiting >= n
	})
}

func (r *rowLock) release() {
	r.h.t.Helper()
	if _, err := r.conn.Exec(context.Background(), "COMMIT"); err != nil {
		r.h.t.Fatal(err)
	}
}

// releaseAt releases, and tells a time before it.
func (r *rowLock) releaseAt() time.Time {
	r.h.t.Helper()
	before := time.Now()
	r.release()
	return before
}

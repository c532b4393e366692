package grpcapi_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	paymentsv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// held starts a payment that the receiver holds.
func (s shop) held(amount payment.Sat) (id string, hash payment.Hash) {
	s.t.Helper()
	invoice := house.peer.MakeHold(amount)
	p := s.start(s.toInvoice(invoice.Request))
	if p.GetState() != paymentsv1.State_STATE_PENDING || p.GetExpiryHeight() == 0 || p.GetPreimage() != "" {
		s.t.Fatalf("%v", p)
	}
	return p.GetId(), invoice.Hash
}

func (s shop) watch(ctx context.Context, id string) grpc.ServerStreamingClient[paymentsv1.WatchResponse] {
	s.t.Helper()
	stream, err := s.Watch(ctx, &paymentsv1.WatchRequest{Id: id})
	must(s.t, err)
	return stream
}

func next(t testing.TB, stream grpc.ServerStreamingClient[paymentsv1.WatchResponse]) *paymentsv1.Payment {
	t.Helper()
	answer, err := stream.Recv()
	must(t, err)
	return answer.GetPayment()
}

func TestWatchAndSteer(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[payment.Window]payment.Sat{payment.Daily: 10_000})
	id, hash := s.held(2_000)
	if s.limits().GetReservedSat() != 2_005 { // with its fee reserve
		t.Fatalf("%v", s.limits())
	}
	stream := s.watch(t.Context(), id)
	if p := next(t, stream); p.GetState() != paymentsv1.State_STATE_PENDING {
		t.Fatalf("%v", p)
	}
	_, err := s.Abandon(t.Context(), &paymentsv1.AbandonRequest{Id: id})
	if answer := wantCode(t, err, codes.FailedPrecondition); !strings.Contains(answer.Message(), "not abandoned") {
		t.Errorf("%q", answer.Message())
	}
	_, err = s.Recheck(t.Context(), &paymentsv1.RecheckRequest{Id: id, AccountId: uuid.NewString()})
	wantCode(t, err, codes.NotFound)
	_, err = s.BumpFee(t.Context(), &paymentsv1.BumpFeeRequest{Id: id, SatPerVbyte: 50})
	wantCode(t, err, codes.InvalidArgument) // it has no miner

	house.bank.FailHeld(hash, payment.ReasonRejected)
	answer, err := s.Recheck(t.Context(), &paymentsv1.RecheckRequest{Id: id})
	must(t, err)
	if p := answer.GetPayment(); p.GetState() != paymentsv1.State_STATE_FAILED || p.GetFailure().GetReason() != paymentsv1.Reason_REASON_REJECTED {
		t.Fatalf("%v", p)
	}
	if p := next(t, stream); p.GetState() != paymentsv1.State_STATE_FAILED {
		t.Fatalf("%v", p)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Fatalf("the watch of what has ended goes on: %v", err)
	}
	if l := s.limits(); l.GetReservedSat() != 0 || l.GetWindows()[0].GetSpentSat() != 0 {
		t.Errorf("%v", l)
	}
	again, err := s.Abandon(t.Context(), &paymentsv1.AbandonRequest{Id: id}) // it has ended: told as it is
	if err != nil || again.GetPayment().GetState() != paymentsv1.State_STATE_FAILED {
		t.Errorf("%v, %v", again, err)
	}
}

func TestBumpFee(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	req := s.request("")
	req.Destination = &paymentsv1.StartRequest_Address_{Address: &paymentsv1.StartRequest_Address{
		Address: lndfake.OutsideAddress(), AmountSat: 50_000, Speed: paymentsv1.Speed_SPEED_SLOW,
	}}
	sent := s.start(req)
	if sent.GetState() != paymentsv1.State_STATE_PENDING || len(sent.GetTxid()) != 64 || sent.GetSpeed() != paymentsv1.Speed_SPEED_SLOW {
		t.Fatalf("%v", sent)
	}
	stream := s.watch(t.Context(), sent.GetId())
	next(t, stream)
	answer, err := s.BumpFee(t.Context(), &paymentsv1.BumpFeeRequest{Id: sent.GetId(), AccountId: sent.GetAccountId(), SatPerVbyte: 60})
	must(t, err)
	bumped := answer.GetPayment()
	if bumped.GetTxid() == sent.GetTxid() || bumped.GetId() != sent.GetId() || bumped.GetState() != paymentsv1.State_STATE_PENDING {
		t.Fatalf("%v", bumped)
	}
	if p := next(t, stream); p.GetTxid() != bumped.GetTxid() {
		t.Fatalf("watched %v", p)
	}
	house.network.Mine(1)
	if p := next(t, stream); p.GetState() != paymentsv1.State_STATE_SETTLED || p.GetTxid() != bumped.GetTxid() || p.GetFeeMsat() == 0 {
		t.Fatalf("%v", p)
	}
	_, err = s.BumpFee(t.Context(), &paymentsv1.BumpFeeRequest{Id: sent.GetId()})
	wantCode(t, err, codes.InvalidArgument)
}

func TestWatchErrors(t *testing.T) {
	t.Parallel()
	s, friend := newShop(t, nil), ledgertest.Funded(t, house.ledger, 0)
	for req, want := range map[*paymentsv1.WatchRequest]codes.Code{
		{}: codes.InvalidArgument, {Id: uuid.NewString()}: codes.NotFound,
		{Id: s.start(s.toWallet(friend, 1, "")).GetId(), AccountId: uuid.NewString()}: codes.NotFound,
	} {
		stream, err := s.Watch(t.Context(), req)
		must(t, err)
		_, err = stream.Recv()
		wantCode(t, err, want)
	}
}

// watchers counts the goroutines that serve a Watch, in this process.
func watchers() int {
	stacks := make([]byte, 16<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "(*paymentServer).Watch(")
}

// Streams end with their clients and with the server, and leave no goroutine. Not parallel: it counts goroutines.
func TestWatchLeaksNothing(t *testing.T) {
	stopping, stop := context.WithCancel(t.Context())
	s := newShop(t, nil, func(c *grpcapi.Config) { c.Stopping = stopping })
	id, hash := s.held(100)
	t.Cleanup(func() { house.bank.SettleHeld(hash) })
	before := watchers()

	ctx, gone := context.WithCancel(t.Context())
	for range 10 { // clients that go
		next(t, s.watch(ctx, id))
	}
	if n := watchers(); n != before+10 {
		t.Fatalf("%d watchers, want 10 more than %d", n, before)
	}
	gone()
	soon(t, "the watchers have gone with their clients", func() bool { return watchers() == before })

	stream := s.watch(t.Context(), id)
	next(t, stream)
	stop() // the process begins to stop
	_, err := stream.Recv()
	if answer := wantCode(t, err, codes.Unavailable); !strings.Contains(answer.Message(), "stopping") {
		t.Errorf("%q", answer.Message())
	}
	soon(t, "the watcher has gone with the server", func() bool { return watchers() == before })
}

// A server that drains is not held up by those who watch.
func TestGracefulStopWithWatchers(t *testing.T) {
	t.Parallel()
	stopping, stop := context.WithCancel(t.Context())
	defer stop()
	server := serve(t, func(c *grpcapi.Config) { c.Stopping = stopping })
	s := newShop(t, nil)
	s.PaymentsServiceClient = paymentsv1.NewPaymentsServiceClient(server.dial(t))
	id, hash := s.held(100)
	t.Cleanup(func() { house.bank.SettleHeld(hash) })
	stream := s.watch(t.Context(), id)
	next(t, stream)
	done := make(chan struct{})
	go func() { defer close(done); server.server.GracefulStop() }()
	stop()
	soon(t, "the server has stopped", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	if _, err := stream.Recv(); err == nil {
		t.Error("the watch goes on")
	}
}

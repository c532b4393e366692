package graphqlapi

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// deaf is the address of a Temporal that never answers: what was sent to it may or may not have arrived.
func deaf(t testing.TB) client.Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	temporal, err := client.NewLazyClient(client.Options{
		HostPort: listener.Addr().String(), Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GetSystemInfoTimeout: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(temporal.Close)
	return temporal
}

// Clients refund what failed. A payment that may have been started has not failed: there is no status, and the error is at the top.
func TestUnknownIsNotFailure(t *testing.T) {
	t.Parallel()
	h := home(t)
	settings := starter.DefaultConfig(lndclient.Regtest, []string{bank})
	settings.Wait = 500 * time.Millisecond
	address := h.doorWith(t, func(cfg *Config) {
		cfg.Starter = starter.New(deaf(t), h.ledger, settings, slog.New(slog.DiscardHandler))
	})
	o, to := h.funded(t, 20_000), h.funded(t, 1)
	away := *o
	away.house = &house{address: address}
	for door, input := range map[payment.Door]vars{
		payment.DoorInvoice:     {"walletId": o.wallet.ID, "paymentRequest": h.peer.MakeInvoice(5_000).Request},
		payment.DoorIntraLedger: {"walletId": o.wallet.ID, "recipientWalletId": to.wallet.ID, "amount": 5},
	} {
		for _, caller := range []*owner{&away, away.once()} {
			a := caller.send(payQuery(door), vars{"input": input})
			a.wantStatus(200)
			a.wantRefused(codeUnknown, "not known whether this payment was started. Repeat the call with the same idempotency key")
		}
	}
	// What is wrong in itself is refused as ever.
	away.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": to.wallet.ID, "amount": 0}).wantFailed(codeInput, "")
	if o.balance() != 20_000 {
		t.Errorf("the balance is %d", o.balance())
	}
}

// A repeated call asks what became of the first one: it takes no allowance, and is not told that there were too many.
func TestReplaysAreNotLimited(t *testing.T) {
	t.Parallel()
	h := home(t)
	address := h.doorWith(t, func(cfg *Config) {
		cfg.Limiter = limit.New(limit.Rates{limit.Payments: {Account: limit.Rate{Count: 1, Per: time.Hour, Burst: 1}}})
	})
	o, to := h.funded(t, 10_000), h.funded(t, 1)
	door := *o
	door.house = &house{address: address}
	input := vars{"walletId": o.wallet.ID, "recipientWalletId": to.wallet.ID, "amount": 5}
	first := door.once()
	p := first.pay(payment.DoorIntraLedger, input)
	p.wantPaid()
	for range 3 {
		again := first.pay(payment.DoorIntraLedger, input)
		again.wantPaid()
		again.want(again.field+".transaction.id", p.text(p.field+".transaction.id"))
	}
	// One that may repeat a call without a row has no status.
	for _, other := range []*owner{door.once(), door.with("X-Idempotency-Key", uuid.NewString())} {
		p := other.pay(payment.DoorIntraLedger, input)
		if p.at(p.field+".status") != nil || p.code() != string(codeTooMany) || !strings.Contains(p.message(), "Try again") {
			t.Errorf("got %s, want %s and no status", p.raw, codeTooMany)
		}
	}
	door.pay(payment.DoorIntraLedger, input).wantFailed(codeTooMany, "Try again")
	if o.balance() != 9_995 {
		t.Errorf("the balance is %d", o.balance())
	}
}

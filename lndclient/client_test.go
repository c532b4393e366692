package lndclient

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lightningnetwork/lnd/lnrpc"

	"github.com/holdfast-pay/holdfast/payment"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestFits(t *testing.T) {
	t.Parallel()
	client := &Client{name: "bank", network: Regtest}
	for version, want := range map[string]bool{
		"0.18.0-beta commit=v0.18.0-beta": true, "0.21.3-beta commit=": true, "0.18-beta": true, "v0.19.1": true, "1.0.0": true,
		"0.17.5-beta commit=v0.17.5-beta": false, "0.9.0": false, "": false, "unknown": false, "0.x": false,
	} {
		err := client.fits(Info{Version: version, Network: Regtest})
		if (err == nil) != want {
			t.Errorf("%q: %v", version, err)
		}
		if err != nil && (!payment.IsReason(err, payment.ReasonInvalidInput) || !strings.Contains(err.Error(), version) ||
			!strings.Contains(err.Error(), "0.18")) {
			t.Errorf("%q: the message does not name what was found and what is needed: %v", version, err)
		}
	}
	err := client.fits(Info{Version: "0.21.3-beta", Network: Mainnet})
	if !payment.IsReason(err, payment.ReasonInvalidInput) || !strings.Contains(err.Error(), Mainnet) || !strings.Contains(err.Error(), Regtest) {
		t.Errorf("another network: %v", err)
	}
}

// Invariant 9: the macaroon is in no message, whatever the verb.
func TestMacaroonDoesNotPrint(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "macaroon")
	if err := os.WriteFile(path, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	token, err := readMacaroon(Config{MacaroonPath: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%s", "%q", "%x", "%#v", "%+v"} {
		if text := fmt.Sprintf(verb, token); strings.Contains(text, "736563726574") || strings.Contains(text, "secret") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	if sent, _ := token.GetRequestMetadata(t.Context()); sent["macaroon"] != "736563726574" {
		t.Errorf("sent: %v", sent)
	}
}

// Invariant 4, and what lnrpc leaves out: fees and expiry of HTLCs in flight.
func TestReadPayment(t *testing.T) {
	t.Parallel()
	htlc := func(status lnrpc.HTLCAttempt_HTLCStatus, expiry uint32, fee int64) *lnrpc.HTLCAttempt {
		return &lnrpc.HTLCAttempt{Status: status, Route: &lnrpc.Route{TotalTimeLock: expiry, TotalFeesMsat: fee}}
	}
	record := func(status lnrpc.Payment_PaymentStatus, htlcs ...*lnrpc.HTLCAttempt) *lnrpc.Payment {
		return &lnrpc.Payment{
			PaymentHash: strings.Repeat("ab", 32), PaymentPreimage: strings.Repeat("cd", 32), PaymentIndex: 7,
			ValueMsat: 1000, Status: status, Htlcs: htlcs, FailureReason: lnrpc.PaymentFailureReason_FAILURE_REASON_NO_ROUTE,
		}
	}
	got, err := readPayment(callTrackPayment, record(lnrpc.Payment_IN_FLIGHT,
		htlc(lnrpc.HTLCAttempt_IN_FLIGHT, 600, 3), htlc(lnrpc.HTLCAttempt_FAILED, 900, 50), htlc(lnrpc.HTLCAttempt_IN_FLIGHT, 640, 4)))
	if err != nil || got.Status != InFlight || got.HTLCs != 2 || got.Expiry != 640 || got.Fee != 7 || got.Failure != "" || got.Preimage != [32]byte{} {
		t.Errorf("in flight: %+v, %v", got, err)
	}
	got, err = readPayment(callTrackPayment, record(lnrpc.Payment_INITIATED))
	if err != nil || got.Status != InFlight || got.HTLCs != 0 || got.Terminal() {
		t.Errorf("initiated: %+v, %v", got, err)
	}
	got, err = readPayment(callTrackPayment, record(lnrpc.Payment_SUCCEEDED, htlc(lnrpc.HTLCAttempt_SUCCEEDED, 600, 3)))
	if err != nil || got.Status != Succeeded || got.Fee != 3 || got.HTLCs != 0 || got.Preimage == [32]byte{} {
		t.Errorf("succeeded: %+v, %v", got, err)
	}
	got, err = readPayment(callTrackPayment, record(lnrpc.Payment_FAILED, htlc(lnrpc.HTLCAttempt_FAILED, 600, 3)))
	if err != nil || got.Status != Failed || got.Failure != payment.ReasonNoRoute || got.Fee != 0 {
		t.Errorf("failed: %+v, %v", got, err)
	}
	for name, wrong := range map[string]*lnrpc.Payment{
		"failed with an HTLC in flight": record(lnrpc.Payment_FAILED, htlc(lnrpc.HTLCAttempt_IN_FLIGHT, 600, 3)),
		"a status of the future":        record(lnrpc.Payment_PaymentStatus(99)),
		"LND's own unknown":             record(lnrpc.Payment_UNKNOWN), //nolint:staticcheck // that it is deprecated is the point
		"no hash":                       {Status: lnrpc.Payment_FAILED},
	} {
		if got, err := readPayment(callTrackPayment, wrong); err == nil || got.Terminal() {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestFailureReason(t *testing.T) {
	t.Parallel()
	for code, name := range lnrpc.PaymentFailureReason_name {
		want := map[string]payment.Reason{
			"FAILURE_REASON_TIMEOUT":                   payment.ReasonTimeout,
			"FAILURE_REASON_NO_ROUTE":                  payment.ReasonNoRoute,
			"FAILURE_REASON_INCORRECT_PAYMENT_DETAILS": payment.ReasonRejected,
			"FAILURE_REASON_INSUFFICIENT_BALANCE":      payment.ReasonNodeFunds,
			"FAILURE_REASON_CANCELED":                  payment.ReasonCanceled,
			"FAILURE_REASON_ERROR":                     payment.ReasonInternal,
			"FAILURE_REASON_NONE":                      payment.ReasonInternal,
		}[name]
		if got := failureReason(lnrpc.PaymentFailureReason(code)); got != want {
			t.Errorf("%s: %s, want %q", name, got, want)
		}
	}
}

// LND may see our deadline pass before we do: then its word comes first, and it means the same.
func TestDeadlineOver(t *testing.T) {
	t.Parallel()
	theirs := &Error{Kind: KindUnknown, Call: "x", Cause: status.Error(codes.DeadlineExceeded, "stream terminated by RST_STREAM")}
	if !deadlineOver(theirs) || deadlineOver(&Error{Kind: KindUnknown, Call: "x", Cause: status.Error(codes.Unavailable, "gone")}) || deadlineOver(nil) {
		t.Error("only DeadlineExceeded is our own deadline")
	}
}

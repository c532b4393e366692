package lndclient

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/payment"
)

// Invariant 1: each text that LND sends, with what it proves.
func TestClassify(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		call string
		code codes.Code
		text string
		kind ErrorKind
		why  payment.Reason
	}{
		// Before SendPaymentV2 registers anything.
		{callSendPayment, codes.Unknown, "invoice expired. Valid until 2026-11-23 10:00:00 +0000 UTC", KindRefused, payment.ReasonInvoiceExpired},
		{callSendPayment, codes.Unknown, "self-payments not allowed", KindRefused, payment.ReasonSelfPayment},
		{callSendPayment, codes.Unknown, "amount must be specified when paying a zero amount invoice", KindRefused, payment.ReasonInvalidAmount},
		{callSendPayment, codes.Unknown, "amount must not be specified when paying a non-zero amount invoice", KindRefused, payment.ReasonInvalidAmount},
		{callSendPayment, codes.Unknown, "amount cannot be negative", KindRefused, payment.ReasonInvalidAmount},
		{callSendPayment, codes.Unknown, "payment request must contain either a payment address or blinded paths", KindRefused, payment.ReasonInvoiceInvalid},
		{callSendPayment, codes.Unknown, "the AMP flag (--amp or SendPaymentRequest.Amp) must be set to pay an AMP invoice", KindRefused, payment.ReasonInvoiceInvalid},
		{callSendPayment, codes.Unknown, "invoice not for current active network 'regtest'", KindRefused, payment.ReasonInvoiceInvalid},
		{callSendPayment, codes.Unknown, "checksum failed. Expected aaaaaa, got bbbbbb.", KindRefused, payment.ReasonInvoiceInvalid},
		{callSendPayment, codes.Unknown, "cltv limit 2016 should be greater than 3000", KindRefused, payment.ReasonInvoiceInvalid},
		// In the payments database.
		{callSendPayment, codes.AlreadyExists, "invoice is already paid", KindAlreadyExists, ""},
		{callSendPayment, codes.AlreadyExists, "payment is in transition", KindAlreadyExists, ""},
		{callSendPayment, codes.AlreadyExists, "payment already exists", KindAlreadyExists, ""},
		// After it registered, or who knows.
		{callSendPayment, codes.Unknown, "routerrpc server shutting down", KindUnknown, ""},
		{callSendPayment, codes.NotFound, "payment isn't initiated", KindUnknown, ""},
		{callSendPayment, codes.Unknown, "database not open", KindUnknown, ""},
		{callSendPayment, codes.Unknown, "insufficient local balance", KindUnknown, ""},
		{callSendPayment, codes.Unknown, "unable to find a path to destination", KindUnknown, ""},
		{callSendPayment, codes.Unknown, "something invoice expired.", KindUnknown, ""},
		{callSendPayment, codes.Internal, "internal server error", KindUnknown, ""},
		{callSendPayment, codes.Internal, "invoice expired. Valid until", KindUnknown, ""},
		{callSendPayment, codes.Canceled, "context canceled", KindUnknown, ""},
		{callSendPayment, codes.DeadlineExceeded, "context deadline exceeded", KindUnknown, ""},
		{callSendPayment, codes.ResourceExhausted, "grpc: received message larger than max", KindUnknown, ""},
		{callSendPayment, codes.InvalidArgument, "", KindUnknown, ""},
		{callSendPayment, codes.FailedPrecondition, "", KindUnknown, ""},
		{callSendPayment, codes.Unavailable, "error reading from server: EOF", KindUnknown, ""},
		{callSendPayment, codes.Unavailable, "error reading from server: read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer", KindUnknown, ""},
		{callSendPayment, codes.Unavailable, "keepalive ping failed to receive ACK within timeout", KindUnknown, ""},
		{callSendPayment, codes.Unavailable, "closing transport due to: connection error: desc = \"error reading from server: EOF\", received prior goaway", KindUnknown, ""},
		// Never written, or never reached a handler.
		{callSendPayment, codes.Unavailable, "connection error: desc = \"transport: Error while dialing: dial tcp 127.0.0.1:10009: connect: connection refused\"", KindUnavailable, ""},
		{callSendPayment, codes.Unavailable, "connection error: desc = \"transport: authentication handshake failed: tls: ...\"", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "the RPC server is in the process of starting up, but not yet ready to accept calls", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "waiting to start, RPC services not available", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "wallet locked, unlock it to enable full RPC access", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "wallet not created, create one to enable full RPC access", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "server is still in the process of starting", KindUnavailable, ""},
		{callSendPayment, codes.Unimplemented, "unknown service routerrpc.Router", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "permission denied", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "verification failed: signature mismatch after caveat verification", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "cannot get macaroon: root key with id 1 doesn't exist", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "expected 1 macaroon, got 0", KindUnavailable, ""},
		{callSendPayment, codes.Unknown, "cannot retrieve macaroon: cannot get macaroon: root key with id 1 doesn't exist", KindUnavailable, ""},
		{callSendPayment, codes.Unauthenticated, "", KindUnavailable, ""},
		{callSendPayment, codes.PermissionDenied, "", KindUnavailable, ""},
		{callSendPayment, codes.Unavailable, "last connection error: connection error: desc = \"transport: Error while dialing: dial tcp\"", KindUnavailable, ""},
		{callBlocks, codes.Unknown, "chain notifier RPC is still in the process of starting", KindUnavailable, ""},

		{callTrackPayment, codes.NotFound, "payment isn't initiated", KindNotFound, ""},
		{callTrackPayment, codes.Unknown, "payment isn't initiated", KindUnknown, ""},
		{callQueryRoutes, codes.Unknown, "unable to find a path to destination", KindNotFound, ""},
		{callQueryRoutes, codes.Unknown, "insufficient local balance", KindRefused, payment.ReasonNodeFunds},

		{callLookupInvoice, codes.NotFound, "unable to locate invoice", KindNotFound, ""},
		{callLookupInvoice, codes.Unknown, "there are no existing invoices", KindNotFound, ""},
		{callCancelInvoice, codes.Unknown, "unable to locate invoice", KindNotFound, ""},
		{callCancelInvoice, codes.Unknown, "invoice already settled", KindAlreadyExists, ""},
		{callSettleInvoice, codes.Unknown, "invoice still open", KindRefused, ""},
		{callSettleInvoice, codes.Unknown, "invoice already canceled", KindRefused, payment.ReasonInvoiceCanceled},
		{callAddHoldInvoice, codes.Unknown, "invoice with payment hash already exists", KindAlreadyExists, ""},
		{callAddInvoice, codes.Unknown, "memo too large: 700 bytes (maxsize=639)", KindRefused, payment.ReasonInvalidInput},
		{callAddInvoice, codes.Unknown, "payments of negative value are not allowed, value is -1", KindRefused, payment.ReasonInvalidAmount},
		{callAddInvoice, codes.Unknown, "amount cannot be negative", KindRefused, payment.ReasonInvalidAmount},
		{callAddInvoice, codes.Unknown, "invoice amount 1 BTC is too large, max is 1", KindRefused, payment.ReasonInvalidAmount},
		{callAddInvoice, codes.Unknown, "expiry of 99999999 seconds greater than max expiry", KindRefused, payment.ReasonInvalidInput},

		{callFundPsbt, codes.Unknown, "wallet couldn't fund PSBT: insufficient funds available to construct transaction", KindRefused, payment.ReasonNodeFunds},
		{callFundPsbt, codes.Unknown, "wallet couldn't fund PSBT: error creating funding TX: insufficient funds available to construct transaction", KindRefused, payment.ReasonNodeFunds},
		{callEstimateFee, codes.Unknown, "insufficient funds available to construct transaction", KindRefused, payment.ReasonNodeFunds},
		{callFundPsbt, codes.Unknown, "wallet couldn't fund PSBT: transaction output is dust", KindRefused, payment.ReasonDust},
		{callEstimateFee, codes.Unknown, "transaction output is dust", KindRefused, payment.ReasonDust},
		{callFundPsbt, codes.Unknown, "error parsing address x for network regtest: decoded address is of unknown format", KindRefused, payment.ReasonInvalidAddress},
		{callFundPsbt, codes.Unknown, "address is not for regtest", KindRefused, payment.ReasonInvalidAddress},
		{callFundPsbt, codes.Unknown, "output already locked", KindUnknown, ""},
		{callFinalizePsbt, codes.Unknown, "error parsing PSBT: invalid magic", KindRefused, payment.ReasonInvalidInput},
		{callFinalizePsbt, codes.Unknown, "error finalizing PSBT: input 0", KindRefused, payment.ReasonInvalidInput},
		{callGetTransaction, codes.Unknown, "can not find transaction: txid 00", KindNotFound, ""},
		{callPublish, codes.Unknown, "transaction rejected: output already spent", KindUnknown, ""}, // Publish looks first
	} {
		got := classify(context.Background(), row.call, status.Error(row.code, row.text))
		if got.Kind != row.kind || got.Why != row.why || got.Call != row.call {
			t.Errorf("%s %s %q: got %s %s, want %s %s", row.call, row.code, row.text, got.Kind, got.Why, row.kind, row.why)
		}
	}
}

// Invariant 1: silence is never an answer, whatever the text says.
func TestClassifySilence(t *testing.T) {
	t.Parallel()
	if got := classify(context.Background(), callSendPayment, io.EOF); got.Kind != KindUnknown {
		t.Errorf("end of stream: %v", got)
	}
	if got := classify(context.Background(), callSendPayment, errors.New("invoice expired.")); got.Kind != KindUnknown {
		t.Errorf("an error that is not gRPC's: %v", got)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	got := classify(ctx, callSendPayment, status.Error(codes.Unknown, "invoice expired."))
	if got.Kind != KindUnknown || !errors.Is(got, context.Canceled) {
		t.Errorf("our own context ended: %v", got)
	}
}

// Every row of the table is reached: a row that an earlier one hides would be a mistake.
func TestAnswersAreDistinct(t *testing.T) {
	t.Parallel()
	rows := answers()
	for i, row := range rows {
		calls := row.calls
		if calls == nil {
			calls = []string{callSendPayment}
		}
		for _, call := range calls {
			for j, earlier := range rows[:i] {
				if earlier.matches(call, status.New(row.code, row.text)) {
					t.Errorf("row %d (%s %q) is hidden by row %d", i, call, row.text, j)
				}
			}
		}
	}
}

// Invariant 5: only the mempool's own words may become Refused.
func TestMempoolSaidNo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"transaction rejected: output already spent":                                     true,
		"transaction rejected by the mempool because of low fees: min relay fee not met": true,
		"insufficient fee": true,
		"dust":             true,
		"missing inputs":   true,
		"undefined: the client has been shutdown": false,
		"the client has been shutdown":            false,
		"txn already known":                       false,
		"txn already in mempool":                  false,
		"no mempool":                              false,
		"unable to start tx: database not open":   false,
		"":                                        false,
	} {
		if got := mempoolSaidNo(status.Error(codes.Unknown, text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if mempoolSaidNo(status.Error(codes.Unavailable, "dust")) || mempoolSaidNo(errors.New("dust")) {
		t.Error("silence was taken for a verdict")
	}
}

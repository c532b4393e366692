package lndclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/payment"
)

// Calls by the name of their lnrpc method, for errors and for the table below.
const (
	callGetInfo              = "GetInfo"
	callSendPayment          = "SendPaymentV2"
	callTrackPayment         = "TrackPaymentV2"
	callTrackPayments        = "TrackPayments"
	callListPayments         = "ListPayments"
	callListChannels         = "ListChannels"
	callPendingChannels      = "PendingChannels"
	callQueryRoutes          = "QueryRoutes"
	callAddInvoice           = "AddInvoice"
	callAddHoldInvoice       = "AddHoldInvoice"
	callLookupInvoice        = "LookupInvoiceV2"
	callListInvoices         = "ListInvoices"
	callCancelInvoice        = "CancelInvoice"
	callSettleInvoice        = "SettleInvoice"
	callSubscribeInvoices    = "SubscribeInvoices"
	callNewAddress           = "NewAddress"
	callEstimateFee          = "EstimateFee"
	callFundPsbt             = "FundPsbt"
	callFinalizePsbt         = "FinalizePsbt"
	callListLeases           = "ListLeases"
	callReleaseOutput        = "ReleaseOutput"
	callPublish              = "PublishTransaction"
	callGetTransaction       = "GetTransaction"
	callGetTransactions      = "GetTransactions"
	callSubscribeTransaction = "SubscribeTransactions"
	callWalletBalance        = "WalletBalance"
	callChannelBalance       = "ChannelBalance"
	callBlocks               = "RegisterBlockEpochNtfn"
)

// answer is one thing that LND is known to say. The first row that matches decides.
type answer struct {
	calls []string   // none: any call
	code  codes.Code // as sent; LND sends plain Go errors as Unknown
	text  string     // how the message begins; "" is any text
	kind  ErrorKind
	why   payment.Reason
}

var (
	callsSend     = []string{callSendPayment}
	callsInvoices = []string{callLookupInvoice, callCancelInvoice, callSettleInvoice}
	callsAdd      = []string{callAddInvoice, callAddHoldInvoice}
	callsFund     = []string{callFundPsbt, callEstimateFee}
)

// answers is the whole knowledge of what LND's errors prove, read from lnd v0.21.3. What is not in it is Unknown:
// a row is only added where the source shows that LND sends the text instead of an effect, never after one.
func answers() []answer {
	return append(definiteAnswers(), startupAnswers()...)
}

// startupAnswers: the call did not reach its handler (rpcperms/interceptor.go; server.go; macaroons), so nothing
// happened. A bad macaroon counts as unavailable: an operator mends it, and no payment may fail for it.
func startupAnswers() []answer {
	return []answer{
		{nil, codes.Unknown, "waiting to start, RPC services not available", KindUnavailable, ""},
		{nil, codes.Unknown, "wallet not created, create one to enable", KindUnavailable, ""},
		{nil, codes.Unknown, "wallet locked, unlock it to enable", KindUnavailable, ""},
		{nil, codes.Unknown, "the RPC server is in the process of starting up", KindUnavailable, ""},
		{nil, codes.Unknown, "server is still in the process of starting", KindUnavailable, ""},
		{nil, codes.Unknown, "chain notifier RPC is still in the process of starting", KindUnavailable, ""},
		{nil, codes.Unknown, "permission denied", KindUnavailable, ""},
		{nil, codes.Unknown, "verification failed", KindUnavailable, ""},
		{nil, codes.Unknown, "cannot get macaroon", KindUnavailable, ""},
		{nil, codes.Unknown, "expected 1 macaroon", KindUnavailable, ""},
		{nil, codes.Unknown, "cannot retrieve macaroon", KindUnavailable, ""},
		// The service is not compiled in, or not registered yet.
		{nil, codes.Unimplemented, "", KindUnavailable, ""},
		{nil, codes.Unauthenticated, "", KindUnavailable, ""},
		{nil, codes.PermissionDenied, "", KindUnavailable, ""},
		// grpc-go could not open a connection, so the call was never written. Any other Unavailable may have cut an
		// answer off: it stays Unknown.
		{nil, codes.Unavailable, "connection error: desc = \"transport: Error while dialing", KindUnavailable, ""},
		{nil, codes.Unavailable, "connection error: desc = \"transport: authentication handshake failed", KindUnavailable, ""},
		{nil, codes.Unavailable, "last connection error: connection error: desc = \"transport: Error while dialing", KindUnavailable, ""},
	}
}

// definiteAnswers are LND's own words.
func definiteAnswers() []answer {
	return []answer{
		// routerrpc.SendPaymentV2, extractIntentFromSendRequest: all before PreparePayment registers anything.
		{callsSend, codes.Unknown, "invoice expired.", KindRefused, payment.ReasonInvoiceExpired},
		{callsSend, codes.Unknown, "self-payments not allowed", KindRefused, payment.ReasonSelfPayment},
		{callsSend, codes.Unknown, "amount must be specified", KindRefused, payment.ReasonInvalidAmount},
		{callsSend, codes.Unknown, "amount must not be specified", KindRefused, payment.ReasonInvalidAmount},
		{callsSend, codes.Unknown, "amount cannot be negative", KindRefused, payment.ReasonInvalidAmount},
		{callsSend, codes.Unknown, "payment request must contain either a payment address", KindRefused, payment.ReasonInvoiceInvalid},
		{callsSend, codes.Unknown, "the AMP flag", KindRefused, payment.ReasonInvoiceInvalid},
		{callsSend, codes.Unknown, "invoice not for current active network", KindRefused, payment.ReasonInvoiceInvalid},
		{callsSend, codes.Unknown, "checksum failed.", KindRefused, payment.ReasonInvoiceInvalid},
		{callsSend, codes.Unknown, "cltv limit", KindRefused, payment.ReasonInvoiceInvalid},
		// PreparePayment: initializable() of the payments database.
		{callsSend, codes.AlreadyExists, "", KindAlreadyExists, ""},
		// TrackPaymentV2: ErrPaymentNotInitiated. Only for a lookup: SendPaymentV2 may answer it after it registered.
		{[]string{callTrackPayment}, codes.NotFound, "", KindNotFound, ""},
		// lnrpc.QueryRoutes, routing.noRouteError: nothing is sent by it.
		{[]string{callQueryRoutes}, codes.Unknown, "unable to find a path to destination", KindNotFound, ""},
		{[]string{callQueryRoutes}, codes.Unknown, "insufficient local balance", KindRefused, payment.ReasonNodeFunds},

		// invoices.
		{callsInvoices, codes.NotFound, "", KindNotFound, ""},
		{callsInvoices, codes.Unknown, "unable to locate invoice", KindNotFound, ""},
		{callsInvoices, codes.Unknown, "there are no existing invoices", KindNotFound, ""},
		{callsInvoices, codes.Unknown, "invoice already settled", KindAlreadyExists, ""},
		{callsInvoices, codes.Unknown, "invoice already canceled", KindRefused, payment.ReasonInvoiceCanceled},
		{callsInvoices, codes.Unknown, "invoice still open", KindRefused, ""},
		{callsAdd, codes.Unknown, "invoice with payment hash already exists", KindAlreadyExists, ""},
		{callsAdd, codes.Unknown, "memo too large", KindRefused, payment.ReasonInvalidInput},
		{callsAdd, codes.Unknown, "payments of negative value", KindRefused, payment.ReasonInvalidAmount},
		{callsAdd, codes.Unknown, "amount cannot be negative", KindRefused, payment.ReasonInvalidAmount},
		{callsAdd, codes.Unknown, "invoice amount", KindRefused, payment.ReasonInvalidAmount},
		{callsAdd, codes.Unknown, "expiry of", KindRefused, payment.ReasonInvalidInput},

		// walletrpc.FundPsbt and lnrpc.EstimateFee: the selection fails before a coin is leased.
		{callsFund, codes.Unknown, "wallet couldn't fund PSBT: insufficient funds available", KindRefused, payment.ReasonNodeFunds},
		{callsFund, codes.Unknown, "wallet couldn't fund PSBT: error creating funding TX: insufficient funds available", KindRefused, payment.ReasonNodeFunds},
		{callsFund, codes.Unknown, "insufficient funds available to construct transaction", KindRefused, payment.ReasonNodeFunds},
		{callsFund, codes.Unknown, "wallet couldn't fund PSBT: transaction output is dust", KindRefused, payment.ReasonDust},
		{callsFund, codes.Unknown, "transaction output is dust", KindRefused, payment.ReasonDust},
		{callsFund, codes.Unknown, "error parsing address", KindRefused, payment.ReasonInvalidAddress},
		{callsFund, codes.Unknown, "address is not for", KindRefused, payment.ReasonInvalidAddress},
		// walletrpc.FinalizePsbt publishes nothing.
		{[]string{callFinalizePsbt}, codes.Unknown, "error parsing PSBT", KindRefused, payment.ReasonInvalidInput},
		{[]string{callFinalizePsbt}, codes.Unknown, "error finalizing PSBT", KindRefused, payment.ReasonInvalidInput},
		// walletrpc.GetTransaction: wallet.ErrNoTx.
		{[]string{callGetTransaction}, codes.Unknown, "can not find transaction", KindNotFound, ""},
	}
}

// classify turns what gRPC says into an *Error. Silence is Unknown, and so is all that the table does not know.
func classify(ctx context.Context, call string, err error) *Error {
	classified := &Error{Kind: KindUnknown, Call: call, Cause: err}
	if ctx.Err() != nil {
		// Keep the cause, so that errors.Is(err, context.Canceled) holds.
		classified.Cause = fmt.Errorf("%w: %w", ctx.Err(), err)
		return classified
	}
	if errors.Is(err, io.EOF) {
		return classified
	}
	said, ok := status.FromError(err)
	if !ok {
		return classified
	}
	for _, row := range answers() {
		if row.matches(call, said) {
			classified.Kind, classified.Why = row.kind, row.why
			break
		}
	}
	return classified
}

func (a answer) matches(call string, said *status.Status) bool {
	if a.code != said.Code() || !strings.HasPrefix(said.Message(), a.text) {
		return false
	}
	if a.calls == nil {
		return true
	}
	for _, known := range a.calls {
		if known == call {
			return true
		}
	}
	return false
}

// refusal is our own refusal before anything was sent to LND.
func refusal(call string, why payment.Reason, cause error) *Error {
	return &Error{Kind: KindRefused, Call: call, Why: why, Cause: cause}
}

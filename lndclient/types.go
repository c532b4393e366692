package lndclient

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// Node is one LND node. *Client implements it over gRPC, lndfake.Node in memory, and one conformance suite runs
// against both. Every error is a *Error; its Kind says what may have happened.
type Node interface {
	// Info says who the node is and how far it has synced (lnrpc.GetInfo).
	Info(ctx context.Context) (Info, error)

	// SendPayment starts paying (routerrpc.SendPaymentV2) and returns as soon as LND has answered once: the payment is
	// registered, or definitely was not. ErrAlreadyExists: LND knows the hash, in flight or paid; ask TrackPayment.
	// ErrRefused: LND said no before it registered anything. ErrUnknown and ErrUnavailable: it may have been registered.
	SendPayment(ctx context.Context, send SendPayment) (Payment, error)
	// LookupPayment is LND's present word on the hash (the first answer of routerrpc.TrackPaymentV2). ErrNotFound: LND
	// has no payment with this hash at this moment.
	LookupPayment(ctx context.Context, hash payment.Hash) (Payment, error)
	// FollowPayment is LookupPayment that waits for a terminal state until ctx ends, then gives the last state seen.
	FollowPayment(ctx context.Context, hash payment.Hash) (Payment, error)
	// LocateHTLCs looks for the payment's HTLCs on the channels themselves (lnrpc.ListChannels, PendingChannels). LND can
	// leave a payment in flight for ever though no HTLC of it exists: see HTLCPlaces. For operators, never for a saga.
	LocateHTLCs(ctx context.Context, hash payment.Hash) (HTLCPlaces, error)
	// ListPayments lists payments with index > after, oldest first, at most limit (lnrpc.ListPayments).
	ListPayments(ctx context.Context, after uint64, limit int) ([]Payment, error)
	// EstimateRouteFee asks for the best single route without sending or probing (lnrpc.QueryRoutes); the fee in msat.
	// ErrNotFound: no route. ErrRefused with ReasonNodeFunds: our channels cannot send the amount.
	EstimateRouteFee(ctx context.Context, invoice string, amount payment.Msat) (payment.Msat, error)
	// ExplainNoRoute tells, after a payment failed with ReasonNoRoute, whether a route exists that costs more than feeLimit:
	// ReasonFeeOverLimit, else ReasonNoRoute (lnrpc.QueryRoutes; nothing is sent). LND itself reports both as NO_ROUTE.
	ExplainNoRoute(ctx context.Context, invoice string, amount, feeLimit payment.Msat) (payment.Reason, error)

	// AddInvoice makes an invoice (lnrpc.AddInvoice), or a hold invoice where Hash is set (invoicesrpc.AddHoldInvoice).
	AddInvoice(ctx context.Context, add AddInvoice) (Invoice, error)
	// LookupInvoice reads one (invoicesrpc.LookupInvoiceV2).
	LookupInvoice(ctx context.Context, hash payment.Hash) (Invoice, error)
	// CancelInvoice makes an open or accepted invoice unpayable (invoicesrpc.CancelInvoice). Cancelling a canceled one is
	// no error; a settled one answers ErrAlreadyExists.
	CancelInvoice(ctx context.Context, hash payment.Hash) error
	// SettleInvoice reveals a hold invoice's preimage (invoicesrpc.SettleInvoice).
	SettleInvoice(ctx context.Context, preimage [32]byte) error

	// NewAddress gives a fresh taproot address (lnrpc.NewAddress).
	NewAddress(ctx context.Context) (string, error)
	// EstimateFee in sat for one output at a confirmation target in blocks, and the rate in sat/vB (lnrpc.EstimateFee).
	EstimateFee(ctx context.Context, address string, amount payment.Sat, targetBlocks int32) (FeeEstimate, error)
	// FundPSBT selects and leases inputs under lockID (walletrpc.FundPsbt with custom_lock_id), each of them Replaceable.
	FundPSBT(ctx context.Context, fund FundPSBT) (FundedPSBT, error)
	// SignPSBT signs and finalizes (walletrpc.FinalizePsbt). Nothing is broadcast.
	SignPSBT(ctx context.Context, psbt []byte) (SignedTx, error)
	// ReleaseLeases frees every input that is leased under lockID (walletrpc.ListLeases, ReleaseOutput).
	ReleaseLeases(ctx context.Context, lockID [32]byte) error
	// Publish broadcasts (walletrpc.PublishTransaction). Publishing what is known already, in the mempool or in a block,
	// is no error. ErrRefused: the mempool said no. Anything else: unknown.
	Publish(ctx context.Context, rawTx []byte, label string) error
	// LookupTransaction reads a transaction of the node's wallet by txid (walletrpc.GetTransaction). ErrNotFound: unknown.
	LookupTransaction(ctx context.Context, txid string) (Transaction, error)
	// ListTransactions lists the wallet's transactions from a block height on, unconfirmed ones included (lnrpc.GetTransactions).
	ListTransactions(ctx context.Context, fromHeight int32) ([]Transaction, error)
	// Balance is what the node holds (lnrpc.WalletBalance, ChannelBalance).
	Balance(ctx context.Context) (Balance, error)

	// WatchPayments calls seen for the payments in flight and then for each change of a payment (routerrpc.TrackPayments).
	// An old state may come after a newer one: an update is a hint to look up. Each Watch call blocks
	// until ctx ends, the stream breaks or seen returns an error. ready (may be nil) is called when LND has answered a call
	// made after the subscription, so that a caller can subscribe first and look up afterwards. LND acknowledges no
	// subscription, so this is no proof: a change in that moment can be missed, and a timer must ask again.
	WatchPayments(ctx context.Context, ready func(), seen func(Payment) error) error
	// WatchInvoices calls seen for each invoice that settles after settleIndex, in order (lnrpc.SubscribeInvoices).
	WatchInvoices(ctx context.Context, settleIndex uint64, ready func(), seen func(Invoice) error) error
	// WatchTransactions calls seen for each change of a wallet transaction (lnrpc.SubscribeTransactions).
	WatchTransactions(ctx context.Context, ready func(), seen func(Transaction) error) error
	// WatchBlocks calls seen with each new best height, the present one first (chainrpc.RegisterBlockEpochNtfn).
	WatchBlocks(ctx context.Context, seen func(height int32) error) error

	// Close ends the connection.
	Close() error
}

// Info is who a node is.
type Info struct {
	Alias         string
	Pubkey        string // 33 bytes, hex
	Version       string
	Network       string // mainnet, testnet, testnet4, signet, regtest
	BlockHeight   int32
	SyncedToChain bool
}

// PaymentStatus is LND's word on a payment.
type PaymentStatus string

// Statuses of a payment. Initiated is reported as InFlight: LND owns it and it may still send an HTLC.
const (
	InFlight  PaymentStatus = "in_flight"
	Succeeded PaymentStatus = "succeeded"
	Failed    PaymentStatus = "failed"
)

// Payment is LND's record of a payment by hash.
type Payment struct {
	Hash      payment.Hash
	Index     uint64 // lnrpc payment_index: grows with every payment that LND registers, also for a retried hash
	Status    PaymentStatus
	Amount    payment.Msat
	Fee       payment.Msat // of the HTLCs that settled, or are in flight
	Preimage  [32]byte     // once Succeeded
	Failure   payment.Reason
	HTLCs     int    // attempts that are in flight now
	Expiry    uint32 // highest block height at which an HTLC in flight times out; 0 if there is none
	CreatedAt time.Time
}

// Terminal reports whether LND will never change its word.
func (p Payment) Terminal() bool { return p.Status == Succeeded || p.Status == Failed }

// HTLCPlaces is where an outgoing HTLC of a payment is, or may be. An lnd that dies after it registered an attempt and
// before the HTLC was signed into the channel reports the payment in flight for ever, past its expiry and over
// restarts (lnd issue 5152, seen with 0.21.3). Such a payment has no HTLC on a channel, no channel that closes, and a
// best height well past Payment.Expiry. Before that height an absence proves nothing: an HTLC that is signed into the
// peer's commitment only is not listed.
type HTLCPlaces struct {
	OnChannels int // open channels that hold one
	Closing    int // channels that are closing, where HTLCs cannot be told apart
}

// SendPayment asks LND to pay an invoice.
type SendPayment struct {
	Invoice  string
	Amount   payment.Msat // only for an invoice without amount, else 0
	FeeLimit payment.Msat
	// PathfindingTimeout bounds LND's search for routes, not the life of an HTLC.
	PathfindingTimeout time.Duration
}

// InvoiceState is LND's word on an invoice of its own.
type InvoiceState string

// States of an invoice.
const (
	InvoiceOpen     InvoiceState = "open"
	InvoiceAccepted InvoiceState = "accepted" // a hold invoice whose HTLC has arrived
	InvoiceSettled  InvoiceState = "settled"
	InvoiceCanceled InvoiceState = "canceled"
)

// AddInvoice asks for an invoice.
type AddInvoice struct {
	Amount payment.Msat // 0: any amount
	Memo   string
	Expiry time.Duration
	Hash   payment.Hash // set: a hold invoice for this hash
	// DescriptionHash stands in the invoice instead of the memo, if it is not zero.
	DescriptionHash [32]byte
}

// Invoice is LND's record of an invoice of its own.
type Invoice struct {
	Hash        payment.Hash
	Request     string // BOLT 11
	Amount      payment.Msat
	Received    payment.Msat
	Memo        string
	Preimage    [32]byte // zero for a hold invoice that is not settled
	State       InvoiceState
	AddIndex    uint64
	SettleIndex uint64
	CreatedAt   time.Time
	ExpiresAt   time.Time
	SettledAt   time.Time
}

// FeeEstimate for an on-chain payment.
type FeeEstimate struct {
	Fee         payment.Sat
	SatPerVByte uint64
}

// FundPSBT asks for inputs that pay one output.
type FundPSBT struct {
	Address     string
	Amount      payment.Sat
	SatPerVByte uint64
	LockID      [32]byte
	LockFor     time.Duration
	MinConfs    int32 // of the inputs
}

// FundedPSBT has its inputs chosen and leased.
type FundedPSBT struct {
	PSBT []byte
	Fee  payment.Sat
}

// SignedTx can be broadcast.
type SignedTx struct {
	Raw  []byte
	TxID string
}

// Transaction is LND's record of a transaction of its wallet.
type Transaction struct {
	TxID          string
	Raw           []byte
	Confirmations int32
	BlockHeight   int32 // 0 or less: not confirmed
	Label         string
	Fee           payment.Sat
	Outputs       []TxOutput
	Inputs        []TxInput
}

// TxOutput is one output of a transaction.
type TxOutput struct {
	Index   uint32
	Address string
	Amount  payment.Sat
	Ours    bool
}

// TxInput is one input of a transaction, by what it spends.
type TxInput struct {
	TxID string
	Vout uint32
	Ours bool
}

// Balance is what a node holds. Msat where channels are exact, sat on-chain.
type Balance struct {
	OnchainConfirmed   payment.Sat
	OnchainUnconfirmed payment.Sat
	ChannelLocal       payment.Msat
	ChannelPending     payment.Msat // local side of channels that are opening
	HTLCsOut           payment.Msat // unsettled outgoing HTLCs: may come back
}

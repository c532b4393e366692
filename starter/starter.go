package starter

import (
	"context"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Config is what the starter must know about the house.
type Config struct {
	Network string   // mainnet, testnet, testnet4, signet, regtest
	Nodes   []string // names of our LND nodes; the first one sends and receives
	// Wait is how long a start waits for more than "pending". Zero: 5 seconds.
	Wait time.Duration
	// Fees limits what a payment may cost beside its amount.
	Fees FeePolicy
	// Dust is the smallest on-chain payment in sat.
	Dust payment.Sat
	// HoldLocks is how long a budget lock waits to be recorded. Zero: 15 minutes.
	HoldLocks time.Duration
	// Namespace is the Temporal client's. Empty: client.DefaultNamespace.
	Namespace string
	// Payloads is how the Temporal client writes values. nil: as the SDK does.
	Payloads converter.DataConverter
}

// FeePolicy is the lightning fee limit: the larger of a share of the amount and a floor. It is reserved with the amount.
type FeePolicy struct {
	PartsPerMillion int64
	Floor           payment.Msat
}

// Limit for an amount, in msat, rounded up to whole satoshi.
func (f FeePolicy) Limit(amount payment.Msat) payment.Msat {
	const million = 1_000_000
	share := payment.Msat(int64(amount)/million*f.PartsPerMillion + int64(amount)%million*f.PartsPerMillion/million)
	return max(share, f.Floor).Ceil().MustMsat()
}

// DefaultConfig for a network: fees up to 0.5 % and at least 10 sat, dust below 1,000 sat.
func DefaultConfig(network string, nodes []string) Config {
	return Config{
		Network: network, Nodes: nodes, Wait: 5 * time.Second,
		Fees: FeePolicy{PartsPerMillion: 5000, Floor: payment.Sat(10).MustMsat()},
		Dust: 1000,
	}
}

// Starter is the door to the sagas.
type Starter struct {
	temporal client.Client
	ledger   *ledger.Ledger
	cfg      Config
	now      func() time.Time
	patience time.Duration // with a question to a node
	log      *slog.Logger
}

// New returns a starter. It does no I/O.
func New(temporal client.Client, books *ledger.Ledger, cfg Config, log *slog.Logger) *Starter {
	if cfg.Wait == 0 {
		cfg.Wait = 5 * time.Second
	}
	if cfg.HoldLocks == 0 {
		cfg.HoldLocks = defaultHold
	}
	if cfg.Namespace == "" {
		cfg.Namespace = client.DefaultNamespace
	}
	if cfg.Payloads == nil {
		cfg.Payloads = converter.GetDefaultDataConverter()
	}
	return &Starter{temporal: temporal, ledger: books, cfg: cfg, now: time.Now, patience: askPatience, log: log}
}

// Caller is who asks, as the credentials say.
type Caller struct {
	AccountID payment.AccountID
	KeyID     payment.KeyID // zero: the owner's session, no budget
	Door      payment.Door
	// IdempotencyKey makes a repeated call find the first one's payment. Empty: every call is a new payment.
	IdempotencyKey string
}

// PayInvoice asks to pay a BOLT 11 invoice.
type PayInvoice struct {
	Caller
	WalletID payment.WalletID
	Invoice  string
	Amount   payment.Msat  // only for an invoice without amount; else 0
	MaxFee   *payment.Msat // nil: by the fee policy
	Memo     string
}

// PayAddress asks to pay an on-chain address.
type PayAddress struct {
	Caller
	WalletID payment.WalletID
	Address  string
	Amount   payment.Sat // 0 with SendAll
	SendAll  bool
	Speed    payment.Speed // empty: FAST
	Memo     string
}

// PayWallet asks to pay another wallet of this ledger.
type PayWallet struct {
	Caller
	WalletID    payment.WalletID
	RecipientID payment.WalletID
	Amount      payment.Msat
	Memo        string
}

// PayInvoice pays an invoice and answers within Config.Wait: the row is terminal, or pending.
// An invoice of our own is paid inside the ledger. What is refused is a row, what is an error is not paid, but for
// ReasonOutcomeUnknown: see Answers and errors.
func (s *Starter) PayInvoice(ctx context.Context, ask PayInvoice) (ledger.Payment, error) {
	req, err := s.invoiceRequest(ctx, ask)
	if err != nil {
		return ledger.Payment{}, err
	}
	return s.Start(ctx, req)
}

// PayAddress pays an address and answers within Config.Wait. Pending with a TxID means broadcast.
// An address of our own is paid inside the ledger. Errors: see Answers and errors.
func (s *Starter) PayAddress(ctx context.Context, ask PayAddress) (ledger.Payment, error) {
	req, err := s.addressRequest(ctx, ask)
	if err != nil {
		return ledger.Payment{}, err
	}
	return s.Start(ctx, req)
}

// PayWallet pays another wallet of this ledger. Errors: see Answers and errors.
func (s *Starter) PayWallet(ctx context.Context, ask PayWallet) (ledger.Payment, error) {
	req, err := s.walletRequest(ctx, ask)
	if err != nil {
		return ledger.Payment{}, err
	}
	return s.Start(ctx, req)
}

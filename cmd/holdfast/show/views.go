package show

import (
	"encoding/hex"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// The JSON that programs read. Names and units are stable (invariant 1).

// Wallet is a wallet in JSON. Amounts in sat are rounded down.
type Wallet struct {
	ID            string     `json:"id"`
	AccountID     string     `json:"account_id"`
	Name          string     `json:"name"`
	Currency      string     `json:"currency"`
	BalanceMsat   int64      `json:"balance_msat"`
	BalanceSat    int64      `json:"balance_sat"`
	HeldMsat      int64      `json:"held_msat"`
	AvailableMsat int64      `json:"available_msat"`
	AvailableSat  int64      `json:"available_sat"`
	CreatedAt     *time.Time `json:"created_at,omitempty"`
}

// WalletView of a wallet in BTC.
func WalletView(w ledger.Wallet) Wallet {
	return Wallet{
		ID: w.ID.String(), AccountID: w.AccountID.String(), Name: w.Name, Currency: string(w.Currency),
		BalanceMsat: int64(w.Balance), BalanceSat: int64(w.Balance.Floor()), HeldMsat: int64(w.Held),
		AvailableMsat: int64(w.Available()), AvailableSat: int64(w.Available().Floor()), CreatedAt: moment(w.CreatedAt),
	}
}

// Key is an API key in JSON.
type Key struct {
	ID         string          `json:"id"`
	AccountID  string          `json:"account_id"`
	Name       string          `json:"name"`
	Scopes     []payment.Scope `json:"scopes"`
	Secret     string          `json:"secret,omitempty"` // only by the command that made it
	CreatedAt  *time.Time      `json:"created_at,omitempty"`
	ExpiresAt  *time.Time      `json:"expires_at,omitempty"`
	RevokedAt  *time.Time      `json:"revoked_at,omitempty"`
	LastUsedAt *time.Time      `json:"last_used_at,omitempty"`
	Spending   *Spending       `json:"spending,omitempty"`
}

// KeyView of an API key.
func KeyView(k ledger.Key) Key {
	return Key{
		ID: k.ID.String(), AccountID: k.AccountID.String(), Name: k.Name, Scopes: k.Scopes,
		CreatedAt: moment(k.CreatedAt), ExpiresAt: moment(k.ExpiresAt), RevokedAt: moment(k.RevokedAt), LastUsedAt: moment(k.LastUsedAt),
	}
}

// Spending is a key's budget in JSON.
type Spending struct {
	ReservedSat int64    `json:"reserved_sat"`
	Windows     []Window `json:"windows"`
}

// Window is one window of a budget in JSON. Without a limit, limit and remaining are null.
type Window struct {
	Window       string     `json:"window"`
	LimitSat     *int64     `json:"limit_sat"`
	SpentSat     int64      `json:"spent_sat"`
	RemainingSat *int64     `json:"remaining_sat"`
	FreesAt      *time.Time `json:"frees_at,omitempty"`
}

// SpendingView of a key's budget.
func SpendingView(s ledger.Spending) Spending {
	view := Spending{ReservedSat: int64(s.Reserved)}
	for _, w := range s.Windows {
		window := Window{Window: string(w.Window), SpentSat: int64(w.Spent), FreesAt: moment(w.FreesAt)}
		if w.Limited {
			limit, remaining := int64(w.Limit), int64(w.Remaining)
			window.LimitSat, window.RemainingSat = &limit, &remaining
		}
		view.Windows = append(view.Windows, window)
	}
	return view
}

// Build is a build of the worker in JSON.
type Build struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	CreatedAt time.Time `json:"created_at"`
}

// Payment is a payment in JSON.
type Payment struct {
	ID             string     `json:"id"`
	Kind           string     `json:"kind"`
	State          string     `json:"state"`
	AccountID      string     `json:"account_id"`
	WalletID       string     `json:"wallet_id"`
	KeyID          string     `json:"key_id,omitempty"`
	IdempotencyKey string     `json:"idempotency_key,omitempty"`
	AmountMsat     int64      `json:"amount_msat"`
	FeeMsat        int64      `json:"fee_msat"`
	FeeReserveMsat int64      `json:"fee_reserve_msat"`
	Node           string     `json:"node,omitempty"`
	PaymentHash    string     `json:"payment_hash,omitempty"`
	Preimage       string     `json:"preimage,omitempty"`
	Invoice        string     `json:"invoice,omitempty"`
	Address        string     `json:"address,omitempty"`
	TxID           string     `json:"txid,omitempty"`
	RecipientID    string     `json:"recipient_wallet_id,omitempty"`
	ExpiryHeight   uint32     `json:"expiry_height,omitempty"`
	Memo           string     `json:"memo,omitempty"`
	Failure        *Failure   `json:"failure,omitempty"`
	CreatedAt      *time.Time `json:"created_at,omitempty"`
	ResolvedAt     *time.Time `json:"resolved_at,omitempty"`
	Timeline       []Event    `json:"timeline,omitempty"`
}

// Failure is a refusal or failure in JSON.
type Failure struct {
	Reason  string     `json:"reason,omitempty"` // empty for wrong usage
	Message string     `json:"message"`
	Budget  *Shortfall `json:"budget,omitempty"`
}

// Shortfall is why a budget refused, in JSON. Without FreesAt the payment can never fit.
type Shortfall struct {
	Window       string     `json:"window"`
	LimitSat     int64      `json:"limit_sat"`
	SpentSat     int64      `json:"spent_sat"`
	RemainingSat int64      `json:"remaining_sat"`
	NeededSat    int64      `json:"needed_sat"`
	FreesAt      *time.Time `json:"frees_at,omitempty"`
}

// Event is a line of a payment's timeline in JSON.
type Event struct {
	At     time.Time         `json:"at"`
	State  string            `json:"state"`
	Name   string            `json:"name"`
	Detail map[string]string `json:"detail,omitempty"`
}

// PaymentView of a payment and, where it was read, its timeline.
func PaymentView(p ledger.Payment, timeline []ledger.Event) Payment {
	view := Payment{
		ID: p.ID.String(), Kind: string(p.Kind), State: string(p.State), AccountID: p.AccountID.String(), WalletID: p.WalletID.String(),
		KeyID: text(p.KeyID), IdempotencyKey: p.IdempotencyKey, AmountMsat: int64(p.Amount), FeeMsat: int64(p.Fee),
		FeeReserveMsat: int64(p.FeeReserve), Node: p.Node, Preimage: hex.EncodeToString(p.Preimage), Invoice: p.Invoice,
		Address: p.Address, TxID: p.TxID, RecipientID: text(p.RecipientID), ExpiryHeight: p.Expiry, Memo: p.Memo,
		Failure: failureView(p.Failure), CreatedAt: moment(p.CreatedAt), ResolvedAt: moment(p.ResolvedAt),
	}
	if !p.PaymentHash.IsZero() {
		view.PaymentHash = p.PaymentHash.String()
	}
	for _, e := range timeline {
		view.Timeline = append(view.Timeline, Event{At: e.At.UTC(), State: string(e.State), Name: e.Name, Detail: e.Detail})
	}
	return view
}

func failureView(f *payment.Failure) *Failure {
	if f == nil {
		return nil
	}
	view := &Failure{Reason: string(f.Reason), Message: f.Message}
	if b := f.Budget; b != nil {
		view.Budget = &Shortfall{
			Window: string(b.Window), LimitSat: int64(b.Limit), SpentSat: int64(b.Spent), RemainingSat: int64(b.Remaining),
			NeededSat: int64(b.Needed), FreesAt: moment(b.FreesAt),
		}
	}
	return view
}

// Check is a line of `holdfast check` in JSON.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// text is an id, empty for the zero one.
func text(id payment.ID) string {
	if id == (payment.ID{}) {
		return ""
	}
	return id.String()
}

// moment leaves the zero time out of JSON.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC()
	return &utc
}

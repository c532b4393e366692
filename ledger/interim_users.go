package ledger

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/payment"
)

// User is interim, until branch identity is merged.
type User struct {
	AccountID       payment.AccountID
	Phone           string
	Username        string
	Language        string
	DisplayCurrency string
	DefaultWalletID payment.WalletID
	CreatedAt       time.Time
}

// Callback is interim.
type Callback struct {
	ID  uuid.UUID
	URL string
}

// Contact is interim.
type Contact struct {
	Username     string
	Transactions int64
}

func interim() error { return payment.Errorf(payment.ReasonInternal, "not merged yet") }

func (l *Ledger) Login(ctx context.Context, phone string) (User, error) { return User{}, interim() }
func (l *Ledger) User(ctx context.Context, account payment.AccountID) (User, error) {
	return User{AccountID: account}, nil
}
func (l *Ledger) UserByUsername(ctx context.Context, name string) (User, error) {
	return User{}, payment.Errorf(payment.ReasonAccountNotFound, "x")
}
func (l *Ledger) SetUsername(ctx context.Context, account payment.AccountID, name string) error {
	return interim()
}
func (l *Ledger) SetDisplayCurrency(ctx context.Context, account payment.AccountID, currency string) error {
	return interim()
}
func (l *Ledger) SetDefaultWallet(ctx context.Context, account payment.AccountID, wallet payment.WalletID) error {
	return interim()
}
func (l *Ledger) Callbacks(ctx context.Context, account payment.AccountID) ([]Callback, error) {
	return nil, nil
}
func (l *Ledger) AddCallback(ctx context.Context, account payment.AccountID, url string) (Callback, error) {
	return Callback{}, interim()
}
func (l *Ledger) DeleteCallback(ctx context.Context, account payment.AccountID, id uuid.UUID) error {
	return interim()
}
func (l *Ledger) Contacts(ctx context.Context, account payment.AccountID) ([]Contact, error) {
	return nil, nil
}
func (l *Ledger) OwnKey(ctx context.Context, account payment.AccountID, id payment.KeyID) (Key, error) {
	k, err := l.Key(ctx, id)
	if err == nil && k.AccountID != account {
		return Key{}, noKey()
	}
	return k, err
}

package payment

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"
)

// ID names a payment. It is also the id of the payment's workflow.
type ID = uuid.UUID

// AccountID names a customer; it owns wallets and API keys.
type AccountID = uuid.UUID

// WalletID names one wallet of an account, in one currency.
type WalletID = uuid.UUID

// KeyID names an API key. The zero value means: no key, hence no budget.
type KeyID = uuid.UUID

// NewID returns a time-ordered UUIDv7, so that rows of one day stay close together on disk.
func NewID() ID { return uuid.Must(uuid.NewV7()) }

// IDFor returns the payment's id for a call that may be repeated. With an idempotency key it is derived
// (UUIDv8, RFC 9562) from account and key, so that two calls at once become one workflow before either has
// reached the database; without one it is a new UUIDv7.
func IDFor(account AccountID, idempotencyKey string) ID {
	if idempotencyKey == "" {
		return NewID()
	}
	h := sha256.New()
	h.Write([]byte("holdfast/payment/1"))
	h.Write(account[:])
	h.Write([]byte(idempotencyKey))
	var id ID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80 // version 8
	id[8] = id[8]&0x3f | 0x80 // variant of RFC 9562
	return id
}

// Hash is a lightning payment hash: SHA-256 of the preimage (BOLT 11). The zero value means none.
type Hash [32]byte

// ParseHash reads 64 hexadecimal digits.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("a payment hash has 64 hexadecimal digits, this has %d characters", len(s))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return Hash{}, fmt.Errorf("a payment hash has 64 hexadecimal digits: %w", err)
	}
	return h, nil
}

// String prints 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero reports whether there is no hash.
func (h Hash) IsZero() bool { return h == Hash{} }

// MarshalText prints hexadecimal digits, nothing for the zero hash.
func (h Hash) MarshalText() ([]byte, error) {
	if h.IsZero() {
		return nil, nil
	}
	return []byte(h.String()), nil
}

// UnmarshalText is the inverse of MarshalText.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*h = Hash{}
		return nil
	}
	parsed, err := ParseHash(string(text))
	*h = parsed
	return err
}

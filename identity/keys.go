package identity

import (
	"context"
	"crypto/subtle"
	"slices"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// KeyRecord is what must be known of an API key to let it in.
type KeyRecord struct {
	ID         payment.KeyID
	AccountID  payment.AccountID
	Scopes     []payment.Scope
	RevokedAt  time.Time // zero: not revoked
	ExpiresAt  time.Time // zero: never
	SecretHash [32]byte  // SHA-256 of the secret
}

// KeyStore finds API keys; the ledger is one. Errors: ReasonKeyNotFound where there is none.
type KeyStore interface {
	KeyBySecretHash(ctx context.Context, hash [32]byte) (KeyRecord, error)
	KeyByID(ctx context.Context, id payment.KeyID) (KeyRecord, error)
}

// active reports whether the key may be used at a time.
func (k KeyRecord) active(now time.Time) bool {
	return k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// bySecret lets in whoever shows an API key's secret. What cannot be a secret is not looked up.
func (a *Authenticator) bySecret(ctx context.Context, secret string) (Principal, error) {
	if !isSecret(secret, a.prefix) {
		return Principal{}, badKey()
	}
	hash := Hash(secret)
	key, err := a.keys.KeyBySecretHash(ctx, hash)
	if err != nil {
		return Principal{}, refusalOf(err, badKey())
	}
	if subtle.ConstantTimeCompare(key.SecretHash[:], hash[:]) != 1 {
		return Principal{}, badKey()
	}
	now := a.clock()
	if !key.active(now) {
		return Principal{}, badKey()
	}
	a.use(key.ID, now)
	return Principal{AccountID: key.AccountID, KeyID: key.ID, Scopes: slices.Clone(key.Scopes)}, nil
}

// refusalOf answers bad where there is no such key; a store that is away is not a wrong key.
func refusalOf(err error, bad *payment.Error) error {
	if payment.IsReason(err, payment.ReasonKeyNotFound) {
		return bad
	}
	return err
}

func (a *Authenticator) use(key payment.KeyID, now time.Time) {
	if a.used != nil {
		a.used.Note(key, now)
	}
}

package identity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestAKeyIsItsAccountWithItsScopes(t *testing.T) {
	t.Parallel()
	key, secret := newKey(t, uuid.New(), payment.ScopeRead)
	a := door(t, identity.Config{Keys: newStore(key)})
	who, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: secret})
	if err != nil || who.AccountID != key.AccountID || who.KeyID != key.ID || who.IsSession() || who.Has(payment.ScopeWrite) || !who.Has(payment.ScopeRead) {
		t.Fatalf("%+v, %v", who, err)
	}
	nobody, err := a.Authenticate(t.Context(), identity.Credentials{})
	if err != nil || !nobody.IsZero() {
		t.Fatalf("without credentials: %+v, %v", nobody, err)
	}
}

// Revocation and expiry hold for the very next request: nothing is cached.
func TestAKeyEndsAtOnce(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	for name, end := range map[string]func(*identity.KeyRecord){
		"revoked":        func(k *identity.KeyRecord) { k.RevokedAt = noon() },
		"expires now":    func(k *identity.KeyRecord) { k.ExpiresAt = noon() },
		"expired before": func(k *identity.KeyRecord) { k.ExpiresAt = noon().Add(-time.Hour) },
	} {
		key, secret := newKey(t, account, payment.Scopes()...)
		key.ExpiresAt = noon().Add(time.Nanosecond)
		keys := newStore(key)
		a := door(t, identity.Config{Keys: keys})
		if _, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: secret}); err != nil {
			t.Fatal(err)
		}
		keys.change(key.ID, end)
		who, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: secret})
		t.Run(name, func(t *testing.T) { wantReason(t, who, err, payment.ReasonUnauthenticated, secret) })
	}
}

// What cannot be a secret costs no look-up.
func TestMalformedSecretsAreNotLookedUp(t *testing.T) {
	t.Parallel()
	key, secret := newKey(t, uuid.New(), payment.ScopeRead)
	keys := newStore(key)
	a := door(t, identity.Config{Keys: keys, SecretPrefix: "dev"})
	random := strings.TrimPrefix(secret, "dev_")
	for _, bad := range []string{
		"x", "dev_", "dev_" + random[1:], "dev_" + random + "a", "live_" + random, random, "_" + random, "dev" + random,
		"dev_" + random[:63] + "_", "dev_" + random[:63] + "é", "DEV_" + random, " " + secret, "dev__" + random[1:],
	} {
		who, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: bad})
		wantReason(t, who, err, payment.ReasonUnauthenticated)
	}
	if n := keys.reads.Load(); n != 0 {
		t.Errorf("%d look-ups", n)
	}
	_, other := newKey(t, key.AccountID)
	if who, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: other}); err == nil {
		t.Errorf("another secret is %+v", who)
	}
	if _, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: secret}); err != nil {
		t.Error(err)
	}
	anyPrefix := door(t, identity.Config{Keys: keys})
	if _, err := anyPrefix.Authenticate(t.Context(), identity.Credentials{APIKey: secret}); err != nil {
		t.Errorf("without configured prefixes: %v", err)
	}
}

// Invariant 3: a store that answers another key's row lets nobody in.
func TestTheHashIsComparedAgain(t *testing.T) {
	t.Parallel()
	key, secret := newKey(t, uuid.New(), payment.ScopeRead)
	a := door(t, identity.Config{Keys: careless{newStore(key), key}})
	other := "dev_" + strings.Repeat("a", 64)
	who, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: other})
	wantReason(t, who, err, payment.ReasonUnauthenticated)
	if _, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: secret}); err != nil {
		t.Error(err)
	}
}

type careless struct {
	*store
	key identity.KeyRecord
}

func (c careless) KeyBySecretHash(ctx context.Context, _ [32]byte) (identity.KeyRecord, error) {
	return c.KeyByID(ctx, c.key.ID)
}

// Closed, never open: a store that is away lets nobody in, and does not call a key wrong.
func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	key, secret := newKey(t, uuid.New(), payment.ScopeRead)
	keys := newStore(key)
	keys.away = payment.Errorf(payment.ReasonUnavailable, "away").Because(errors.New("connection refused"))
	provider := newEd(t, "1")
	a := door(t, identity.Config{Keys: keys, Issuer: identity.Issuer{Name: issuerName, Audience: audience, JWKS: keySet(t, provider)}})
	who, err := a.Authenticate(t.Context(), identity.Credentials{APIKey: secret})
	wantReason(t, who, err, payment.ReasonUnavailable, secret)
	token := provider.sign(t, with(claims(key.AccountID), "api_key_id", key.ID.String()))
	who, err = a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
	wantReason(t, who, err, payment.ReasonUnavailable, token)
	who, err = a.Authenticate(t.Context(), identity.Credentials{Bearer: token, APIKey: secret})
	wantReason(t, who, err, payment.ReasonUnauthenticated, token, secret)
}

package ledger_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// keys is the ledger as an authenticator's store, as package api makes it.
type keys struct{ *ledger.Ledger }

func (k keys) KeyBySecretHash(ctx context.Context, hash [32]byte) (identity.KeyRecord, error) {
	return record(k.KeyBySecret(ctx, hash))
}

func (k keys) KeyByID(ctx context.Context, id payment.KeyID) (identity.KeyRecord, error) {
	return record(k.Key(ctx, id))
}

func record(k ledger.Key, err error) (identity.KeyRecord, error) {
	return identity.KeyRecord{
		ID: k.ID, AccountID: k.AccountID, Scopes: k.Scopes, RevokedAt: k.RevokedAt, ExpiresAt: k.ExpiresAt, SecretHash: k.SecretHash,
	}, err
}

// gate is a ledger, the development login, and an authenticator over both.
type gate struct {
	*identity.Authenticator
	l    *ledger.Ledger
	dev  *identity.DevIssuer
	used *identity.LastUsed
}

func newGate(t *testing.T) gate {
	t.Helper()
	g := gate{l: ledgertest.New(t)}
	g.dev = must[*identity.DevIssuer](t)(identity.NewDevIssuer(filepath.Join(t.TempDir(), "key"), nil))
	g.used = identity.NewLastUsed(g.l, time.Hour, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = g.used.Close(context.Background()) }) // a second time where the test has done it
	g.Authenticator = must[*identity.Authenticator](t)(identity.NewAuthenticator(identity.Config{
		Keys: keys{g.l}, Issuer: g.dev.Issuer(), Used: g.used,
		Ensure: func(ctx context.Context, id payment.AccountID) error {
			_, err := g.l.EnsureAccount(ctx, id)
			return err
		},
	}))
	t.Cleanup(g.Close)
	return g
}

func newSecret(t *testing.T) string {
	t.Helper()
	return must[string](t)(identity.NewSecret("dev", rand.Reader))
}

// TestSessionsOfTheLedger: an account that comes by a token for the first time has its wallets.
func TestSessionsOfTheLedger(t *testing.T) {
	t.Parallel()
	g, account := newGate(t), uuid.New()
	token := must[string](t)(g.dev.Mint(account, time.Hour))
	for range 2 {
		p := must[identity.Principal](t)(g.Authenticate(t.Context(), identity.Credentials{Bearer: token}))
		if !p.IsSession() || p.AccountID != account || !slices.Equal(p.Scopes, payment.Scopes()) {
			t.Fatalf("%+v", p)
		}
		wantFurnished(t, g.l, must[ledger.User](t)(g.l.User(t.Context(), account)))
	}
}

// TestKeysOfTheLedger: a key is at once there, and at once gone, by its secret and where a gateway vouches for it.
func TestKeysOfTheLedger(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	g, account, secret := newGate(t), uuid.New(), newSecret(t)
	key := must[ledger.Key](t)(g.l.CreateKey(ctx,
		ledger.Key{ID: payment.NewID(), AccountID: account, Scopes: []payment.Scope{payment.ScopeRead}}, identity.Hash(secret)))
	p := must[identity.Principal](t)(g.Authenticate(ctx, identity.Credentials{APIKey: secret}))
	if p.KeyID != key.ID || p.AccountID != account || !slices.Equal(p.Scopes, key.Scopes) {
		t.Fatalf("%+v", p)
	}
	_, err := g.Authenticate(ctx, identity.Credentials{APIKey: newSecret(t)})
	wantReason(t, err, payment.ReasonUnauthenticated)
	if err := g.l.RevokeKey(ctx, account, key.ID); err != nil {
		t.Fatal(err)
	}
	_, err = g.Authenticate(ctx, identity.Credentials{APIKey: secret})
	wantReason(t, err, payment.ReasonUnauthenticated)
	if err := g.used.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if k := must[ledger.Key](t)(g.l.Key(ctx, key.ID)); k.LastUsedAt.IsZero() {
		t.Fatalf("%+v", k)
	}
}

// TestALedgerThatIsAwayLetsNobodyIn: closed, never open.
func TestALedgerThatIsAwayLetsNobodyIn(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	token := must[string](t)(g.dev.Mint(uuid.New(), time.Hour))
	g.l.Close()
	for _, c := range []identity.Credentials{{APIKey: newSecret(t)}, {Bearer: token}} {
		p, err := g.Authenticate(t.Context(), c)
		wantReason(t, err, payment.ReasonUnavailable)
		if !p.IsZero() {
			t.Errorf("%+v", p)
		}
	}
}

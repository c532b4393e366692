package access_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/access"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestMain(m *testing.M) { ledgertest.Main(m) }

// door is a ledger, the development login, and what they make of credentials.
type door struct {
	books    *ledger.Ledger
	dev      *identity.DevIssuer
	used     *identity.LastUsed
	byHeader func(context.Context, http.Header) (context.Context, error)
	byParams func(context.Context, map[string]any) (context.Context, error)
}

func open(t *testing.T) door {
	t.Helper()
	d := door{books: ledgertest.New(t)}
	var err error
	if d.dev, err = identity.NewDevIssuer(filepath.Join(t.TempDir(), "key"), nil); err != nil {
		t.Fatal(err)
	}
	d.used = identity.NewLastUsed(d.books, time.Hour, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = d.used.Close(context.Background()) }) // a second time where the test has done it
	who, err := identity.NewAuthenticator(identity.Config{Keys: access.Keys{Ledger: d.books}, Issuer: d.dev.Issuer(), Used: d.used})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(who.Close)
	d.byHeader, d.byParams = access.ByHeader(who, d.books), access.ByParams(who, d.books)
	return d
}

func (d door) token(t *testing.T, account payment.AccountID) string {
	t.Helper()
	token, err := d.dev.Mint(account, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func newSecret(t *testing.T) string {
	t.Helper()
	secret, err := identity.NewSecret("dev", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// Invariant 2: an account that comes by a token for the first time.
func TestSessions(t *testing.T) {
	t.Parallel()
	d, account := open(t), uuid.New()
	for range 2 {
		session, err := d.byHeader(t.Context(), http.Header{"Authorization": {"Bearer " + d.token(t, account)}})
		if err != nil {
			t.Fatal(err)
		}
		if p := identity.PrincipalFrom(session); !p.IsSession() || p.AccountID != account || !slices.Equal(p.Scopes, payment.Scopes()) {
			t.Fatalf("%+v", p)
		}
		if wallets, err := d.books.Wallets(t.Context(), account); err != nil || len(wallets) != 2 {
			t.Fatalf("its wallets: %+v, %v", wallets, err)
		}
	}
	nobody, err := d.byHeader(t.Context(), http.Header{})
	if err != nil || !identity.PrincipalFrom(nobody).IsZero() {
		t.Errorf("without credentials: %v", err)
	}
}

// Invariant 1: a key is at once there, and at once gone.
func TestKeys(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d, account, secret := open(t), uuid.New(), newSecret(t)
	key, err := d.books.CreateKey(ctx, ledger.Key{ID: payment.NewID(), AccountID: account, Scopes: []payment.Scope{payment.ScopeRead}}, identity.Hash(secret))
	if err != nil {
		t.Fatal(err)
	}
	asked, err := d.byParams(ctx, map[string]any{"x-api-key": secret})
	if err != nil {
		t.Fatal(err)
	}
	if p := identity.PrincipalFrom(asked); p.KeyID != key.ID || p.AccountID != account || !slices.Equal(p.Scopes, key.Scopes) {
		t.Fatalf("%+v", p)
	}
	if err := d.books.RevokeKey(ctx, account, key.ID); err != nil {
		t.Fatal(err)
	}
	token := d.token(t, account)
	for name, err := range map[string]error{
		"revoked":       second(d.byHeader(ctx, http.Header{"X-Api-Key": {secret}})),
		"unknown":       second(d.byHeader(ctx, http.Header{"X-Api-Key": {newSecret(t)}})),
		"both":          second(d.byHeader(ctx, http.Header{"Authorization": {"Bearer " + token}, "X-Api-Key": {secret}})),
		"not text":      second(d.byParams(ctx, map[string]any{"Authorization": 5})),
		"another token": second(d.byParams(ctx, map[string]any{"Authorization": "Bearer " + token + "x"})),
	} {
		if !payment.IsReason(err, payment.ReasonUnauthenticated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := d.used.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if k, err := d.books.Key(ctx, key.ID); err != nil || k.LastUsedAt.IsZero() {
		t.Errorf("last used: %+v, %v", k, err)
	}
}

// Closed, never open.
func TestALedgerThatIsAwayLetsNobodyIn(t *testing.T) {
	t.Parallel()
	d := open(t)
	secret, token := newSecret(t), d.token(t, uuid.New())
	d.books.Close()
	for _, header := range []http.Header{{"X-Api-Key": {secret}}, {"Authorization": {"Bearer " + token}}} {
		if ctx, err := d.byHeader(t.Context(), header); ctx != nil || !payment.IsReason(err, payment.ReasonUnavailable) {
			t.Errorf("%v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

package identity_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	issuerName = "https://login.example"
	audience   = "https://pay.example"
)

// noon is when the tests take place.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// signer is a key of an identity provider.
type signer struct {
	kid    string
	method jwt.SigningMethod
	key    crypto.Signer
}

func newRSA(t testing.TB, kid string) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, jwt.SigningMethodRS256, key}
}

func newEC(t testing.TB, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, jwt.SigningMethodES256, key}
}

func newEd(t testing.TB, kid string) signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, jwt.SigningMethodEdDSA, key}
}

// keySet is the JWKS of the public keys.
func keySet(t testing.TB, signers ...signer) []byte {
	t.Helper()
	set := jwkset.NewMemoryStorage()
	for _, s := range signers {
		jwk, err := jwkset.NewJWKFromKey(s.key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: s.kid, ALG: jwkset.ALG(s.method.Alg()), USE: jwkset.UseSig}})
		if err != nil {
			t.Fatal(err)
		}
		if err := set.KeyWrite(t.Context(), jwk); err != nil {
			t.Fatal(err)
		}
	}
	text, err := set.JSONPublic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// claims of a good session token for an account.
func claims(account payment.AccountID) jwt.MapClaims {
	return jwt.MapClaims{
		"iss": issuerName, "aud": audience, "sub": account.String(),
		"iat": noon().Add(-time.Minute).Unix(), "exp": noon().Add(time.Hour).Unix(),
	}
}

// with changes claims; nil takes one out.
func with(c jwt.MapClaims, name string, value any) jwt.MapClaims {
	c[name] = value
	if value == nil {
		delete(c, name)
	}
	return c
}

func (s signer) sign(t testing.TB, c jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(s.method, c)
	if s.kid != "" {
		token.Header["kid"] = s.kid
	}
	text, err := token.SignedString(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// provider serves a key set, or whatever it is told, and counts who asks.
type provider struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func newProvider(t testing.TB, set []byte) *provider {
	t.Helper()
	p := &provider{}
	p.serve(set)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		p.Close()
	})
	return p
}

func (p *provider) serve(set []byte) {
	p.do(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })
}

func (p *provider) do(h http.HandlerFunc) { p.answer.Store(&h) }

func (p *provider) issuer() identity.Issuer {
	return identity.Issuer{Name: issuerName, Audience: audience, JWKSURL: p.URL}
}

// store is a KeyStore in memory.
type store struct {
	mu    sync.Mutex
	keys  map[payment.KeyID]identity.KeyRecord
	away  error
	reads atomic.Int64
}

func newStore(keys ...identity.KeyRecord) *store {
	s := &store{keys: map[payment.KeyID]identity.KeyRecord{}}
	for _, k := range keys {
		s.keys[k.ID] = k
	}
	return s
}

func (s *store) find(match func(identity.KeyRecord) bool) (identity.KeyRecord, error) {
	s.reads.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return identity.KeyRecord{}, s.away
	}
	for _, k := range s.keys {
		if match(k) {
			return k, nil
		}
	}
	return identity.KeyRecord{}, payment.Errorf(payment.ReasonKeyNotFound, "API key not found.")
}

func (s *store) KeyBySecretHash(_ context.Context, hash [32]byte) (identity.KeyRecord, error) {
	return s.find(func(k identity.KeyRecord) bool { return k.SecretHash == hash })
}

func (s *store) KeyByID(_ context.Context, id payment.KeyID) (identity.KeyRecord, error) {
	return s.find(func(k identity.KeyRecord) bool { return k.ID == id })
}

func (s *store) change(id payment.KeyID, how func(*identity.KeyRecord)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.keys[id]
	how(&k)
	s.keys[id] = k
}

// newKey makes a key and its secret.
func newKey(t testing.TB, account payment.AccountID, scopes ...payment.Scope) (identity.KeyRecord, string) {
	t.Helper()
	secret, err := identity.NewSecret("dev", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return identity.KeyRecord{ID: uuid.New(), AccountID: account, Scopes: scopes, SecretHash: identity.Hash(secret)}, secret
}

// door makes an authenticator at noon.
func door(t testing.TB, cfg identity.Config) *identity.Authenticator {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = newStore()
	}
	if cfg.Clock == nil {
		cfg.Clock = noon
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	a, err := identity.NewAuthenticator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// wantReason also checks that the message says what to do and tells no secret.
func wantReason(t testing.TB, who identity.Principal, err error, want payment.Reason, secrets ...string) {
	t.Helper()
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || coded.Reason != want || !who.IsZero() {
		t.Fatalf("got %+v, %v, want %s", who, err, want)
	}
	for _, secret := range secrets {
		if bytes.Contains([]byte(err.Error()), []byte(secret)) {
			t.Fatalf("the error tells the secret: %v", err)
		}
	}
}

package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-pay/holdfast/payment"
)

// Whose tokens those of the development login are.
const (
	devIssuerName = "holdfast-development"
	devAudience   = "holdfast"
	pemType       = "PRIVATE KEY"
)

// DevIssuer signs the tokens of the development login. In production an identity provider does that: never make one there.
type DevIssuer struct {
	key   ed25519.PrivateKey
	id    string // kid
	clock func() time.Time
}

// NewDevIssuer reads the issuer's key from a file that only its owner may read, or makes it there. clock is nil for
// time.Now.
func NewDevIssuer(file string, clock func() time.Time) (*DevIssuer, error) {
	if clock == nil {
		clock = time.Now
	}
	key, err := readKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeKey(file); err == nil {
			key, err = readKey(file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the development login: %w", err)
	}
	public := sha256.Sum256(key.Public().(ed25519.PublicKey))
	return &DevIssuer{key: key, id: base64.RawURLEncoding.EncodeToString(public[:12]), clock: clock}, nil
}

func readKey(file string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others: chmod 600 it, or remove it for a new one", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, fmt.Errorf("%s is not a private key in PEM: remove it for a new one", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an Ed25519 key: remove it for a new one", file)
	}
	return key, nil
}

// makeKey puts a whole key there at once; if another process was faster, its key is the one.
func makeKey(file string) (err error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(file), ".key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(draft.Name())) }()
	err = pem.Encode(draft, &pem.Block{Type: pemType, Bytes: der})
	if err = errors.Join(err, draft.Close()); err != nil {
		return err
	}
	if err = os.Link(draft.Name(), file); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Mint makes a session token for an account: all scopes, no API key.
func (d *DevIssuer) Mint(account payment.AccountID, ttl time.Duration) (string, error) {
	if account == (payment.AccountID{}) || ttl <= 0 {
		return "", errors.New("a token is for an account, and lives for some time")
	}
	now := d.clock()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.RegisteredClaims{
		Issuer: devIssuerName, Audience: jwt.ClaimStrings{devAudience}, Subject: account.String(),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)), ID: payment.NewID().String(),
	})
	token.Header["kid"] = d.id
	signed, err := token.SignedString(d.key)
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed, nil
}

// JWKS is the public key as a JSON Web Key Set.
func (d *DevIssuer) JWKS() []byte {
	public := d.key.Public().(ed25519.PublicKey)
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": d.id, "x": base64.RawURLEncoding.EncodeToString(public),
	}}})
	if err != nil {
		panic("identity: a key set of plain strings must encode: " + err.Error())
	}
	return set
}

// ServeHTTP answers the key set.
func (d *DevIssuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(d.JWKS()) // the client has gone
}

// Issuer is the configuration by which an authenticator in the same process believes these tokens.
func (d *DevIssuer) Issuer() Issuer {
	return Issuer{Name: devIssuerName, Audience: devAudience, JWKS: d.JWKS(), Algorithms: []string{"EdDSA"}}
}

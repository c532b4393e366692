package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
	"golang.org/x/time/rate"

	"github.com/holdfast-pay/holdfast/payment"
)

// Issuer is an identity provider whose tokens (JWTs) are believed, pinned in every respect.
type Issuer struct {
	Name       string        // the claim iss, exactly
	Audience   string        // must be among the claim aud
	JWKSURL    string        // where its public keys are; or
	JWKS       []byte        // the public keys themselves
	Algorithms []string      // none: RS256, ES256 and EdDSA. Shared secrets (HS…) and "none" cannot be allowed
	Leeway     time.Duration // for clocks that differ; 0: 10 s
	// Refresh is how often the keys at JWKSURL are read again; 0: 15 min. An unknown key id has them read at once, but at most
	// every half minute.
	Refresh time.Duration
	// AllowHTTP is for networks where nobody else can answer at JWKSURL: without it, http:// is for loopback addresses only.
	AllowHTTP bool
}

const (
	defaultLeeway  = 10 * time.Second
	maxLeeway      = 5 * time.Minute
	defaultRefresh = 15 * time.Minute
	unknownEvery   = 30 * time.Second
	fetchTimeout   = 5 * time.Second
	unknownWait    = 3 * time.Second // what a request with an unknown key id waits for the refresh
	maxKeySet      = 256 << 10       // bytes
)

func defaultAlgorithms() []string { return []string{"RS256", "ES256", "EdDSA"} }

// Signatures are the algorithms that tokens may be signed with: the issuer alone can sign, and a JWKS can carry the key.
func Signatures() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

func (i Issuer) isZero() bool {
	return i.Name == "" && i.Audience == "" && i.JWKSURL == "" && len(i.JWKS) == 0
}

func (i Issuer) check() error {
	var wrong []error
	if i.Name == "" {
		wrong = append(wrong, errors.New("the issuer of tokens is missing"))
	}
	if i.Audience == "" {
		wrong = append(wrong, errors.New("the audience of tokens is missing"))
	}
	if (i.JWKSURL == "") == (len(i.JWKS) == 0) {
		wrong = append(wrong, errors.New("either the URL of the issuer's keys (JWKS) or the keys must be given"))
	}
	if at, err := url.Parse(i.JWKSURL); i.JWKSURL != "" && (err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https") {
		wrong = append(wrong, errors.New("the URL of the issuer's keys (JWKS) must begin with https:// or http://"))
	}
	if !i.AllowHTTP && InTheClear(i.JWKSURL) {
		wrong = append(wrong, errors.New("the issuer's keys (JWKS) are read over http://, where others could answer in its place: use https://, or allow it"))
	}
	for _, name := range i.Algorithms {
		if !slices.Contains(Signatures(), name) {
			wrong = append(wrong, fmt.Errorf("the algorithm %q is not allowed for tokens: use one of %s", name, strings.Join(Signatures(), ", ")))
		}
	}
	if i.Leeway < 0 || i.Leeway > maxLeeway || i.Refresh < 0 {
		wrong = append(wrong, fmt.Errorf("the leeway of tokens is 0 to %v, and the refresh of keys not negative", maxLeeway))
	}
	return errors.Join(wrong...)
}

// InTheClear reports whether a URL is read over http:// from another machine: whoever is on the way could answer.
func InTheClear(link string) bool {
	at, err := url.Parse(link)
	if err != nil || at.Scheme != "http" || at.Host == "" || at.Hostname() == "localhost" {
		return false
	}
	address, err := netip.ParseAddr(at.Hostname())
	return err != nil || !address.Unmap().IsLoopback()
}

// tokens verifies the JWTs of one issuer.
type tokens struct {
	parser *jwt.Parser
	keys   keyfunc.Keyfunc
}

func newTokens(ctx context.Context, i Issuer, clock func() time.Time, log *slog.Logger) (*tokens, error) {
	if len(i.Algorithms) == 0 {
		i.Algorithms = defaultAlgorithms()
	}
	if i.Leeway == 0 {
		i.Leeway = defaultLeeway
	}
	if i.Refresh == 0 {
		i.Refresh = defaultRefresh
	}
	t := &tokens{parser: jwt.NewParser(
		jwt.WithValidMethods(i.Algorithms), jwt.WithIssuer(i.Name), jwt.WithAudience(i.Audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(i.Leeway), jwt.WithTimeFunc(clock), jwt.WithStrictDecoding(),
	)}
	var err error
	if i.JWKSURL == "" {
		t.keys, err = keyfunc.NewJWKSetJSON(i.JWKS)
		return t, err
	}
	atStart := true // an issuer that is away at the start is asked again later
	t.keys, err = keyfunc.NewDefaultOverrideCtx(ctx, []string{i.JWKSURL}, keyfunc.Override{
		Client: fetcher(), HTTPTimeout: fetchTimeout, NoErrorReturnFirstHTTPReq: &atStart,
		RefreshInterval: i.Refresh, RefreshUnknownKID: rate.NewLimiter(rate.Every(unknownEvery), 1), RateLimitWaitMax: unknownWait,
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				log.Warn("the keys of the identity provider could not be read; the known ones stay", "issuer", i.Name, "error", err)
			}
		},
	})
	return t, err
}

// fetcher reads key sets: no redirects, no more bytes than a key set has.
func fetcher() *http.Client {
	return &http.Client{
		Timeout:       fetchTimeout,
		Transport:     limited{http.DefaultTransport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type limited struct{ http.RoundTripper }

// RoundTrip cuts the body off at maxKeySet with an error, so that half a key set is never taken for a whole one.
func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxKeySet)
	}
	return resp, err
}

// without reports whether no key has ever been read.
func (t *tokens) without() bool {
	known, err := t.keys.Storage().KeyReadAll(context.Background())
	return err != nil || len(known) == 0
}

// claims of a token (docs/auth.md, "An identity provider of your own").
type claims struct {
	jwt.RegisteredClaims
	Scope    scopeClaim `json:"scope"`
	APIKeyID string     `json:"api_key_id"`
}

// verified is what a token proves.
type verified struct {
	account payment.AccountID
	key     payment.KeyID // zero: the owner's session
	scopes  []payment.Scope
}

func (t *tokens) verify(token string) (verified, error) {
	var c claims
	// Not the request's context: a caller that hangs up must not break off the refresh that others wait for.
	parsed, err := t.parser.ParseWithClaims(token, &c, t.keys.Keyfunc)
	if err != nil {
		return verified{}, t.asError(err)
	}
	if _, critical := parsed.Header["crit"]; critical {
		return verified{}, badToken().Because(errors.New("its header says that it must be understood in a way that we do not know"))
	}
	account, err := uuid.Parse(c.Subject)
	if err != nil || account == uuid.Nil {
		return verified{}, badToken().Because(fmt.Errorf("its sub is not an account's id: %q", c.Subject))
	}
	v := verified{account: account, scopes: c.Scope.scopes}
	if !c.Scope.given {
		v.scopes = payment.Scopes()
	}
	if c.APIKeyID != "" {
		if v.key, err = uuid.Parse(c.APIKeyID); err != nil || v.key == uuid.Nil {
			return verified{}, badToken().Because(fmt.Errorf("its api_key_id is not a key's id: %q", c.APIKeyID))
		}
	}
	return v, nil
}

// scopeClaim is the claim scope: words separated by spaces, in any case. Words that are not ours are passed over. A claim
// without any of ours allows nothing; only where the claim is missing is everything allowed.
type scopeClaim struct {
	given  bool
	scopes []payment.Scope
}

// UnmarshalJSON reads the text; null allows nothing.
func (s *scopeClaim) UnmarshalJSON(data []byte) error {
	*s = scopeClaim{given: true, scopes: []payment.Scope{}}
	if bytes.Equal(data, []byte("null")) {
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	words := strings.Fields(strings.ToUpper(text))
	for _, scope := range payment.Scopes() {
		if slices.Contains(words, string(scope)) {
			s.scopes = append(s.scopes, scope)
		}
	}
	return nil
}

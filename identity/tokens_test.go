package identity_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// pinned is an issuer whose keys are given.
func pinned(t testing.TB, signers ...signer) identity.Issuer {
	t.Helper()
	return identity.Issuer{Name: issuerName, Audience: audience, JWKS: keySet(t, signers...)}
}

func TestTokensOfEveryKind(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	signers := []signer{newRSA(t, "rsa"), newEC(t, "ec"), newEd(t, "ed")}
	a := door(t, identity.Config{Issuer: pinned(t, signers...)})
	for _, s := range signers {
		for _, kid := range []string{s.kid, ""} {
			token := signer{kid, s.method, s.key}.sign(t, claims(account))
			who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
			if err != nil || who.AccountID != account || !who.IsSession() || !slices.Equal(who.Scopes, payment.Scopes()) || who.Subject != account.String() {
				t.Errorf("%s, kid %q: %+v, %v", s.method.Alg(), kid, who, err)
			}
		}
	}
	several := with(claims(account), "aud", []string{"other", audience})
	if _, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: signers[0].sign(t, several)}); err != nil {
		t.Errorf("one of several audiences: %v", err)
	}
}

func TestTokensThatProveNothing(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	good, stranger := newRSA(t, "rsa"), newRSA(t, "rsa")
	a := door(t, identity.Config{Issuer: pinned(t, good, newEC(t, "ec"))})
	unix := func(after time.Duration) int64 { return noon().Add(after).Unix() }
	for name, c := range map[string]jwt.MapClaims{
		"wrong issuer":              with(claims(account), "iss", "https://login.example.evil"),
		"issuer with a slash":       with(claims(account), "iss", issuerName+"/"),
		"no issuer":                 with(claims(account), "iss", nil),
		"wrong audience":            with(claims(account), "aud", "other"),
		"no audience":               with(claims(account), "aud", nil),
		"an empty list of audience": with(claims(account), "aud", []string{}),
		"expired":                   with(claims(account), "exp", unix(-time.Minute)),
		"no expiry":                 with(claims(account), "exp", nil),
		"expiry that is no number":  with(claims(account), "exp", "tomorrow"),
		"not yet valid":             with(claims(account), "nbf", unix(time.Minute)),
		"issued in the future":      with(claims(account), "iat", unix(time.Minute)),
		"no subject":                with(claims(account), "sub", nil),
		"a subject that is no id":   with(claims(account), "sub", "alice"),
		"the zero account":          with(claims(account), "sub", uuid.Nil.String()),
		"scope is a list":           with(claims(account), "scope", []string{"read"}),
		"a key that is no id":       with(claims(account), "api_key_id", "shop"),
		"the zero key":              with(claims(account), "api_key_id", uuid.Nil.String()),
		"an unknown key":            with(claims(account), "api_key_id", uuid.NewString()),
		"a key that is no text":     with(claims(account), "api_key_id", 7),
	} {
		token := good.sign(t, c)
		who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
		t.Run(name, func(t *testing.T) { wantReason(t, who, err, payment.ReasonUnauthenticated, token) })
	}
	token := good.sign(t, claims(account))
	head, rest, _ := strings.Cut(token, ".")
	body, signature, _ := strings.Cut(rest, ".")
	flipped := "A"
	if signature[5] == 'A' {
		flipped = "B"
	}
	for name, bad := range map[string]string{
		"signed by a stranger with the same kid": stranger.sign(t, claims(account)),
		"signed by a stranger without a kid":     signer{"", stranger.method, stranger.key}.sign(t, claims(account)),
		"an unknown kid":                         signer{"new", good.method, good.key}.sign(t, claims(account)),
		"the kid of a key of another kind":       signer{"ec", good.method, good.key}.sign(t, claims(account)),
		"another body":                           head + "." + strings.Split(good.sign(t, claims(uuid.New())), ".")[1] + "." + signature,
		"another signature":                      head + "." + body + "." + signature[:5] + flipped + signature[6:],
		"no signature":                           head + "." + body + ".",
		"two parts":                              head + "." + body,
		"four parts":                             token + ".x",
		"nothing":                                ".", "words": "a.b.c", "spaces": "  . . ",
	} {
		who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: bad})
		t.Run(name, func(t *testing.T) { wantReason(t, who, err, payment.ReasonUnauthenticated) })
	}
}

// Invariant 5: only the algorithms that are pinned, whatever the token says of itself.
func TestAlgorithmsArePinned(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	key := newRSA(t, "rsa")
	set := keySet(t, key)
	var published struct{ Keys []map[string]string }
	if err := json.Unmarshal(set, &published); err != nil {
		t.Fatal(err)
	}
	shared := []byte(`{"keys":[{"kty":"oct","kid":"shared","k":"c2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1lc2VzYW1lMDA"},` + strings.TrimPrefix(string(set), `{"keys":[`))
	a := door(t, identity.Config{Issuer: identity.Issuer{Name: issuerName, Audience: audience, JWKS: shared}})
	sign := func(method jwt.SigningMethod, kid string, with any) string {
		token := jwt.NewWithClaims(method, claims(account))
		token.Header["kid"] = kid
		text, err := token.SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, token := range map[string]string{
		"none":                                sign(jwt.SigningMethodNone, "rsa", jwt.UnsafeAllowNoneSignatureType),
		"HS256 with the modulus as secret":    sign(jwt.SigningMethodHS256, "rsa", []byte(published.Keys[0]["n"])),
		"HS256 with the key set as secret":    sign(jwt.SigningMethodHS256, "rsa", set),
		"HS256 with a secret of the key set":  sign(jwt.SigningMethodHS256, "shared", []byte("sesamesesamesesamesesamesesame00")),
		"RS512, which is not among the three": sign(jwt.SigningMethodRS512, "rsa", key.key),
		"PS256":                               sign(jwt.SigningMethodPS256, "rsa", key.key),
	} {
		who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
		t.Run(name, func(t *testing.T) { wantReason(t, who, err, payment.ReasonUnauthenticated, token) })
	}
	if _, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: key.sign(t, claims(account))}); err != nil {
		t.Fatalf("the proper one: %v", err)
	}
	only := door(t, identity.Config{Issuer: identity.Issuer{Name: issuerName, Audience: audience, JWKS: set, Algorithms: []string{"ES256"}}})
	who, err := only.Authenticate(t.Context(), identity.Credentials{Bearer: key.sign(t, claims(account))})
	wantReason(t, who, err, payment.ReasonUnauthenticated)
}

func TestCriticalHeadersAreNotPassedOver(t *testing.T) {
	t.Parallel()
	key := newEd(t, "ed")
	token := jwt.NewWithClaims(key.method, claims(uuid.New()))
	token.Header["kid"], token.Header["crit"], token.Header["cage"] = key.kid, []string{"cage"}, "small"
	text, err := token.SignedString(key.key)
	if err != nil {
		t.Fatal(err)
	}
	who, err := door(t, identity.Config{Issuer: pinned(t, key)}).Authenticate(t.Context(), identity.Credentials{Bearer: text})
	wantReason(t, who, err, payment.ReasonUnauthenticated)
}

func TestLeeway(t *testing.T) {
	t.Parallel()
	key := newEd(t, "ed")
	at := func(exp, nbf time.Duration) string {
		return key.sign(t, with(with(claims(uuid.New()), "exp", noon().Add(exp).Unix()), "nbf", noon().Add(nbf).Unix()))
	}
	usual := door(t, identity.Config{Issuer: pinned(t, key)})
	wide := pinned(t, key)
	wide.Leeway = time.Minute
	patient := door(t, identity.Config{Issuer: wide})
	for _, c := range []struct {
		a     *identity.Authenticator
		token string
		ok    bool
	}{
		{usual, at(-9*time.Second, 0), true}, {usual, at(-11*time.Second, 0), false}, {usual, at(time.Hour, 11*time.Second), false},
		{patient, at(-59*time.Second, 0), true}, {patient, at(-61*time.Second, 0), false}, {patient, at(time.Hour, 59*time.Second), true},
	} {
		if _, err := c.a.Authenticate(t.Context(), identity.Credentials{Bearer: c.token}); (err == nil) != c.ok {
			t.Errorf("%v, want %v", err, c.ok)
		}
	}
}

func TestScopesOfTokens(t *testing.T) {
	t.Parallel()
	const read, receive, write = payment.ScopeRead, payment.ScopeReceive, payment.ScopeWrite
	account := uuid.New()
	issuer := newEd(t, "ed")
	none := []payment.Scope{}
	for _, c := range []struct {
		name  string
		scope any // of the token; nil: no claim
		key   []payment.Scope
		want  []payment.Scope
	}{
		{"a session without the claim", nil, nil, payment.Scopes()},
		{"a session with some", "write READ", nil, []payment.Scope{read, write}},
		{"in any case, with spaces and strange words", "  openid Read  profile ", nil, []payment.Scope{read}},
		{"only strange words", "openid email", nil, none},
		{"an empty claim", "", nil, none},
		{"a null claim", json.RawMessage("null"), nil, none},
		{"no words within words", "read-only writer", nil, none},
		{"a key without the claim", nil, []payment.Scope{read}, []payment.Scope{read}},
		{"a key and a wider token", "read write receive", []payment.Scope{receive}, []payment.Scope{receive}},
		{"a key and a narrower token", "read", []payment.Scope{read, write}, []payment.Scope{read}},
		{"a key and a token without a common scope", "read", []payment.Scope{write}, none},
		{"WRITE grants RECEIVE on either side", "receive", []payment.Scope{write}, []payment.Scope{receive}},
		{"and on the other", "write", []payment.Scope{receive, read}, []payment.Scope{receive}},
		{"but is not spelled out", "read write", []payment.Scope{read, write}, []payment.Scope{read, write}},
	} {
		body := claims(account)
		if c.scope != nil {
			body["scope"] = c.scope
		}
		body["api_key_id"] = "" // no key
		keys := newStore()
		if c.key != nil {
			key, _ := newKey(t, account, c.key...)
			keys = newStore(key)
			body["api_key_id"] = key.ID.String()
		}
		a := door(t, identity.Config{Keys: keys, Issuer: pinned(t, issuer)})
		who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: issuer.sign(t, body)})
		if err != nil || !slices.Equal(who.Scopes, c.want) || who.IsSession() != (c.key == nil) {
			t.Errorf("%s: %+v, %v, want %v", c.name, who, err, c.want)
		}
	}
}

// An account that comes for the first time is made before anybody sees it; a key's account is there.
func TestAccountsOfSessionsAreEnsured(t *testing.T) {
	t.Parallel()
	issuer := newEd(t, "ed")
	account := uuid.New()
	key, secret := newKey(t, account, payment.ScopeRead)
	var ensured []payment.AccountID
	a := door(t, identity.Config{Keys: newStore(key), Issuer: pinned(t, issuer), Ensure: func(_ context.Context, id payment.AccountID) error {
		ensured = append(ensured, id)
		return nil
	}})
	for _, c := range []identity.Credentials{
		{}, {APIKey: secret}, {Bearer: issuer.sign(t, with(claims(account), "api_key_id", key.ID.String()))},
		{Bearer: newEd(t, "ed").sign(t, claims(account))}, {Bearer: issuer.sign(t, claims(account))},
	} {
		_, _ = a.Authenticate(t.Context(), c)
	}
	if !slices.Equal(ensured, []payment.AccountID{account}) {
		t.Errorf("%v", ensured)
	}
	away := door(t, identity.Config{Issuer: pinned(t, issuer), Ensure: func(context.Context, payment.AccountID) error {
		return payment.Errorf(payment.ReasonUnavailable, "away")
	}})
	who, err := away.Authenticate(t.Context(), identity.Credentials{Bearer: issuer.sign(t, claims(account))})
	wantReason(t, who, err, payment.ReasonUnavailable)
}

// A gateway vouches for whom the key is; whether it may still be used, and whose it is, is ours to say.
func TestKeysOfTokens(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	issuer := newEd(t, "ed")
	for name, change := range map[string]func(*identity.KeyRecord){
		"good":            func(*identity.KeyRecord) {},
		"another owner's": func(k *identity.KeyRecord) { k.AccountID = uuid.New() },
		"revoked":         func(k *identity.KeyRecord) { k.RevokedAt = noon().Add(-time.Hour) },
		"expired":         func(k *identity.KeyRecord) { k.ExpiresAt = noon() },
	} {
		key, _ := newKey(t, account, payment.ScopeRead)
		change(&key)
		a := door(t, identity.Config{Keys: newStore(key), Issuer: pinned(t, issuer)})
		token := issuer.sign(t, with(claims(account), "api_key_id", key.ID.String()))
		who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
		if name == "good" {
			if err != nil || who.KeyID != key.ID || who.AccountID != account {
				t.Errorf("%+v, %v", who, err)
			}
			continue
		}
		t.Run(name, func(t *testing.T) { wantReason(t, who, err, payment.ReasonUnauthenticated, token) })
	}
}

func TestConfigurationNamesAllMistakes(t *testing.T) {
	t.Parallel()
	a, err := identity.NewAuthenticator(identity.Config{
		SecretPrefix: "a_b",
		Issuer:       identity.Issuer{JWKSURL: "file:///etc/keys", Algorithms: []string{"HS256", "none", "RS256"}, Leeway: -1},
	})
	if err == nil || a != nil {
		t.Fatal("it was accepted")
	}
	for _, says := range []string{"store of API keys", "prefix", "issuer of tokens", "audience", "https://", `"HS256"`, `"none"`, "leeway"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not named in: %v", says, err)
		}
	}
	if strings.Contains(err.Error(), `"RS256" is not`) {
		t.Errorf("RS256 is refused: %v", err)
	}
	both := identity.Issuer{Name: "a", Audience: "b", JWKSURL: "https://x.example", JWKS: []byte("{}")}
	if _, err := identity.NewAuthenticator(identity.Config{Keys: newStore(), Issuer: both}); err == nil {
		t.Error("a URL and keys were accepted")
	}
	clear := identity.Issuer{Name: "a", Audience: "b", JWKSURL: "http://id.example/keys"}
	if _, err := identity.NewAuthenticator(identity.Config{Keys: newStore(), Issuer: clear}); err == nil || !strings.Contains(err.Error(), "use https://") {
		t.Errorf("keys over http:// from afar: %v", err)
	}
	none := door(t, identity.Config{})
	who, err := none.Authenticate(t.Context(), identity.Credentials{Bearer: "a.b.c"})
	wantReason(t, who, err, payment.ReasonUnauthenticated)
}

// FuzzBearer: no text that the issuer did not sign is anybody, and none is a crash.
func FuzzBearer(f *testing.F) {
	key := newEd(f, "ed")
	account := uuid.MustParse("7c1f0a52-6a0c-4a51-9a3c-0a4f0f6f2b11")
	good := key.sign(f, claims(account))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(good + "=")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("eyJhbGciOiJFZERTQSIsImtpZCI6NX0.e30.AA")
	f.Add("eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIn0.bnVsbA.AA")
	f.Add("..")
	a := door(f, identity.Config{Issuer: pinned(f, key)})
	f.Fuzz(func(t *testing.T, token string) {
		who, err := a.Authenticate(t.Context(), identity.Credentials{Bearer: token})
		switch token {
		case "":
		case good:
			if err != nil || who.AccountID != account {
				t.Fatalf("the good one: %+v, %v", who, err)
			}
		default:
			wantReason(t, who, err, payment.ReasonUnauthenticated)
		}
	})
}

func TestInTheClear(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]bool{
		"http://id.example/keys": true, "http://10.0.0.1": true, "http://localhost.evil.example": true, "HTTP://id.example": true,
		"http://127.0.0.1.evil.example/": true, "http://[2001:db8::1]:80/": true, "http://user@id.example": true,
		"https://id.example": false, "http://127.0.0.1:1/keys": false, "http://127.9.9.9": false, "http://[::1]:1": false,
		"http://[::ffff:127.0.0.1]": false, "http://localhost:1": false, "": false,
	} {
		if got := identity.InTheClear(link); got != want {
			t.Errorf("%s: %v", link, got)
		}
	}
}

package graphqlapi

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// gateway is in front of a door: it knows API keys, and signs for whom it lets pass. Its keys are at a URL, like those of any
// identity provider.
type gateway struct {
	t       testing.TB
	house   *house
	address string // of the door behind
	key     ed25519.PrivateKey
}

const gatewayName, gatewayAudience = "https://gateway.example", "https://pay.example"

func (h *house) gateway(t testing.TB) *gateway {
	t.Helper()
	g := &gateway{t: t, house: h, key: signingKey(t)}
	set := jwkset.NewMemoryStorage()
	public, err := jwkset.NewJWKFromKey(g.key.Public(), jwkset.JWKOptions{
		Metadata: jwkset.JWKMetadataOptions{KID: "gate", ALG: jwkset.AlgEdDSA, USE: jwkset.UseSig},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := set.KeyWrite(t.Context(), public); err != nil {
		t.Fatal(err)
	}
	text, err := set.JSONPublic(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) }))
	t.Cleanup(jwks.Close)
	auth, err := identity.NewAuthenticator(identity.Config{
		Keys: api.Keys(h.ledger), SecretPrefix: "test", Log: slog.New(slog.DiscardHandler),
		Issuer: identity.Issuer{Name: gatewayName, Audience: gatewayAudience, JWKSURL: jwks.URL},
		Ensure: func(ctx context.Context, account payment.AccountID) error {
			_, err := h.ledger.EnsureAccount(ctx, account)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auth.Close)
	cfg := h.config
	cfg.Authenticate, cfg.Issuer = api.AuthenticateBy(auth), nil
	door, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	address, stop, err := h.frameWith(door, func(c *api.Config) { c.Authenticate = cfg.Authenticate })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	g.address = address
	return g
}

func signingKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sends is a caller whom the gateway has let pass: sub is the owner. Claims with the value nil are left out.
func (g *gateway) sends(o *owner, claims jwt.MapClaims) *owner {
	g.t.Helper()
	all := jwt.MapClaims{
		"iss": gatewayName, "aud": gatewayAudience, "sub": o.wallet.AccountID.String(), "exp": time.Now().Add(time.Minute).Unix(), "api_key_id": "",
	}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, all)
	token.Header["kid"] = "gate"
	text, err := token.SignedString(g.key)
	if err != nil {
		g.t.Fatal(err)
	}
	caller := *o
	caller.t, caller.house, caller.header = g.t, &house{address: g.address}, http.Header{"Authorization": {"Bearer " + text}}
	return &caller
}

func (a *answer) wantUnauthorized() {
	a.t.Helper()
	a.wantStatus(http.StatusUnauthorized)
	if !strings.Contains(a.raw, `"error":{"code":401`) {
		a.t.Errorf("got %s", a.raw)
	}
}

// The budget of a key that a gateway has authenticated is that key's, in whatever way it comes.
func TestAGatewaysKeyHasItsBudget(t *testing.T) {
	t.Parallel()
	h := home(t)
	g, o, to := h.gateway(t), h.funded(t, 100_000), h.funded(t, 1)
	bySecret, id := o.key("READ WRITE", map[string]any{"DAILY": 1_000})
	byToken := g.sends(o, jwt.MapClaims{"scope": "read write", "api_key_id": id})
	input := func(sat int) vars {
		return vars{"walletId": o.wallet.ID, "recipientWalletId": to.wallet.ID, "amount": sat}
	}
	byToken.pay(payment.DoorIntraLedger, input(600)).wantPaid()
	if got := o.limits(id); got["dailySpentSats"] != 600 || got["dailyRemainingSats"] != 400 {
		t.Errorf("after 600: %v", got)
	}
	refused := byToken.pay(payment.DoorIntraLedger, input(600))
	refused.wantFailed(codeRestricted, "daily")
	for _, part := range []string{"1,000 sat", "600 sat", "400 sat"} {
		if !strings.Contains(refused.message(), part) {
			t.Errorf("the message does not tell %q: %s", part, refused.message())
		}
	}
	bySecret.pay(payment.DoorIntraLedger, input(300)).wantPaid() // one budget for both ways
	byToken.pay(payment.DoorIntraLedger, input(200)).wantFailed(codeRestricted, "daily")
	byToken.pay(payment.DoorIntraLedger, input(100)).wantPaid()
	if got := o.limits(id); got["dailySpentSats"] != 1_000 || o.balance() != 99_000 {
		t.Errorf("in the end: %v, %d sat are left", got, o.balance())
	}
	g.sends(o, jwt.MapClaims{"scope": "write"}).pay(payment.DoorIntraLedger, input(5_000)).wantPaid() // no key, no budget
	if got := o.limits(id); got["dailySpentSats"] != 1_000 {
		t.Errorf("a session's payment was counted: %v", got)
	}
}

// The scopes are those that both the token and the key have.
func TestAGatewaysScopes(t *testing.T) {
	t.Parallel()
	h := home(t)
	g, o := h.gateway(t), h.funded(t, 1_000)
	_, all := o.key("READ RECEIVE WRITE", nil)
	_, reader := o.key("READ", nil)
	pay := vars{"input": vars{"walletId": o.wallet.ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 5}}
	for name, c := range map[string]struct {
		claims  jwt.MapClaims
		scopes  string
		mayPay  bool
		mayRead bool
	}{
		"reads":                    {jwt.MapClaims{"scope": "read", "api_key_id": all}, "[READ]", false, true},
		"writes":                   {jwt.MapClaims{"scope": "write", "api_key_id": all}, "[RECEIVE WRITE]", true, false}, // what sends may receive
		"both":                     {jwt.MapClaims{"scope": "read write", "api_key_id": all}, "[READ RECEIVE WRITE]", true, true},
		"more than the key has":    {jwt.MapClaims{"scope": "read write", "api_key_id": reader}, "[READ]", false, true},
		"what nobody knows":        {jwt.MapClaims{"scope": "read admin", "api_key_id": all}, "[READ]", false, true},
		"a session that may read":  {jwt.MapClaims{"scope": "read"}, "[READ]", false, true},
		"a session without a word": {jwt.MapClaims{"api_key_id": nil}, "[READ RECEIVE WRITE]", true, true},
		"the whole of a key":       {jwt.MapClaims{"api_key_id": all}, "[READ RECEIVE WRITE]", true, true},
	} {
		caller := g.sends(o, c.claims)
		caller.ask(`{ authorization { scopes } }`, nil).want("authorization.scopes", c.scopes)
		if a := caller.send(payQuery(payment.DoorIntraLedger), pay); (a.Data != nil) != c.mayPay {
			t.Errorf("%s: %s", name, a.raw)
		} else if !c.mayPay {
			a.wantRefused(codeUnauthorized, "Permission denied")
		}
		if a := caller.send(`{ me { id } }`, nil); (a.Data != nil) != c.mayRead {
			t.Errorf("%s: %s", name, a.raw)
		}
	}
}

// A key manages no keys, whoever has authenticated it; the owner's session does, also through a gateway.
func TestAGatewaysKeyManagesNoKeys(t *testing.T) {
	t.Parallel()
	h := home(t)
	g, o := h.gateway(t), h.funded(t, 1)
	_, id := o.key("READ RECEIVE WRITE", map[string]any{"DAILY": 1_000})
	operations := []string{
		`mutation { apiKeyCreate(input: {name: "more", scopes: [READ]}) { apiKey { id } } }`,
		`mutation { apiKeySetLimit(input: {id: "` + id + `", limitTimeWindow: DAILY, limitSats: 2000}) { apiKey { id } } }`,
		`mutation { apiKeyRemoveLimit(input: {id: "` + id + `", limitTimeWindow: DAILY}) { apiKey { id } } }`,
		`mutation { apiKeyRevoke(input: {id: "` + id + `"}) { apiKey { id } } }`,
	}
	for _, query := range operations {
		g.sends(o, jwt.MapClaims{"api_key_id": id}).send(query, nil).wantRefused(codeUnauthorized, "Permission denied: only the owner's session")
		g.sends(o, jwt.MapClaims{"scope": "read"}).send(query, nil).wantRefused(codeUnauthorized, "Permission denied") // a session that may only read
	}
	if got := o.limits(id); got["dailyLimitSats"] != 1_000 {
		t.Errorf("the limit was changed: %v", got)
	}
	for _, query := range operations {
		g.sends(o, jwt.MapClaims{"scope": "read write"}).ask(query, nil)
	}
}

// What a gateway says about a key is looked up: it is this account's, and has not ended.
func TestAGatewayIsNotBelievedAboutKeys(t *testing.T) {
	t.Parallel()
	h := home(t)
	g, o, other := h.gateway(t), h.funded(t, 1_000), h.funded(t, 1)
	_, id := o.key("READ WRITE", nil)
	_, theirs := other.key("READ WRITE", nil)
	for name, caller := range map[string]*owner{
		"another account's key": g.sends(o, jwt.MapClaims{"api_key_id": theirs}), "another account": g.sends(other, jwt.MapClaims{"api_key_id": id}),
		"no such key": g.sends(o, jwt.MapClaims{"api_key_id": uuid.NewString()}), "no id": g.sends(o, jwt.MapClaims{"api_key_id": "none"}),
		"the zero id": g.sends(o, jwt.MapClaims{"api_key_id": uuid.Nil.String()}), "a number": g.sends(o, jwt.MapClaims{"api_key_id": 7}),
		"another issuer": g.sends(o, jwt.MapClaims{"iss": "https://else.example"}), "another audience": g.sends(o, jwt.MapClaims{"aud": "https://else.example"}),
		"too late": g.sends(o, jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}), "no end": g.sends(o, jwt.MapClaims{"exp": nil}),
		"another key's signature": (&gateway{t, h, g.address, signingKey(t)}).sends(o, nil),
	} {
		t.Run(name, func(t *testing.T) {
			caller.t = t
			caller.send(`{ me { id } }`, nil).wantUnauthorized()
		})
	}
	caller := g.sends(o, jwt.MapClaims{"scope": "read write", "api_key_id": id})
	caller.ask(`{ me { id } }`, nil).want("me.id", o.wallet.AccountID.String())
	l := call(t, g.address, caller.params())
	l.subscribe("1", `{ me { id } }`)
	l.next().want("me.id", o.wallet.AccountID.String())
	l.wantComplete()
	o.revoke(id)
	caller.send(`{ me { id } }`, nil).wantUnauthorized()
	l.subscribe("2", `{ me { id } }`)
	l.next().wantRefused(codeUnauthorized, "")
	l.wantClosed(closeForbidden)
	g.sends(o, nil).ask(`{ me { id } }`, nil) // the session goes on
}

// Invariant 11: the issuer's keys were never read, so a token proves nothing and is no bad one; API keys go on.
func TestAGatewayWhoseKeysAreAway(t *testing.T) {
	t.Parallel()
	h := home(t)
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	auth, err := identity.NewAuthenticator(identity.Config{
		Keys: api.Keys(h.ledger), SecretPrefix: "test", Log: slog.New(slog.DiscardHandler),
		Issuer: identity.Issuer{Name: gatewayName, Audience: gatewayAudience, JWKSURL: away.URL},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(auth.Close)
	door, _ := newHandler(must(t, h.config))
	address, stop, err := h.frameWith(door, func(c *api.Config) { c.Authenticate = api.AuthenticateBy(auth) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1_000)
	key, _ := o.key("READ WRITE", nil)
	input := vars{"walletId": o.wallet.ID, "recipientWalletId": h.funded(t, 1).wallet.ID, "amount": 5}
	token := (&gateway{t, h, address, signingKey(t)}).sends(o, nil)
	token.pay(payment.DoorIntraLedger, input).wantFailed(codeUnknown, "did nothing")
	token.send(`{ me { id } }`, nil).wantRefused(codeUnknown, "Try again")
	key.house = &house{address: address}
	key.pay(payment.DoorIntraLedger, input).wantPaid()
	if o.balance() != 995 {
		t.Errorf("the balance is %d", o.balance())
	}
}

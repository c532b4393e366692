package identity

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/holdfast-pay/holdfast/payment"
)

// Config says whom to believe.
type Config struct {
	Keys         KeyStore // where API keys are looked up, on every request
	SecretPrefix string   // what secrets begin with; empty: any prefix that is well formed. Others are not looked up
	Issuer       Issuer   // of tokens; zero: tokens are refused
	// Ensure makes the account of a session, which may come for the first time; it is quick where there is one. nil: accounts
	// are made elsewhere.
	Ensure func(ctx context.Context, account payment.AccountID) error
	Used   *LastUsed        // nil: uses are not recorded
	Clock  func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: slog.Default
}

// Authenticator finds out who asks. It is safe for use by many goroutines.
type Authenticator struct {
	keys   KeyStore
	prefix string
	tokens *tokens // nil: tokens are refused
	ensure func(context.Context, payment.AccountID) error
	used   *LastUsed
	clock  func() time.Time
	stop   context.CancelFunc
}

// NewAuthenticator checks the configuration and, for tokens, fetches the issuer's keys; an issuer that is away is tried again
// later. The error names all mistakes. Close it.
func NewAuthenticator(cfg Config) (*Authenticator, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	var wrong []error
	if cfg.Keys == nil {
		wrong = append(wrong, errors.New("the store of API keys is missing"))
	}
	if cfg.SecretPrefix != "" {
		wrong = append(wrong, checkPrefix(cfg.SecretPrefix))
	}
	if !cfg.Issuer.isZero() {
		wrong = append(wrong, cfg.Issuer.check())
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &Authenticator{keys: cfg.Keys, prefix: cfg.SecretPrefix, ensure: cfg.Ensure, used: cfg.Used, clock: cfg.Clock, stop: stop}
	if !cfg.Issuer.isZero() {
		var err error
		if a.tokens, err = newTokens(ctx, cfg.Issuer, cfg.Clock, cfg.Log); err != nil {
			stop()
			return nil, err
		}
	}
	return a, nil
}

// Close ends the background refresh of the issuer's keys.
func (a *Authenticator) Close() { a.stop() }

// Authenticate finds out who shows these credentials; without any it is nobody, which is no error. Errors:
// ReasonUnauthenticated where they prove nothing; ReasonUnavailable where that cannot be told now: nobody is let in then.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (Principal, error) {
	switch {
	case c.APIKey != "" && c.Bearer != "":
		return Principal{}, unauthenticated("Send an API key or a token, not both.")
	case c.APIKey != "":
		return a.bySecret(ctx, c.APIKey)
	case c.Bearer != "":
		return a.byToken(ctx, c.Bearer)
	default:
		return Principal{}, nil
	}
}

// byToken lets in whom the issuer vouches for: the owner, or an API key that a gateway has authenticated.
func (a *Authenticator) byToken(ctx context.Context, token string) (Principal, error) {
	if a.tokens == nil {
		return Principal{}, unauthenticated("Tokens are not accepted here. Use an API key.")
	}
	verified, err := a.tokens.verify(token)
	if err != nil {
		return Principal{}, err
	}
	who := Principal{AccountID: verified.account, Scopes: verified.scopes, Subject: verified.account.String()}
	if verified.key == (payment.KeyID{}) {
		return a.session(ctx, who)
	}
	key, err := a.keys.KeyByID(ctx, verified.key)
	if err != nil {
		return Principal{}, refusalOf(err, badToken())
	}
	now := a.clock()
	if key.ID != verified.key || key.AccountID != who.AccountID || !key.active(now) {
		return Principal{}, badToken()
	}
	who.KeyID, who.Scopes = key.ID, common(who, Principal{AccountID: key.AccountID, Scopes: key.Scopes})
	a.use(key.ID, now)
	return who, nil
}

func (a *Authenticator) session(ctx context.Context, who Principal) (Principal, error) {
	if a.ensure != nil {
		if err := a.ensure(ctx, who.AccountID); err != nil {
			return Principal{}, err
		}
	}
	return who, nil
}

// common are the scopes that both have, also where one of them has RECEIVE only by WRITE.
func common(a, b Principal) []payment.Scope {
	out := []payment.Scope{}
	for _, s := range payment.Scopes() {
		if a.Has(s) && b.Has(s) && (a.holds(s) || b.holds(s)) {
			out = append(out, s)
		}
	}
	return out
}

// asError tells a token that is bad from one that cannot be checked now.
func (t *tokens) asError(err error) error {
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable) && t.without():
		return payment.Errorf(payment.ReasonUnavailable, "The identity provider does not answer, so the token cannot be checked now; try again.").Because(err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthenticated("The token has expired. Log in again.").Because(err)
	default:
		return badToken().Because(err)
	}
}

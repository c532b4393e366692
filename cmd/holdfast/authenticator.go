package main

import (
	"context"
	"time"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// storeUsesEvery is how often it is stored when API keys were last used.
const storeUsesEvery = 10 * time.Second

// authenticator is how the API finds out who calls.
type authenticator struct {
	*identity.Authenticator
	issuer *identity.DevIssuer // nil outside development, and where an identity provider is configured
	used   *identity.LastUsed
}

func (d *deps) authenticator(told settings.Server) (authenticator, error) {
	var a authenticator
	issuer := identity.Issuer{
		Name: told.API.JWTIssuer, Audience: told.API.JWTAudience, JWKSURL: told.API.JWKSURL, Algorithms: told.API.JWTAlgorithms,
		AllowHTTP: told.API.JWKSInsecure || told.API.Development,
	}
	switch {
	case told.API.JWKSURL != "":
	case told.API.Development:
		var err error
		if a.issuer, err = identity.NewDevIssuer(told.API.DevelopmentKeyFile, time.Now); err != nil {
			return a, payment.Errorf(payment.ReasonInvalidInput, "The development login has no key: check HOLDFAST_DEVELOPMENT_KEY_FILE.").Because(err)
		}
		issuer = a.issuer.Issuer()
	default:
		issuer = identity.Issuer{} // API keys only
	}
	a.used = identity.NewLastUsed(d.books, storeUsesEvery, d.log)
	var err error
	a.Authenticator, err = identity.NewAuthenticator(identity.Config{
		Keys: api.Keys(d.books), SecretPrefix: told.Shared.SecretPrefix, Issuer: issuer, Used: a.used, Log: d.log,
		Ensure: func(ctx context.Context, account payment.AccountID) error {
			_, err := d.books.EnsureAccount(ctx, account)
			return err
		},
	})
	if err != nil {
		_ = a.used.Close(context.Background()) // nothing was used
		return a, payment.Errorf(payment.ReasonInvalidInput, "The identity provider cannot be used: %v.", err)
	}
	return a, nil
}

// close stores what is left to store.
func (a authenticator) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	a.Close()
	return a.used.Close(ctx)
}

package graphqlapi

import (
	"context"
	"crypto/subtle"

	iso4217 "github.com/bojanz/currency"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// developmentCode is what the development login takes for any phone.
const developmentCode = "000000"

// sessionTime is how long a development login lasts.
const sessionTime = 30 * day

// UserLogin opens a session in development: the first login of a phone opens its account.
func (m mutations) UserLogin(ctx context.Context, in generated.UserLoginInput) (*generated.AuthTokenPayload, error) {
	token, err := m.login(ctx, in)
	if err != nil {
		return &generated.AuthTokenPayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return &generated.AuthTokenPayload{Errors: none(), AuthToken: &token, TotpRequired: new(false)}, nil
}

func (r *resolver) login(ctx context.Context, in generated.UserLoginInput) (string, error) {
	if bad := scalar.Problem(in); bad != nil {
		return "", bad
	}
	if r.Issuer == nil {
		return "", payment.Errorf(payment.ReasonInvalidInput, "Here is no login by phone. Get a token from the identity provider.")
	}
	if err := limit.Check(ctx, r.Limiter, limit.Logins, limit.Address(api.ClientAddress(ctx))); err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare([]byte(in.Code.Text), []byte(developmentCode)) != 1 {
		return "", payment.Errorf(payment.ReasonInvalidInput, "The code is wrong. Use that of development, %s.", developmentCode)
	}
	user, err := r.Ledger.Login(ctx, in.Phone.Text)
	if err != nil {
		return "", err
	}
	return r.Issuer.Mint(user.AccountID, sessionTime)
}

// UserUpdateUsername gives the user a name, which is also his lightning address.
func (m mutations) UserUpdateUsername(ctx context.Context, in generated.UserUpdateUsernameInput) (*generated.UserUpdateUsernamePayload, error) {
	user, err := m.changed(ctx, in, func() error { return m.Ledger.SetUsername(ctx, account(ctx), in.Username.Text) })
	if err != nil {
		return &generated.UserUpdateUsernamePayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return &generated.UserUpdateUsernamePayload{Errors: none(), User: userOf(user)}, nil
}

// AccountUpdateDisplayCurrency chooses what amounts are shown in.
func (m mutations) AccountUpdateDisplayCurrency(ctx context.Context, in generated.AccountUpdateDisplayCurrencyInput) (*generated.AccountUpdateDisplayCurrencyPayload, error) {
	user, err := m.changed(ctx, in, func() error {
		if !iso4217.IsValid(in.Currency.Text) {
			return payment.Errorf(payment.ReasonInvalidInput, "%s is no currency in use. Give the code of one by ISO 4217, like USD or EUR.", in.Currency.Text)
		}
		return m.Ledger.SetDisplayCurrency(ctx, account(ctx), in.Currency.Text)
	})
	if err != nil {
		return &generated.AccountUpdateDisplayCurrencyPayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return &generated.AccountUpdateDisplayCurrencyPayload{Errors: none(), Account: accountOf(user)}, nil
}

// AccountUpdateDefaultWalletID chooses the wallet that receives what names none.
func (m mutations) AccountUpdateDefaultWalletID(ctx context.Context, in generated.AccountUpdateDefaultWalletIDInput) (*generated.AccountUpdateDefaultWalletIDPayload, error) {
	user, err := m.changed(ctx, in, func() error {
		if _, err := m.ownWallet(ctx, in.WalletID.ID); err != nil {
			return err
		}
		return m.Ledger.SetDefaultWallet(ctx, account(ctx), in.WalletID.ID)
	})
	if err != nil {
		return &generated.AccountUpdateDefaultWalletIDPayload{Errors: m.payloadErrors(ctx, err)}, nil
	}
	return &generated.AccountUpdateDefaultWalletIDPayload{Errors: none(), Account: accountOf(user)}, nil
}

// changed makes a change to the caller's account, and reads how it is now.
func (r *resolver) changed(ctx context.Context, input any, change func() error) (ledger.User, error) {
	if err := r.managed(ctx, input); err != nil {
		return ledger.User{}, err
	}
	if err := change(); err != nil {
		return ledger.User{}, err
	}
	return r.Ledger.User(ctx, account(ctx))
}

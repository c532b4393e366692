package graphqlapi

import (
	"context"
	"crypto/rand"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

const (
	maxKeyName = 100 // characters
	maxKeyDays = 3650
	day        = 24 * time.Hour
)

func (m mutations) APIKeyCreate(ctx context.Context, in generated.APIKeyCreateInput) (*generated.APIKeyCreatePayload, error) {
	if err := m.limited(ctx, limit.Accounts); err != nil {
		return nil, err
	}
	key := ledger.Key{ID: payment.NewID(), AccountID: account(ctx), Name: strings.TrimSpace(in.Name)}
	var err error
	if key.Scopes, err = scopesOf(in.Scopes, identity.PrincipalFrom(ctx)); err != nil {
		return nil, err
	}
	if length := utf8.RuneCountInString(key.Name); length == 0 || length > maxKeyName || !utf8.ValidString(key.Name) || strings.ContainsRune(key.Name, 0) {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "The name of an API key must have 1 to %d characters.", maxKeyName)
	}
	if in.ExpireInDays != nil {
		if *in.ExpireInDays <= 0 || *in.ExpireInDays > maxKeyDays {
			return nil, payment.Errorf(payment.ReasonInvalidInput, "An API key expires in 1 to %d days, or never: leave expireInDays out.", maxKeyDays)
		}
		key.ExpiresAt = m.Clock().Add(time.Duration(*in.ExpireInDays) * day)
	}
	secret, err := identity.NewSecret(m.SecretPrefix, rand.Reader)
	if err != nil {
		return nil, err
	}
	created, err := m.Ledger.CreateKey(ctx, key, identity.Hash(secret))
	if err != nil {
		return nil, err
	}
	return &generated.APIKeyCreatePayload{APIKey: m.keyOf(created), APIKeySecret: secret}, nil
}

func (m mutations) APIKeyRevoke(ctx context.Context, in generated.APIKeyRevokeInput) (*generated.APIKeyRevokePayload, error) {
	id, err := m.managedKey(ctx, in.ID)
	if err == nil {
		err = m.Ledger.RevokeKey(ctx, account(ctx), id)
	}
	if err != nil {
		return nil, err
	}
	key, err := m.ownKey(ctx, id)
	return &generated.APIKeyRevokePayload{APIKey: key}, err
}

func (m mutations) APIKeySetLimit(ctx context.Context, in generated.APIKeySetLimitInput) (*generated.APIKeySetLimitPayload, error) {
	id, err := m.managedKey(ctx, in.ID)
	if err == nil {
		err = m.Ledger.SetLimit(ctx, account(ctx), id, windowOf(in.LimitTimeWindow), in.LimitSats.Sat)
	}
	if err != nil {
		return nil, err
	}
	key, err := m.ownKey(ctx, id)
	return &generated.APIKeySetLimitPayload{APIKey: key}, err
}

func (m mutations) APIKeyRemoveLimit(ctx context.Context, in generated.APIKeyRemoveLimitInput) (*generated.APIKeySetLimitPayload, error) {
	id, err := m.managedKey(ctx, in.ID)
	if err == nil {
		err = m.Ledger.RemoveLimit(ctx, account(ctx), id, windowOf(in.LimitTimeWindow))
	}
	if err != nil {
		return nil, err
	}
	key, err := m.ownKey(ctx, id)
	return &generated.APIKeySetLimitPayload{APIKey: key}, err
}

// Limits reads what a key may still spend, exact at this moment.
func (k keys) Limits(ctx context.Context, key *generated.APIKey) (*generated.APIKeyLimits, error) {
	spending, err := k.spending(ctx, account(ctx), key.KeyID)
	if err != nil {
		return nil, err
	}
	answer := &generated.APIKeyLimits{ReservedSats: scalar.Sats(spending.Reserved)}
	for _, w := range spending.Windows {
		limit, remaining, spent := scalar.SatsOrNil(w.Limit, w.Limited), scalar.SatsOrNil(w.Remaining, w.Limited), scalar.Sats(w.Spent)
		switch w.Window {
		case payment.Daily:
			answer.DailyLimitSats, answer.DailyRemainingSats, answer.DailySpentSats = limit, remaining, spent
		case payment.Weekly:
			answer.WeeklyLimitSats, answer.WeeklyRemainingSats, answer.WeeklySpentSats = limit, remaining, spent
		case payment.Monthly:
			answer.MonthlyLimitSats, answer.MonthlyRemainingSats, answer.MonthlySpentSats = limit, remaining, spent
		case payment.Annual:
			answer.AnnualLimitSats, answer.AnnualRemainingSats, answer.AnnualSpentSats = limit, remaining, spent
		}
	}
	return answer, nil
}

// Authorization tells the caller's scopes.
func (q queries) Authorization(ctx context.Context) (*generated.Authorization, error) {
	return &generated.Authorization{Scopes: scopesShown(identity.PrincipalFrom(ctx).Scopes)}, nil
}

func (r *resolver) ownKey(ctx context.Context, id payment.KeyID) (*generated.APIKey, error) {
	key, err := r.Ledger.OwnKey(ctx, account(ctx), id)
	if err != nil {
		return nil, err
	}
	return r.keyOf(key), nil
}

func (r *resolver) keyOf(key ledger.Key) *generated.APIKey {
	return &generated.APIKey{
		KeyID: key.ID, ID: key.ID.String(), Name: key.Name, CreatedAt: key.CreatedAt, Revoked: !key.RevokedAt.IsZero(),
		Expired:    !key.ExpiresAt.IsZero() && !r.Clock().Before(key.ExpiresAt),
		LastUsedAt: timeOrNil(key.LastUsedAt), ExpiresAt: timeOrNil(key.ExpiresAt),
		ReadOnly: slices.Equal(key.Scopes, []payment.Scope{payment.ScopeRead}), Scopes: scopesShown(key.Scopes),
	}
}

// scopesShown puts what was granted in order: what a scope implies is not shown.
func scopesShown(granted []payment.Scope) []generated.Scope {
	shown := []generated.Scope{}
	for _, scope := range payment.Scopes() {
		if slices.Contains(granted, scope) {
			shown = append(shown, generated.Scope(scope))
		}
	}
	return shown
}

// scopesOf puts scopes in order, each once. A session cannot give what it does not have.
func scopesOf(asked []generated.Scope, who identity.Principal) ([]payment.Scope, error) {
	if len(asked) == 0 {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "An API key needs at least one scope: READ, RECEIVE or WRITE.")
	}
	var scopes []payment.Scope
	for _, scope := range payment.Scopes() {
		if !slices.Contains(asked, generated.Scope(scope)) {
			continue
		}
		if !who.Has(scope) {
			return nil, payment.Errorf(payment.ReasonPermissionDenied, "Permission denied: this session has no scope %s to give. Leave it out.", scope)
		}
		scopes = append(scopes, scope)
	}
	return scopes, nil
}

// managedKey is the id of a key that is about to be changed.
func (r *resolver) managedKey(ctx context.Context, text string) (payment.KeyID, error) {
	if err := r.limited(ctx, limit.Accounts); err != nil {
		return payment.KeyID{}, err
	}
	return keyID(text)
}

// keyID reads an id; one that is no UUID names no key.
func keyID(text string) (payment.KeyID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, payment.Errorf(payment.ReasonKeyNotFound, "API key not found")
	}
	return id, nil
}

func windowOf(w generated.LimitTimeWindow) payment.Window {
	return payment.Window(strings.ToLower(string(w)))
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

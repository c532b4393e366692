package identity_test

import (
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestWhatScopesGrant(t *testing.T) {
	t.Parallel()
	const read, receive, write = payment.ScopeRead, payment.ScopeReceive, payment.ScopeWrite
	for _, c := range []struct {
		given, granted []payment.Scope
	}{
		{nil, nil},
		{[]payment.Scope{read}, []payment.Scope{read}},
		{[]payment.Scope{receive}, []payment.Scope{receive}},
		{[]payment.Scope{write}, []payment.Scope{receive, write}},
		{[]payment.Scope{read, write}, []payment.Scope{read, receive, write}},
		{payment.Scopes(), payment.Scopes()},
	} {
		who := identity.Principal{AccountID: uuid.New(), Scopes: c.given}
		granted := map[payment.Scope]bool{}
		for _, s := range c.granted {
			granted[s] = true
		}
		for _, s := range append(payment.Scopes(), "ADMIN", "") {
			if who.Has(s) != granted[s] {
				t.Errorf("%v grants %q: %v", c.given, s, who.Has(s))
			}
		}
	}
}

func TestNobodyAndSessions(t *testing.T) {
	t.Parallel()
	nobody := identity.PrincipalFrom(t.Context())
	if !nobody.IsZero() || nobody.IsSession() {
		t.Errorf("without anybody: %+v", nobody)
	}
	if (identity.Principal{Scopes: payment.Scopes()}).Has(payment.ScopeRead) {
		t.Error("nobody has a scope")
	}
	owner := identity.Principal{AccountID: uuid.New()}
	key := identity.Principal{AccountID: owner.AccountID, KeyID: uuid.New()}
	if !owner.IsSession() || key.IsSession() || owner.IsZero() || key.IsZero() {
		t.Error("a session is whoever has no key")
	}
	if got := identity.PrincipalFrom(identity.WithPrincipal(t.Context(), key)); got.KeyID != key.KeyID {
		t.Errorf("handed on: %+v", got)
	}
}

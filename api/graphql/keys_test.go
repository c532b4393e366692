package graphqlapi

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

const keyFields = `id name createdAt revoked expired lastUsedAt expiresAt readOnly scopes limits { dailyLimitSats weeklyLimitSats monthlyLimitSats
	annualLimitSats dailySpentSats dailyRemainingSats reservedSats }`

func TestCreateKey(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	a := o.ask(`mutation { apiKeyCreate(input: {name: "shop"}) { apiKey { `+keyFields+` } apiKeySecret } }`, nil)
	secret := a.text("apiKeyCreate.apiKeySecret")
	if !regexp.MustCompile(`^test_[A-Za-z0-9]{64}$`).MatchString(secret) {
		t.Errorf("the secret is %q", secret)
	}
	a.want("apiKeyCreate.apiKey.scopes", "[READ WRITE]")
	a.want("apiKeyCreate.apiKey.revoked", "false")
	a.want("apiKeyCreate.apiKey.readOnly", "false")
	a.want("apiKeyCreate.apiKey.expiresAt", "")
	a.want("apiKeyCreate.apiKey.limits.dailyLimitSats", "")
	a.want("apiKeyCreate.apiKey.limits.dailySpentSats", "0")
	a = o.ask(`mutation { apiKeyCreate(input: {name: "reader", scopes: [READ], expireInDays: 1}) { apiKey { readOnly scopes expiresAt expired } } }`, nil)
	a.want("apiKeyCreate.apiKey.readOnly", "true")
	a.want("apiKeyCreate.apiKey.expired", "false")
	if a.text("apiKeyCreate.apiKey.expiresAt") == "" {
		t.Error("it does not expire")
	}
	list := o.ask(`{ me { apiKeys { name } } }`, nil)
	list.want("me.apiKeys.0.name", "shop") // oldest first
	list.want("me.apiKeys.1.name", "reader")
	if strings.Contains(o.house.log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

func TestKeyManagementRefusals(t *testing.T) {
	t.Parallel()
	h := home(t)
	o, other := h.funded(t, 1), h.funded(t, 1)
	key, id := o.key("READ RECEIVE WRITE", nil)
	set := `mutation($i: ApiKeySetLimitInput!) { apiKeySetLimit(input: $i) { apiKey { id } } }`
	limit := func(id string, sats any) vars {
		return vars{"i": vars{"id": id, "limitTimeWindow": "DAILY", "limitSats": sats}}
	}
	for _, bad := range []any{0, -1, "-5", 1.5, "x", "10000000000001"} {
		o.send(set, limit(id, bad)).wantRefused(codeInput, "")
	}
	o.send(`mutation { apiKeyCreate(input: {name: "x", scopes: []}) { apiKeySecret } }`, nil).wantRefused(codeInput, "scope")
	o.send(`mutation { apiKeyCreate(input: {name: " "}) { apiKeySecret } }`, nil).wantRefused(codeInput, "name")
	o.send(`mutation { apiKeyCreate(input: {name: "x", expireInDays: 0}) { apiKeySecret } }`, nil).wantRefused(codeInput, "expire")
	for _, foreign := range []string{id, uuid.NewString(), "no-uuid"} {
		other.send(set, limit(foreign, 5)).wantRefused(codeUnauthorized, "API key not found")
		other.send(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { id } } }`, vars{"id": foreign}).wantRefused(codeUnauthorized, "API key not found")
		other.send(`mutation($id: ID!) { apiKeyRemoveLimit(input: {id: $id, limitTimeWindow: DAILY}) { apiKey { id } } }`, vars{"id": foreign}).
			wantRefused(codeUnauthorized, "API key not found")
	}
	// A key never, whatever its scopes; not even for itself.
	key.send(set, limit(id, 5)).wantRefused(codeUnauthorized, "Permission denied")
	key.send(`mutation { apiKeyCreate(input: {name: "x"}) { apiKeySecret } }`, nil).wantRefused(codeUnauthorized, "Permission denied")
	key.send(`mutation($id: ID!) { apiKeyRevoke(input: {id: $id}) { apiKey { id } } }`, vars{"id": id}).wantRefused(codeUnauthorized, "Permission denied")
	if got := o.limits(id); len(got) != 5 {
		t.Errorf("a limit was set: %v", got)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 100_000)
	key, id := o.key("READ WRITE", map[string]any{"DAILY": 10_000, "WEEKLY": "20000", "MONTHLY": 5_000_000_000, "ANNUAL": 10_000_000_000_000})
	got := o.limits(id)
	for name, want := range map[string]payment.Sat{
		"dailyLimitSats": 10_000, "weeklyLimitSats": 20_000, "monthlyLimitSats": 5_000_000_000, "annualLimitSats": 10_000_000_000_000,
		"dailyRemainingSats": 10_000, "annualRemainingSats": 10_000_000_000_000, "dailySpentSats": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %d, want %d", name, got[name], want)
		}
	}
	to := o.house.funded(t, 1).wallet.ID
	pay := func(sat int) paid {
		return key.pay(payment.DoorIntraLedger, vars{"walletId": o.wallet.ID, "recipientWalletId": to, "amount": sat})
	}
	pay(6_000).wantPaid()
	pay(6_000).wantFailed(codeRestricted, "daily")
	// Lower than what is spent: nothing remains, and it never goes below zero.
	o.ask(`mutation($id: ID!) { apiKeySetLimit(input: {id: $id, limitTimeWindow: DAILY, limitSats: 5000}) { apiKey { id } } }`, vars{"id": id})
	if got := o.limits(id); got["dailyLimitSats"] != 5_000 || got["dailySpentSats"] != 6_000 || got["dailyRemainingSats"] != 0 {
		t.Errorf("got %v", got)
	}
	pay(1).wantFailed(codeRestricted, "daily")
	for range 2 { // removing again is no error
		o.ask(`mutation($id: ID!) { apiKeyRemoveLimit(input: {id: $id, limitTimeWindow: DAILY}) { apiKey { limits { dailyLimitSats dailyRemainingSats } } } }`,
			vars{"id": id}).want("apiKeyRemoveLimit.apiKey.limits.dailyLimitSats", "")
	}
	pay(1).wantPaid()
	// A variable that clients declare as Int.
	o.ask(`mutation($id: ID!, $n: Int!) { apiKeySetLimit(input: {id: $id, limitTimeWindow: DAILY, limitSats: $n}) { apiKey { limits { dailyLimitSats } } } }`,
		vars{"id": id, "n": 3_000_000_000}).want("apiKeySetLimit.apiKey.limits.dailyLimitSats", "3000000000")
}

func TestConcurrentSetAndRemoveAllSucceed(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	_, id := o.key("READ", nil)
	var together sync.WaitGroup
	for i := range 24 {
		window := []string{"DAILY", "WEEKLY", "MONTHLY", "ANNUAL"}[i%4]
		query := fmt.Sprintf(`mutation { apiKeySetLimit(input: {id: "%s", limitTimeWindow: %s, limitSats: %d}) { apiKey { id } } }`, id, window, i+1)
		if i%3 == 0 {
			query = fmt.Sprintf(`mutation { apiKeyRemoveLimit(input: {id: "%s", limitTimeWindow: %s}) { apiKey { id } } }`, id, window)
		}
		together.Go(func() {
			if a := o.send(query, nil); len(a.Errors) != 0 {
				t.Errorf("got %s", a.raw)
			}
		})
	}
	together.Wait()
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	o.ask(`{ authorization { scopes } }`, nil).want("authorization.scopes", "[READ RECEIVE WRITE]")
	for scopes, want := range map[string]string{"WRITE": "[WRITE]", "READ WRITE": "[READ WRITE]", "RECEIVE READ": "[READ RECEIVE]"} {
		key, _ := o.key(scopes, nil)
		key.ask(`{ authorization { scopes } }`, nil).want("authorization.scopes", want)
	}
	writer, _ := o.key("WRITE", nil)
	writer.send(`{ me { id } }`, nil).wantRefused(codeUnauthorized, "Permission denied") // WRITE does not imply READ
}

// A session that its provider has narrowed cannot widen itself by a key.
func TestANarrowedSession(t *testing.T) {
	t.Parallel()
	_, r := newHandler(home(t).config)
	create := r.schema.Mutation.Fields.ForName("apiKeyCreate")
	session := func(scopes ...payment.Scope) identity.Principal {
		return identity.Principal{AccountID: uuid.New(), Scopes: scopes}
	}
	if why := refusal(session(payment.ScopeRead, payment.ScopeReceive), create); why != "Permission denied" {
		t.Errorf("a session that may read makes keys: %q", why)
	}
	writer := session(payment.ScopeWrite)
	if why := refusal(writer, create); why != "" {
		t.Error(why)
	}
	if _, err := scopesOf([]generated.Scope{generated.ScopeRead, generated.ScopeWrite}, writer); err == nil || codeOf(payment.ReasonOf(err)) != codeUnauthorized {
		t.Errorf("it gives a scope that it does not have: %v", err)
	}
	if got, err := scopesOf([]generated.Scope{generated.ScopeWrite, generated.ScopeReceive, generated.ScopeWrite}, writer); err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

package graphqlapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Invariant 5: what is too large is refused before it costs anything.
func TestOversizedOperationsAreRefused(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	const leaf = `id status direction memo createdAt settlementAmount settlementFee settlementCurrency settlementDisplayAmount settlementDisplayCurrency`
	for name, query := range map[string]string{
		"too long":            `{ me { id } } #` + strings.Repeat("x", 33<<10),
		"too many tokens":     `{ ` + strings.Repeat("a:me{id}", 1_500) + ` }`,
		"too many at the top": `{ ` + aliases("me { id }", 21) + ` }`,
		"payments by alias":   `mutation { ` + aliases(`intraLedgerPaymentSend(input: {walletId: "x", recipientWalletId: "x", amount: 1}) { status }`, 21) + ` }`,
		"too many fields":     `{ me { ` + aliases("id", 1_300) + ` } }`[:0] + `{ me { ` + aliases("id", 1_200) + ` ...F } } fragment F on User { ` + aliases("phone", 900) + ` }`,
		"doubling fragments":  doubling(30),
		"too complex":         `{ me { defaultAccount { wallets { ` + aliases("transactions(first: 100) { nodes { "+leaf+" } }", 20) + ` } } } }`,
		"keys by alias":       `{ me { ` + aliases("apiKeys { limits { dailySpentSats } }", 120) + ` } }`,
		"quadratic":           `{ globals { ` + strings.Repeat("network ", 1_500) + ` } }`,
		"too deep":            `{ me ` + strings.Repeat("{ defaultAccount { walletById(walletId: \"x\") { invoices { nodes { ... on LnInvoice { __typename } } } } } ", 1) + strings.Repeat("} ", 1) + `}`,
	} {
		if name == "too deep" {
			continue // nothing in the schema nests so deep: see TestDepth
		}
		a := o.send(query, nil)
		if a.Data != nil || len(a.Errors) == 0 || a.status == http.StatusOK && a.Errors[0].Extensions["code"] == nil {
			t.Errorf("%s: HTTP %d %.300s", name, a.status, a.raw)
		}
		if len(a.raw) > 2_000 {
			t.Errorf("%s: the answer has %d bytes", name, len(a.raw))
		}
	}
}

func aliases(field string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d:%s ", i, field)
	}
	return b.String()
}

// doubling is a document whose fields double with every fragment.
func doubling(levels int) string {
	b := strings.Builder{}
	b.WriteString(`{ me { ...F0 } }`)
	for i := range levels {
		fmt.Fprintf(&b, " fragment F%d on User { a%d: id ...F%d ...F%d }", i, i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on User { id }", levels)
	return b.String()
}

// Invariant 5: the schema is not deep enough for the common limit, so one of its own.
func TestDepth(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Limits.Depth = 3
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1)
	o.house = &house{address: address}
	o.ask(`{ me { defaultAccount { id } } }`, nil)
	o.ask(`{ me { ...F } } fragment F on User { defaultAccount { ... on ConsumerAccount { id } } }`, nil)
	for _, query := range []string{
		`{ me { defaultAccount { wallets { id } } } }`, `{ me { ...F } } fragment F on User { defaultAccount { ... on Account { wallets { id } } } }`,
	} {
		if a := o.send(query, nil); a.Data != nil || !strings.Contains(a.raw, "nested 4 deep") {
			t.Errorf("got %s", a.raw)
		}
	}
}

func TestWhatIsNoOperation(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	const query = `{"query":"{ me { id } }"}`
	for name, c := range map[string]struct {
		caller *owner
		body   string
		status int
	}{
		"a batch":                 {o, "[" + query + "," + query + "]", http.StatusBadRequest},
		"no JSON":                 {o, "{ me { id } }", http.StatusBadRequest},
		"nothing":                 {o, "", http.StatusBadRequest},
		"null":                    {o, "null", http.StatusBadRequest},
		"a text":                  {o, `"x"`, http.StatusBadRequest},
		"another type of content": {o.with("Content-Type", "text/plain"), query, http.StatusUnsupportedMediaType},
		"a form":                  {o.with("Content-Type", "application/x-www-form-urlencoded"), "query={me{id}}", http.StatusUnsupportedMediaType},
		"a huge body":             {o, `{"query":"{ me { id } }","variables":{"x":"` + strings.Repeat("x", 300<<10) + `"}}`, http.StatusRequestEntityTooLarge},
		"an unknown field":        {o, `{"query":"{ me { secrets } }"}`, http.StatusUnprocessableEntity},
		"an unknown input field":  {o, `{"query":"mutation { apiKeyRevoke(input: {id: \"x\", force: true}) { apiKey { id } } }"}`, http.StatusUnprocessableEntity},
		"a missing input field":   {o, `{"query":"mutation { apiKeyRevoke(input: {}) { apiKey { id } } }"}`, http.StatusUnprocessableEntity},
		"no such operation":       {o, `{"query":"query A { me { id } }","operationName":"B"}`, http.StatusUnprocessableEntity},
		"a subscription":          {o, `{"query":"subscription { myUpdates { errors { message } } }"}`, 0},
	} {
		a := c.caller.post(c.body)
		if c.status != 0 && a.status != c.status {
			t.Errorf("%s: HTTP %d, want %d: %.200s", name, a.status, c.status, a.raw)
		}
		if !strings.Contains(a.raw, "error") || len(a.raw) > 2_000 {
			t.Errorf("%s: %.300s", name, a.raw)
		}
	}
}

// Introspection and suggestions are for development.
func TestProductionTellsNoSchema(t *testing.T) {
	t.Parallel()
	h := home(t)
	cfg := h.config
	cfg.Development, cfg.Issuer = false, nil
	address, stop, err := h.open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stop() })
	o := h.funded(t, 1)
	o.house = &house{address: address}
	for _, query := range []string{`{ __schema { types { name } } }`, `{ __type(name: "User") { name } }`} {
		if a := o.send(query, nil); len(a.Errors) == 0 || strings.Contains(a.raw, "UserUpdate") {
			t.Errorf("got %.200s", a.raw)
		}
	}
	if a := o.send(`{ me { usernam } }`, nil); strings.Contains(a.raw, "Did you mean") {
		t.Errorf("got %s", a.raw)
	}
	a := o.ask(`mutation { userLogin(input: {phone: "+16505550001", code: "000000"}) { authToken errors { code } } }`, nil)
	a.want("userLogin.authToken", "")
	o.house = h
	if a := o.send(`{ __schema { types { name fields { name args { name type { name ofType { name ofType { name } } } } } } } }`, nil); len(a.Errors) != 0 {
		t.Errorf("development: %.200s", a.raw)
	}
	cfg.Issuer = h.issuer
	if _, err := New(cfg); err == nil {
		t.Error("the development login was configured outside of development")
	}
	if _, err := New(Config{}); err == nil || strings.Count(err.Error(), "\n") < 3 {
		t.Errorf("not all mistakes are named: %v", err)
	}
}

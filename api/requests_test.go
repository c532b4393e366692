package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/telemetry"
)

const someUUID = "3f0c8a3e-5b1d-4c7e-9a52-0c6d1f1b2e4a"

// Invariant 1: the id is the caller's if it is sane, it is echoed, the door sees it, and every log line has it.
func TestRequestID(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(telemetry.RequestID(r.Context()))) })
	})
	for given, kept := range map[string]bool{
		"caller-1": true, someUUID: true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "two words": false, "a\"b": false, "a=b": false, "ä": false,
	} {
		got := h.query("{}", "X-Request-Id", given)
		id := got.header.Get("X-Request-Id")
		if got.body != id || id == "" || (id == given) != kept {
			t.Errorf("%q: the door saw %q, echoed %q, kept should be %v", given, got.body, id, kept)
		}
		if !strings.Contains(h.log.String(), "request_id="+id) {
			t.Errorf("no log line of %s", id)
		}
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("<" + api.IdempotencyKey(r.Context()) + ">"))
		})
	})
	if got := h.query("{}"); got.body != "<>" {
		t.Errorf("without a key: %+v", got)
	}
	for _, given := range []string{someUUID, strings.ToUpper(someUUID)} {
		if got := h.query("{}", "X-Idempotency-Key", given); got.body != "<"+someUUID+">" {
			t.Errorf("%s: %+v", given, got)
		}
	}
	for _, given := range []string{"", "1", "not-a-uuid", someUUID + "0", "{" + someUUID + "}", "urn:uuid:" + someUUID, strings.ReplaceAll(someUUID, "-", "")} {
		h.query("{}", "X-Idempotency-Key", given).wantRefusal(t, http.StatusBadRequest, "UUID")
	}
	h.query("{}", "X-Idempotency-Key", someUUID, "X-Idempotency-Key", someUUID).wantRefusal(t, http.StatusBadRequest, "UUID")
}

func TestMethodAndContent(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) { c.GraphQL, c.Limits.BodyBytes = http.HandlerFunc(echo), 1000 })
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON"} {
		if got := h.ask("POST", "/graphql", `{"query":"{a}"}`, "Content-Type", kind); got.status != http.StatusOK || got.body != `{"query":"{a}"}` {
			t.Errorf("%s: %+v", kind, got)
		}
	}
	for _, kind := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql", "application/json;;"} {
		h.ask("POST", "/graphql", "{}", "Content-Type", kind).wantRefusal(t, http.StatusUnsupportedMediaType, "application/json")
	}
	for _, method := range []string{"GET", "PUT", "DELETE", "OPTIONS", "NONSENSE"} {
		got := h.ask(method, "/graphql?query={a}", "", "Content-Type", "application/json")
		got.wantRefusal(t, http.StatusMethodNotAllowed, "POST")
		if got.header.Get("Allow") != "POST" {
			t.Errorf("%s: Allow is %q", method, got.header.Get("Allow"))
		}
	}
	if got := h.query(strings.Repeat("x", 1000)); got.status != http.StatusOK {
		t.Errorf("the largest body: %d", got.status)
	}
	h.query(strings.Repeat("x", 1001)).wantRefusal(t, http.StatusRequestEntityTooLarge, "too large")
	if got := h.ask("GET", "/nothing", ""); got.status != http.StatusNotFound {
		t.Errorf("an unknown path: %+v", got)
	}
	if got := h.ask("GET", "/", ""); got.status != http.StatusNotFound {
		t.Errorf("the playground without development: %+v", got)
	}
}

// Invariant 3: 401 before the door, one body for everything that can be wrong; a database that is away is not a bad key, and the
// door knows.
func TestCredentials(t *testing.T) {
	t.Parallel()
	type who struct{}
	h := serve(t, func(c *api.Config) {
		c.Authenticate = func(ctx context.Context, header http.Header) (context.Context, error) {
			switch key := header.Get("X-API-KEY") + header.Get("Authorization"); key {
			case "good", "Bearer good":
				return context.WithValue(ctx, who{}, "alice"), nil
			case "away":
				return nil, payment.Errorf(payment.ReasonUnavailable, "dial tcp: refused")
			case "odd":
				return nil, errors.New("pq: secret detail")
			default:
				return nil, payment.Errorf(payment.ReasonKeyInactive, "revoked on Monday")
			}
		}
		c.GraphQL = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			name, _ := r.Context().Value(who{}).(string)
			if identity.UncheckedFrom(r.Context()) != nil {
				name = "unchecked"
			}
			_, _ = w.Write([]byte("<" + name + ">"))
		})
	})
	if got := h.query("{}"); got.body != "<>" {
		t.Errorf("nobody: %+v", got)
	}
	for _, head := range [][]string{{"X-API-KEY", "good"}, {"Authorization", "Bearer good"}} {
		if got := h.query("{}", head...); got.body != "<alice>" {
			t.Errorf("%v: %+v", head, got)
		}
	}
	for _, head := range [][]string{{"X-API-KEY", "bad"}, {"X-Api-Key", "odd"}, {"Authorization", "Bearer bad"}, {"Authorization", "Basic x"}} {
		got := h.query("{}", head...)
		got.wantRefusal(t, http.StatusUnauthorized, "The API key or token is not valid.")
		if got.body != `{"error":{"code":401,"message":"The API key or token is not valid."}}`+"\n" {
			t.Errorf("%v: %s", head, got.body)
		}
	}
	if got := h.query("{}", "X-API-KEY", "away"); got.body != "<unchecked>" {
		t.Errorf("credentials that cannot be checked: %+v", got)
	}
	if !strings.Contains(h.log.String(), "credentials could not be checked") {
		t.Error("the log says nothing of it")
	}
}

// Calls without valid credentials are limited by address, also behind a proxy; those with are not.
func TestAnonymousRate(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counts, err := telemetry.NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	twice := limit.Rate{Count: 2, Per: time.Hour, Burst: 2}
	h := serve(t, func(c *api.Config) {
		c.GraphQL, c.Counts = http.HandlerFunc(echo), counts
		c.Limiter = limit.New(limit.Rates{limit.Anonymous: {Address: twice}, limit.Credentials: {Address: twice}}, limit.OnRefusal(counts.RateLimited))
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
		c.Authenticate = func(ctx context.Context, header http.Header) (context.Context, error) {
			if header.Get("X-API-KEY") == "good" {
				return ctx, nil
			}
			return nil, payment.Errorf(payment.ReasonKeyNotFound, "no")
		}
		c.Metrics, c.MetricsHandler = "127.0.0.1:0", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	})
	from := func(address string, head ...string) answer {
		return h.query("{}", append(head, "X-Forwarded-For", address)...)
	}
	for _, want := range []int{200, 200, 429, 429} {
		got := from("1.1.1.1")
		if got.status != want || (want == 429) != (got.header.Get("Retry-After") != "") {
			t.Errorf("got %d (retry after %s), want %d", got.status, got.header.Get("Retry-After"), want)
		}
	}
	if got := from("1.1.1.1", "X-API-KEY", "bad"); got.status != 401 {
		t.Errorf("bad credentials have a bucket of their own: %d", got.status)
	}
	from("1.1.1.1").wantRefusal(t, http.StatusTooManyRequests, "Too many requests")
	for address, want := range map[string]int{
		"6.6.6.6, 1.1.1.1":           429, // only the last hop is our proxy's word
		"1.1.1.1, 10.2.3.4":          429, // a second proxy of ours
		"2.2.2.2":                    200,
		"2001:db8:1:2:3::1":          200,
		"2001:db8:1:2:ffff:ff::abcd": 200,
	} {
		if got := from(address); got.status != want {
			t.Errorf("from %s: %d, want %d", address, got.status, want)
		}
	}
	if got := from("2001:db8:1:2::9"); got.status != 429 {
		t.Errorf("a third address of one /64: %d", got.status)
	}
	if got := from("1.1.1.1", "X-API-KEY", "good"); got.status != 200 {
		t.Errorf("with a valid key: %d", got.status)
	}
	scraped := get(t, "http://"+h.server.MetricsAddress()+"/metrics")
	for _, line := range []string{
		`holdfast_rate_limited_total{class="anonymous",subject="address"} 6`, `holdfast_http_requests_total{method="POST",route="/graphql",status="401"} 1`,
		`holdfast_http_request_seconds_count{route="/graphql"}`, `holdfast_build_info{`,
	} {
		if !strings.Contains(scraped, line) {
			t.Errorf("no %s in the metrics", line)
		}
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.GraphQL = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var nothing *http.Cookie
			_ = nothing.Value
		})
	})
	for range 2 { // the process goes on
		got := h.query("{}", "X-Request-Id", "panic-1")
		got.wantRefusal(t, http.StatusInternalServerError, "Something went wrong")
		if strings.Contains(got.body, "nil pointer") {
			t.Errorf("the panic is shown: %s", got.body)
		}
	}
	if log := h.log.String(); !strings.Contains(log, "a request panicked") || !strings.Contains(log, "request_id=panic-1") {
		t.Errorf("the log says nothing: %s", log)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	h := serve(t, func(c *api.Config) {
		c.GraphQL, c.GraphQLWS, c.Origins = http.HandlerFunc(echo), http.HandlerFunc(echo), []string{"https://wallet.example"}
	})
	preflight := func(origin string) answer {
		return h.ask("OPTIONS", "/graphql", "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-api-key")
	}
	good := preflight("https://wallet.example")
	if good.status != http.StatusNoContent || good.header.Get("Access-Control-Allow-Origin") != "https://wallet.example" ||
		!strings.Contains(good.header.Get("Access-Control-Allow-Headers"), "X-API-KEY") || good.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the origin that is allowed: %+v", good)
	}
	for _, origin := range []string{"https://evil.example", "null", "https://wallet.example.evil", "http://wallet.example"} {
		if got := preflight(origin); got.header.Get("Access-Control-Allow-Origin") != "" || got.header.Get("Access-Control-Allow-Headers") != "" {
			t.Errorf("%s: %+v", origin, got)
		}
		h.ask("GET", "/graphqlws", "", "Origin", origin).wantRefusal(t, http.StatusForbidden, "origin")
	}
	for _, origin := range []string{"https://wallet.example", h.url(""), ""} {
		if got := h.ask("GET", "/graphqlws", "", "Origin", origin); got.status != http.StatusOK {
			t.Errorf("a socket from %q: %+v", origin, got)
		}
	}
}

func TestNotConfigured(t *testing.T) {
	t.Parallel()
	h := serve(t, func(*api.Config) {})
	h.query("{}").wantRefusal(t, http.StatusServiceUnavailable, "not served")
	h.ask("GET", "/graphqlws", "").wantRefusal(t, http.StatusServiceUnavailable, "not served")
	for _, cfg := range []api.Config{{}, {HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0"}, {HTTP: "127.0.0.1:0", Metrics: "127.0.0.1:0"}} {
		if server, err := api.Start(t.Context(), cfg); err == nil {
			t.Errorf("%+v was started", cfg)
			_ = server.Stop(context.Background())
		}
	}
	_, err := api.Start(t.Context(), api.Config{HTTP: h.server.HTTPAddress()})
	if !payment.IsReason(err, payment.ReasonInvalidInput) || !strings.Contains(err.Error(), h.server.HTTPAddress()) {
		t.Errorf("an address in use: %v", err)
	}
}

// Invariant 6: the dependency that is away is named, without driver text.
func TestHealth(t *testing.T) {
	t.Parallel()
	var away error
	h := serve(t, func(c *api.Config) {
		c.Ready = []api.Dependency{
			{Name: "postgres", Check: func(context.Context) error { return away }},
			{Name: "workers", Check: func(ctx context.Context) error {
				if away == nil {
					return nil
				}
				<-ctx.Done() // silent
				return ctx.Err()
			}},
			{Name: "temporal", Check: func(context.Context) error { return nil }},
		}
		c.Limits.HealthTime = time.Nanosecond
	})
	if got := h.ask("GET", "/healthz", ""); got.status != 200 {
		t.Errorf("alive: %+v", got)
	}
	if got := h.ask("GET", "/readyz", ""); got.status != 200 || !strings.Contains(got.body, `"ready"`) {
		t.Errorf("ready: %+v", got)
	}
	away = payment.Errorf(payment.ReasonUnavailable, "The ledger does not answer.").Because(errors.New("dial tcp 10.0.0.1"))
	got := h.ask("GET", "/readyz", "")
	var health api.Health
	if err := json.Unmarshal([]byte(got.body), &health); err != nil || got.status != 503 || health.Status != "not ready" || strings.Contains(got.body, "dial") {
		t.Fatalf("%+v, %v", got, err)
	}
	want := []api.DependencyHealth{{"postgres", false, "The ledger does not answer."}, {"workers", false, "does not answer"}, {"temporal", true, ""}}
	for i, d := range health.Dependencies {
		if d != want[i] {
			t.Errorf("got %+v, want %+v", d, want[i])
		}
	}
	if got := h.ask("GET", "/healthz", ""); got.status != 200 {
		t.Errorf("still alive: %+v", got)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	h := &house{t: t, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	res, err := h.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	if _, err := copyAll(&text, res); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

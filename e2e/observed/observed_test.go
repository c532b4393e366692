package observed_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/holdfast-pay/holdfast/api"
	"github.com/holdfast-pay/holdfast/devnet/devnettest"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/telemetry"
)

const requestID = "caller-4711"

// An operator's view of three payments: one that settles, one that the budget refuses, one that is held.
func TestObserved(t *testing.T) {
	net := devnettest.Net(t)
	must(t, ledger.MigrateUp(t.Context(), net.Env()["DATABASE_URL"]))
	spans := tracetest.NewInMemoryExporter()
	front, back := startProcess(t, spans), startProcess(t, spans)
	wallet := newWallet(t, front)
	key, err := front.books.CreateKey(t.Context(), ledger.Key{ID: payment.NewID(), AccountID: wallet.AccountID, Name: "shop"}, [32]byte{1})
	must(t, err)
	must(t, front.books.SetLimit(t.Context(), wallet.AccountID, key.ID, payment.Daily, 10_000))
	server := serveAPI(t, front, starter.Caller{AccountID: wallet.AccountID, KeyID: key.ID, Door: payment.DoorGo}, wallet.ID)
	base := "http://" + server.HTTPAddress()

	wantAway(t, base, map[string]string{"workers": "No worker polls payments, node-bank"})
	stop := serveWorker(t, back)
	eventually(t, "readiness", func() bool { return len(readiness(t, base)) == 0 })
	fund(t, front, wallet, 100_000)

	if state := pay(t, base, invoice(t, "alice", 1_000)); state != "settled" {
		t.Fatalf("the payment is %s", state)
	}
	oneRequestID(t, front, back)
	oneTrace(t, spans)

	if state := pay(t, base, invoice(t, "alice", 20_000)); state != "refused" {
		t.Errorf("over the budget: %s", state)
	}
	held, hash, _, err := net.Hold(t.Context(), "alice", 2_000)
	must(t, err)
	if state := pay(t, base, held); state != "pending" {
		t.Errorf("held: %s", state)
	}
	wantMetrics(t, front, back)
	must(t, net.Cancel(t.Context(), "alice", hash))
	eventually(t, "the end of what was held", func() bool {
		return number(t, back, `holdfast_payments_ended_total{kind="lightning",reason="REJECTED",state="failed"}`) == 1
	})
	eventually(t, "a comparison", func() bool { return number(t, back, `holdfast_books_compared_timestamp_seconds{node="bank"}`) > 0 })
	if differs := number(t, back, `holdfast_books_differ{check="payments",node="bank"}`); differs != 0 {
		t.Errorf("the books differ: %v", differs)
	}
	stop()
	dependenciesAway(t, base)
}

// dependenciesAway stops Temporal and Postgres, one after the other.
func dependenciesAway(t *testing.T, base string) {
	net := devnettest.Net(t)
	must(t, net.StopProcess("temporal"))
	wantAway(t, base, map[string]string{"temporal": "Temporal does not answer", "workers": "Temporal does not answer"})
	must(t, net.StartProcess(t.Context(), "temporal"))
	eventually(t, "Temporal", func() bool { return readiness(t, base)["temporal"] == "" })
	must(t, net.StopProcess("postgres"))
	eventually(t, "a word about Postgres", func() bool { return readiness(t, base)["postgres"] != "" })
	if said := readiness(t, base)["postgres"]; !strings.Contains(said, "ledger is not reachable") {
		t.Errorf("without Postgres: %q", said)
	}
	res, err := http.Get(base + "/healthz")
	must(t, err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("alive: %d", res.StatusCode)
	}
	must(t, net.StartProcess(t.Context(), "postgres"))
	eventually(t, "Postgres", func() bool { return readiness(t, base)["postgres"] == "" })
}

// readiness gives what /readyz says about each dependency that is away.
func readiness(t *testing.T, base string) map[string]string {
	t.Helper()
	res, err := http.Get(base + "/readyz")
	must(t, err)
	defer res.Body.Close()
	var health api.Health
	must(t, json.NewDecoder(res.Body).Decode(&health))
	away := map[string]string{}
	for _, d := range health.Dependencies {
		if !d.OK {
			away[d.Name] = d.Detail
		}
	}
	if (res.StatusCode == http.StatusOK) != (len(away) == 0) {
		t.Errorf("status %d with %v away", res.StatusCode, away)
	}
	return away
}

func wantAway(t *testing.T, base string, want map[string]string) {
	t.Helper()
	got := readiness(t, base)
	for name, detail := range want {
		if !strings.Contains(got[name], detail) {
			t.Errorf("%s is %q, want %q", name, got[name], detail)
		}
	}
	if len(got) != len(want) {
		t.Errorf("away: %v, want %v", got, want)
	}
}

func invoice(t *testing.T, node string, sat int64) string {
	t.Helper()
	text, err := devnettest.Net(t).Invoice(t.Context(), node, sat, "", time.Hour)
	must(t, err)
	return text
}

// pay asks the API, and answers the payment's state.
func pay(t *testing.T, base, invoice string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/graphql", strings.NewReader(invoice))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", requestID)
	res, err := http.DefaultClient.Do(req)
	must(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	must(t, err)
	if res.StatusCode != http.StatusOK || res.Header.Get("X-Request-Id") != requestID {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	return string(text)
}

// oneRequestID checks that the API, the worker's activity and its calls of LND log the request's id.
func oneRequestID(t *testing.T, front, back *process) {
	t.Helper()
	for _, c := range []struct {
		where string
		log   *lines
		line  string
	}{
		{"API", &front.log, "msg=request"}, {"activity", &back.log, `msg="payment sent"`},
		{"LND call", &back.log, "method=SendPaymentV2"}, {"LND call", &back.log, "method=TrackPaymentV2"},
	} {
		found := false // a stream is logged when it has ended
		for deadline := time.Now().Add(5 * time.Second); !found && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			found = len(c.log.with(c.line, "request_id="+requestID)) > 0
		}
		if !found {
			t.Errorf("%s: no line %s with request_id=%s in %q", c.where, c.line, requestID, c.log.with(c.line))
		}
	}
}

// oneTrace checks that the spans of request, workflow, activity and LND call are of one trace, each below the one before.
func oneTrace(t *testing.T, spans *tracetest.InMemoryExporter) {
	t.Helper()
	all := spans.GetSpans()
	find := func(name string) (found tracetest.SpanStub) {
		for _, s := range all {
			if strings.Contains(s.Name, name) {
				found = s // the last one: the payment is the newest
			}
		}
		if found.Name == "" {
			var names []string
			for _, s := range all {
				names = append(names, s.Name)
			}
			slices.Sort(names)
			t.Fatalf("no span %s in %v", name, slices.Compact(names))
		}
		return found
	}
	request := find("POST /graphql")
	for _, name := range []string{"RunWorkflow:Lightning", "Reserve", "RunActivity:SendLightning", "SendPaymentV2"} {
		below := find(name)
		if below.SpanContext.TraceID() != request.SpanContext.TraceID() {
			t.Errorf("%s is of another trace", name)
		}
		chain := []string{below.Name}
		for parent := below.Parent.SpanID(); parent.IsValid() && parent != request.SpanContext.SpanID(); {
			at := slices.IndexFunc(all, func(s tracetest.SpanStub) bool { return s.SpanContext.SpanID() == parent })
			if at < 0 {
				t.Errorf("%v hangs below an unknown span", chain)
				break
			}
			chain, parent = append(chain, all[at].Name), all[at].Parent.SpanID()
		}
		t.Logf("%s < POST /graphql", strings.Join(chain, " < "))
	}
}

func wantMetrics(t *testing.T, front, back *process) {
	t.Helper()
	for series, want := range map[string]float64{
		`holdfast_payments_started_total{kind="lightning"}`:                                        3,
		`holdfast_payments_ended_total{kind="lightning",reason="",state="settled"}`:                1,
		`holdfast_payments_ended_total{kind="lightning",reason="BUDGET_EXCEEDED",state="refused"}`: 1,
		`holdfast_budget_refusals_total{of="key",window="daily"}`:                                  1,
		`holdfast_step_seconds_count{result="ok",step="Reserve"}`:                                  3,
		`holdfast_payments_live{kind="lightning",state="pending"}`:                                 1,
		`holdfast_ledger_up`: 1,
	} {
		eventually(t, series, func() bool { return number(t, back, series) == want })
	}
	for _, series := range []string{
		`holdfast_lnd_call_seconds_count{method="GetInfo",node="bank"}`, `holdfast_lnd_calls_total{code="NotFound",method="TrackPaymentV2",node="bank"}`,
	} {
		if number(t, back, series) < 1 {
			t.Errorf("%s was not counted", series)
		}
	}
	if got := number(t, front, `holdfast_http_requests_total{method="POST",route="/graphql",status="200"}`); got != 3 {
		t.Errorf("%v requests were counted, want 3", got)
	}
}

// number reads one series of a process; 0 if it is not there.
func number(t *testing.T, p *process, series string) float64 {
	t.Helper()
	w := httptest.NewRecorder()
	telemetry.Handler(p.registry).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(w.Body.String())
	if found == nil {
		return 0
	}
	value, err := strconv.ParseFloat(found[1], 64)
	must(t, err)
	return value
}

package limit_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

// clock is a time that tests move.
type clock struct{ nanos atomic.Int64 }

func (c *clock) now() time.Time          { return time.Unix(1_700_000_000, c.nanos.Load()) }
func (c *clock) forward(d time.Duration) { c.nanos.Add(int64(d)) }

// model is a bucket in exact arithmetic: tokens are counted in 1/Per nanoseconds.
type model struct {
	rate   limit.Rate
	tokens *big.Int // times Per in ns
	last   time.Time
}

func newModel(r limit.Rate, now time.Time) *model {
	full := new(big.Int).Mul(big.NewInt(int64(r.Burst)), big.NewInt(int64(r.Per)))
	return &model{rate: r, tokens: full, last: now}
}

// fill to now, and the tokens missing for one call, in 1/Per ns; 0 or less: it passes.
func (m *model) missing(now time.Time) *big.Int {
	grown := new(big.Int).Mul(big.NewInt(int64(now.Sub(m.last))), big.NewInt(int64(m.rate.Count)))
	m.tokens.Add(m.tokens, grown)
	m.last = now
	if full := new(big.Int).Mul(big.NewInt(int64(m.rate.Burst)), big.NewInt(int64(m.rate.Per))); m.tokens.Cmp(full) > 0 {
		m.tokens = full
	}
	return new(big.Int).Sub(big.NewInt(int64(m.rate.Per)), m.tokens)
}

func (m *model) take() { m.tokens.Sub(m.tokens, big.NewInt(int64(m.rate.Per))) }

// Invariants 1 and 2 against the plain model. Where the two differ by less than a microsecond's worth of tokens the
// library's floating point may decide either way.
func TestBucketsAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := limit.Rate{
			Count: rapid.IntRange(1, 500).Draw(t, "count"), Burst: rapid.IntRange(1, 50).Draw(t, "burst"),
			Per: time.Duration(rapid.IntRange(1, 3_600_000).Draw(t, "per ms")) * time.Millisecond,
		}
		at := &clock{}
		buckets := limit.New(limit.Rates{limit.Payments: {Account: r}}, limit.WithClock(at.now))
		models := map[string]*model{}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				at.forward(time.Duration(rapid.Int64Range(0, int64(2*r.Per)).Draw(t, "ns")))
			},
			"call": func(t *rapid.T) {
				subject := limit.Account(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "subject"))
				if models[subject] == nil {
					models[subject] = newModel(r, at.now())
				}
				m := models[subject]
				missing := m.missing(at.now())
				retryAfter, ok := buckets.Allow(context.Background(), limit.Payments, subject)
				slack := new(big.Int).Mul(big.NewInt(int64(time.Microsecond)), big.NewInt(int64(r.Count)))
				near := new(big.Int).Abs(missing).Cmp(slack) < 0
				if want := missing.Sign() <= 0; ok != want && !near {
					t.Fatalf("%v: got %v, want %v (missing %v)", r, ok, want, missing)
				}
				if ok {
					m.take()
					return
				}
				want := new(big.Int).Div(missing, big.NewInt(int64(r.Count)))
				if off := (retryAfter - time.Duration(want.Int64())).Abs(); off > 2*time.Microsecond {
					t.Fatalf("%v: retry after %v, want %v ns", r, retryAfter, want)
				}
			},
		})
	})
}

// Invariant 2: after the time to retry the next call passes, and not much before.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	at := &clock{}
	buckets := limit.New(limit.Rates{limit.Invoices: {Key: limit.Rate{Count: 6, Per: time.Minute, Burst: 2}}}, limit.WithClock(at.now))
	key := limit.Key("k")
	allow := func() (time.Duration, bool) { return buckets.Allow(context.Background(), limit.Invoices, key) }
	allow()
	allow()
	for range 3 { // refusals take nothing
		if retryAfter, ok := allow(); ok || retryAfter != 10*time.Second {
			t.Fatalf("got %v, %v, want a refusal for 10 s", retryAfter, ok)
		}
	}
	at.forward(9 * time.Second)
	if _, ok := allow(); ok {
		t.Error("allowed a second too early")
	}
	at.forward(time.Second + time.Microsecond)
	if _, ok := allow(); !ok {
		t.Error("refused after the time to retry")
	}
}

// Invariant 3: memory is bounded, and who was seen last is remembered.
func TestSubjectsAreBounded(t *testing.T) {
	t.Parallel()
	at := &clock{}
	once := limit.Rate{Count: 1, Per: time.Hour, Burst: 1}
	buckets := limit.New(limit.Rates{limit.Logins: {Address: once}}, limit.WithClock(at.now), limit.WithSubjects(10))
	ctx := context.Background()
	for i := range 1000 {
		buckets.Allow(ctx, limit.Logins, limit.Address(fmt.Sprint(i)))
	}
	for i := range 10 {
		if _, ok := buckets.Allow(ctx, limit.Logins, limit.Address(fmt.Sprint(990+i))); ok {
			t.Errorf("subject %d was forgotten", 990+i)
		}
	}
	if _, ok := buckets.Allow(ctx, limit.Logins, limit.Address("0")); !ok {
		t.Error("subject 0 is still remembered")
	}
}

// Invariant 4, and: kinds of subjects and classes do not share buckets.
func TestClassesAreApart(t *testing.T) {
	t.Parallel()
	at := &clock{}
	once := limit.Rate{Count: 1, Per: time.Hour, Burst: 1}
	var refusals []string
	buckets := limit.New(limit.Rates{limit.Payments: {Account: once, Key: once}, limit.Invoices: {Account: once}},
		limit.WithClock(at.now), limit.OnRefusal(func(class, kind string) { refusals = append(refusals, class+" "+kind) }))
	ctx := context.Background()
	for _, c := range []struct {
		class, subject string
		want           bool
	}{
		{limit.Payments, limit.Account("1"), true}, {limit.Payments, limit.Account("1"), false},
		{limit.Payments, limit.Key("1"), true}, {limit.Payments, limit.Account("2"), true},
		{limit.Invoices, limit.Account("1"), true}, {limit.Invoices, limit.Key("1"), true}, {limit.Invoices, limit.Key("1"), true},
		{limit.Reads, limit.Account("1"), true}, {"unknown", "nobody", true}, {limit.Payments, limit.Key("1"), false},
	} {
		if _, ok := buckets.Allow(ctx, c.class, c.subject); ok != c.want {
			t.Errorf("%s %s: got %v, want %v", c.class, c.subject, ok, c.want)
		}
	}
	if got := strings.Join(refusals, ", "); got != "payments account, payments key" {
		t.Errorf("refusals counted: %s", got)
	}
}

// Many callers at once pass exactly as often as the burst says, also while others push subjects out.
func TestConcurrentCallers(t *testing.T) {
	t.Parallel()
	at := &clock{}
	buckets := limit.New(limit.Rates{limit.Payments: {Account: limit.Rate{Count: 7, Per: time.Hour, Burst: 7}}},
		limit.WithClock(at.now), limit.WithSubjects(1000))
	var passed atomic.Int32
	var calling sync.WaitGroup
	for i := range 20 {
		calling.Go(func() {
			for j := range 20 {
				if _, ok := buckets.Allow(context.Background(), limit.Payments, limit.Account("hot")); ok {
					passed.Add(1)
				}
				buckets.Allow(context.Background(), limit.Payments, limit.Account(fmt.Sprint(i, j)))
			}
		})
	}
	calling.Wait()
	if passed.Load() != 7 {
		t.Errorf("%d of 400 calls passed, want 7", passed.Load())
	}
}

func TestCheckSaysWhenToRetry(t *testing.T) {
	t.Parallel()
	at := &clock{}
	buckets := limit.New(limit.Rates{limit.Payments: {Key: limit.Rate{Count: 2, Per: time.Minute, Burst: 1}}}, limit.WithClock(at.now))
	ask := func() error {
		return limit.Check(context.Background(), buckets, limit.Payments, limit.Key("k"), limit.Account("a"))
	}
	if err := ask(); err != nil {
		t.Fatal(err)
	}
	at.forward(500 * time.Millisecond)
	err := ask()
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || coded.Reason != payment.ReasonTooManyRequests || coded.Message != "Too many requests (payments). Try again in 30 s." {
		t.Errorf("got %v", err)
	}
	if cause, ok := errors.AsType[limit.Exceeded](err); !ok || cause.RetryAfter != 29*time.Second+500*time.Millisecond {
		t.Errorf("got cause %+v", cause)
	}
	if err := limit.Check(context.Background(), nil, limit.Payments, "x"); err != nil {
		t.Errorf("without a limiter: %v", err)
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"120 per 1m, burst 40": "120 per 1m, burst 40", "5 per 1h": "5 per 1h, burst 5", "1 per 1ms,burst 2": "1 per 1ms, burst 2",
		"off": "off", "10 per 90s": "10 per 1m30s, burst 10", "1 per 24h": "1 per 24h, burst 1",
		"": "", "5": "", "5 per": "", "5 per minute": "", "-1 per 1m": "", "0 per 1m": "", "1 per 0s": "", "1 per 1m, burst 0": "", "1 per 25h": "",
		"1.5 per 1m": "", "99999999999999999999 per 1m": "", "1 per 1m, burst": "",
	} {
		got, err := limit.ParseRate(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: got %v, %v, want %q", text, got, err, want)
		}
		if again, err2 := limit.ParseRate(got.String()); err == nil && (err2 != nil || again != got) {
			t.Errorf("%q is not read again: %v, %v", got, again, err2)
		}
	}
}

// Peek answers what Allow would, takes nothing, and remembers nobody.
func TestPeek(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	class := limit.Credentials
	buckets := limit.New(limit.Rates{class: {Address: limit.Rate{Count: 1, Per: time.Minute, Burst: 2}}},
		limit.WithClock(func() time.Time { return now }), limit.WithSubjects(1))
	address, other := limit.Address("192.0.2.1"), limit.Address("192.0.2.2")
	for range 2 {
		for range 5 {
			if wait, ok := buckets.Peek(t.Context(), class, address); !ok || wait != 0 {
				t.Fatalf("with tokens left: %v, %v", wait, ok)
			}
		}
		if _, ok := buckets.Allow(t.Context(), class, address); !ok {
			t.Fatal("a peek took something")
		}
	}
	if _, ok := buckets.Peek(t.Context(), class, other); !ok {
		t.Error("an address that was never seen is refused")
	}
	if wait, ok := buckets.Peek(t.Context(), class, address); ok || wait != time.Minute {
		t.Errorf("an empty bucket: %v, %v", wait, ok)
	}
	now = now.Add(time.Minute)
	if _, ok := buckets.Allow(t.Context(), class, address); !ok {
		t.Error("peeks delayed the next token")
	}
}

func TestClientOf(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::1": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "::1": "::/64",
	} {
		if got := limit.ClientOf(netip.MustParseAddr(given)); got != want {
			t.Errorf("%s is %s, want %s", given, got, want)
		}
	}
}

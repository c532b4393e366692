package limit

import (
	"context"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/holdfast-pay/holdfast/payment"
)

// Subjects that are remembered per class and kind. A bucket takes about 200 bytes.
const defaultSubjects = 20_000

// ClassRates are the rates of one class, one per kind of subject.
type ClassRates struct {
	Account Rate
	Key     Rate
	Address Rate
}

// Rates are the rates by class.
type Rates map[string]ClassRates

// Buckets is the Limiter: a token bucket per class and subject. Make it with New.
type Buckets struct {
	now     func() time.Time
	refused func(class, kind string)
	classes map[string]*bucketsOfClass // "payments account": never changed after New
}

// bucketsOfClass are the buckets of one class and one kind of subject, under one rate.
type bucketsOfClass struct {
	rate  Rate
	mu    sync.Mutex
	known *lru.Cache[string, *rate.Limiter]
}

// Option changes how Buckets work.
type Option func(*options)

type options struct {
	now      func() time.Time
	subjects int
	refused  func(class, kind string)
}

// WithClock replaces time.Now, for tests.
func WithClock(now func() time.Time) Option { return func(o *options) { o.now = now } }

// WithSubjects bounds how many subjects are remembered, per class and kind of subject.
func WithSubjects(n int) Option { return func(o *options) { o.subjects = max(1, n) } }

// OnRefusal is told of every refusal: to count it.
func OnRefusal(refused func(class, kind string)) Option {
	return func(o *options) { o.refused = refused }
}

// New makes a Limiter of rates.
func New(rates Rates, opts ...Option) *Buckets {
	o := options{now: time.Now, subjects: defaultSubjects, refused: func(string, string) {}}
	for _, opt := range opts {
		opt(&o)
	}
	b := &Buckets{now: o.now, refused: o.refused, classes: map[string]*bucketsOfClass{}}
	for class, of := range rates {
		for kind, r := range map[string]Rate{"account": of.Account, "key": of.Key, "address": of.Address} {
			if r.Off() {
				continue
			}
			known, err := lru.New[string, *rate.Limiter](o.subjects)
			if err != nil { // only for a size below 1
				panic(err)
			}
			b.classes[class+" "+kind] = &bucketsOfClass{rate: r, known: known}
		}
	}
	return b
}

// Allow takes one token from the subject's bucket. It never waits.
func (b *Buckets) Allow(_ context.Context, class, subject string) (retryAfter time.Duration, ok bool) {
	return b.ask(class, subject, (*bucketsOfClass).take)
}

// Peek takes nothing. Its refusals are counted like those of Allow: the caller refuses.
func (b *Buckets) Peek(_ context.Context, class, subject string) (retryAfter time.Duration, ok bool) {
	return b.ask(class, subject, (*bucketsOfClass).peek)
}

func (b *Buckets) ask(class, subject string, how func(*bucketsOfClass, string, time.Time) (time.Duration, bool)) (time.Duration, bool) {
	kind, _, _ := strings.Cut(subject, ":")
	buckets, limited := b.classes[class+" "+kind]
	if !limited {
		return 0, true
	}
	retryAfter, ok := how(buckets, subject, b.now())
	if !ok {
		b.refused(class, kind)
	}
	return retryAfter, ok
}

// take holds the lock through the decision: a bucket that is forgotten and made anew meanwhile would be two.
func (b *bucketsOfClass) take(subject string, now time.Time) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, found := b.known.Get(subject)
	if !found {
		perSecond := rate.Limit(float64(b.rate.Count) / b.rate.Per.Seconds())
		bucket = rate.NewLimiter(perSecond, b.rate.Burst)
		b.known.Add(subject, bucket)
	}
	wait := waitOf(bucket, now, false)
	return wait, wait == 0
}

// peek remembers nobody: a subject without a bucket has a full one.
func (b *bucketsOfClass) peek(subject string, now time.Time) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, found := b.known.Get(subject)
	if !found {
		return 0, true
	}
	wait := waitOf(bucket, now, true)
	return wait, wait == 0
}

// waitOf is when the bucket has a token; it is taken if it is there now, unless only asked for.
func waitOf(bucket *rate.Limiter, now time.Time, only bool) time.Duration {
	reserved := bucket.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if only || wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

// Check asks for each subject in turn; the narrowest comes first. The error is ReasonTooManyRequests, names the time to
// retry, and has an Exceeded as its cause.
func Check(ctx context.Context, limiter Limiter, class string, subjects ...string) error {
	if limiter == nil {
		return nil
	}
	for _, subject := range subjects {
		if retryAfter, ok := limiter.Allow(ctx, class, subject); !ok {
			return TooMany(class, retryAfter)
		}
	}
	return nil
}

// Exceeded is a limit reached. It is the cause of a *payment.Error.
type Exceeded struct {
	Class      string
	RetryAfter time.Duration
}

// Error is for logs.
func (e Exceeded) Error() string {
	return "rate limit of " + e.Class + ": retry after " + e.RetryAfter.String()
}

// TooMany is the error of Check, for who asks the limiter himself.
func TooMany(class string, retryAfter time.Duration) error {
	seconds := max(1, int64((retryAfter+time.Second-1)/time.Second))
	return payment.Errorf(payment.ReasonTooManyRequests, "Too many requests (%s). Try again in %d s.", class, seconds).
		Because(Exceeded{Class: class, RetryAfter: retryAfter})
}

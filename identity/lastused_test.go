package identity_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/payment"
)

// touched is a KeyToucher in memory.
type touched struct {
	mu      sync.Mutex
	at      map[payment.KeyID]time.Time
	calls   int
	largest int
	away    error
}

func (s *touched) TouchKeys(_ context.Context, used map[payment.KeyID]time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	s.largest = max(s.largest, len(used))
	if s.away != nil {
		return s.away
	}
	if s.at == nil {
		s.at = map[payment.KeyID]time.Time{}
	}
	for key, at := range used {
		if s.at[key].Before(at) {
			s.at[key] = at
		}
	}
	return nil
}

func (s *touched) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = err
}

func (s *touched) seen() (map[payment.KeyID]time.Time, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.at), s.calls
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Invariant 8: many uses are one write.
func TestUsesAreGathered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &touched{}
		used := identity.NewLastUsed(s, 10*time.Second, quiet())
		key, other := uuid.New(), uuid.New()
		for i := range 1000 {
			used.Note(key, noon().Add(time.Duration(i)*time.Second))
		}
		used.Note(key, noon()) // an earlier one comes late
		used.Note(other, noon())
		if _, calls := s.seen(); calls != 0 {
			t.Errorf("%d writes at once", calls)
		}
		time.Sleep(10*time.Second + time.Millisecond)
		synctest.Wait()
		at, calls := s.seen()
		if calls != 1 || len(at) != 2 || !at[key].Equal(noon().Add(999*time.Second)) || !at[other].Equal(noon()) {
			t.Errorf("%d writes: %v", calls, at)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if _, calls := s.seen(); calls != 1 {
			t.Errorf("%d writes though nothing was used", calls)
		}
		used.Note(other, noon().Add(time.Hour))
		if err := used.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if at, _ := s.seen(); !at[other].Equal(noon().Add(time.Hour)) {
			t.Errorf("what was noted last is lost: %v", at)
		}
	})
}

func TestUsesSurviveAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &touched{away: errors.New("away")}
		used := identity.NewLastUsed(s, time.Second, quiet())
		key := uuid.New()
		used.Note(key, noon())
		time.Sleep(3*time.Second + time.Millisecond)
		synctest.Wait()
		used.Note(key, noon().Add(-time.Second)) // what was kept is later than this
		s.fails(nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if at, calls := s.seen(); calls != 4 || !at[key].Equal(noon()) {
			t.Errorf("%d writes: %v", calls, at)
		}
		s.fails(errors.New("away again"))
		used.Note(key, noon().Add(time.Hour))
		if err := used.Close(t.Context()); err == nil {
			t.Error("Close hides that the last uses were not stored")
		}
	})
}

// Invariant 8: the memory is bounded, and batches are.
func TestUsesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &touched{away: errors.New("away")}
		used := identity.NewLastUsed(s, time.Hour, quiet())
		for range 25_000 {
			used.Note(uuid.New(), noon())
		}
		synctest.Wait()
		s.fails(nil)
		if err := used.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		at, calls := s.seen()
		if len(at) != 10_000 || s.largest > 1000 || calls < 10 {
			t.Errorf("%d keys in %d writes, the largest of %d", len(at), calls, s.largest)
		}
	})
}

func TestUsesFromManySides(t *testing.T) {
	t.Parallel()
	s := &touched{}
	used := identity.NewLastUsed(s, time.Millisecond, quiet())
	keys := make([]payment.KeyID, 50)
	for i := range keys {
		keys[i] = uuid.New()
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 2000 {
				used.Note(keys[(i*7+worker)%len(keys)], noon().Add(time.Duration(i)*time.Second))
				if i%500 == 0 {
					if err := used.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if err := used.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	at, _ := s.seen()
	for i, key := range keys {
		var want time.Time
		for worker := range 8 {
			for n := range 2000 {
				if (n*7+worker)%len(keys) == i && noon().Add(time.Duration(n)*time.Second).After(want) {
					want = noon().Add(time.Duration(n) * time.Second)
				}
			}
		}
		if !at[key].Equal(want) {
			t.Errorf("key %d: %v, want %v", i, at[key], want)
		}
	}
}

func TestAuthenticationIsAUse(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	shown, secret := newKey(t, account, payment.ScopeRead)
	vouched, _ := newKey(t, account, payment.ScopeRead)
	revoked, ended := newKey(t, account, payment.ScopeRead)
	revoked.RevokedAt = noon()
	s := &touched{}
	used := identity.NewLastUsed(s, time.Hour, quiet())
	issuer := newEd(t, "ed")
	a := door(t, identity.Config{Keys: newStore(shown, vouched, revoked), Issuer: pinned(t, issuer), Used: used})
	for _, c := range []identity.Credentials{
		{APIKey: secret}, {APIKey: ended}, {Bearer: issuer.sign(t, claims(account))},
		{Bearer: issuer.sign(t, with(claims(account), "api_key_id", vouched.ID.String()))},
	} {
		_, _ = a.Authenticate(t.Context(), c)
	}
	if err := used.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at, _ := s.seen(); len(at) != 2 || !at[shown.ID].Equal(noon()) || !at[vouched.ID].Equal(noon()) {
		t.Errorf("used: %v", at)
	}
}

package identity

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// KeyToucher stores when keys were last used; the ledger is one.
type KeyToucher interface {
	TouchKeys(ctx context.Context, used map[payment.KeyID]time.Time) error
}

const (
	// maxNoted bounds the memory: 10,000 keys are some 700 KB. Above it the uses of further keys are lost until the next
	// flush, which is asked for at once.
	maxNoted     = 10_000
	batchOfKeys  = 1_000 // per statement
	flushTimeout = 10 * time.Second
)

// LastUsed gathers when API keys are used and stores it now and then: one statement for many requests.
type LastUsed struct {
	store KeyToucher
	log   *slog.Logger

	mu    sync.Mutex
	noted map[payment.KeyID]time.Time

	flushing sync.Mutex // one flush at a time
	full     chan struct{}
	stop     context.CancelFunc
	ended    chan struct{}
}

// NewLastUsed starts storing every so often. Close it.
func NewLastUsed(store KeyToucher, every time.Duration, log *slog.Logger) *LastUsed {
	ctx, stop := context.WithCancel(context.Background())
	u := &LastUsed{store: store, log: log, noted: map[payment.KeyID]time.Time{}, full: make(chan struct{}, 1), stop: stop, ended: make(chan struct{})}
	go u.run(ctx, every)
	return u
}

// Note records a use. It never blocks on the store.
func (u *LastUsed) Note(key payment.KeyID, at time.Time) {
	u.mu.Lock()
	u.note(key, at)
	full := len(u.noted) >= maxNoted
	u.mu.Unlock()
	if full {
		select {
		case u.full <- struct{}{}:
		default: // asked for already
		}
	}
}

func (u *LastUsed) note(key payment.KeyID, at time.Time) {
	before, known := u.noted[key]
	if known && !before.Before(at) || !known && len(u.noted) >= maxNoted {
		return
	}
	u.noted[key] = at
}

// Flush stores what was noted. What could not be stored is kept for the next time.
func (u *LastUsed) Flush(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	u.mu.Lock()
	rest := u.noted
	u.noted = make(map[payment.KeyID]time.Time, len(rest))
	u.mu.Unlock()
	for len(rest) > 0 {
		batch := make(map[payment.KeyID]time.Time, min(len(rest), batchOfKeys))
		for key, at := range rest {
			if len(batch) == batchOfKeys {
				break
			}
			batch[key] = at
		}
		if err := u.store.TouchKeys(ctx, batch); err != nil {
			u.mu.Lock()
			for key, at := range rest {
				u.note(key, at)
			}
			u.mu.Unlock()
			return err
		}
		for key := range batch {
			delete(rest, key)
		}
	}
	return nil
}

func (u *LastUsed) run(ctx context.Context, every time.Duration) {
	defer close(u.ended)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		var asked <-chan struct{} = u.full
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-asked:
		}
		within, cancel := context.WithTimeout(ctx, flushTimeout)
		if err := u.Flush(within); err != nil && ctx.Err() == nil {
			u.log.Warn("when API keys were last used could not be stored; it is tried again", "error", err)
		}
		cancel()
	}
}

// Close stores what is left and ends.
func (u *LastUsed) Close(ctx context.Context) error {
	u.stop()
	<-u.ended
	return u.Flush(ctx)
}

package ledger

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Changes wakes those who wait for news of wallets and invoices, from whichever process the news come: one connection
// listens for a whole process. A wake-up is a hint to look, and says nothing else; several become one. Run must run.
type Changes struct {
	ledger *Ledger
	every  time.Duration
	log    *slog.Logger

	mu      sync.Mutex
	waiting map[Topic]map[*waiter]struct{}
}

type waiter struct{ wake chan struct{} }

// NewChanges fans out the changes that ledgers of the same database announce. Hints may be lost, so everybody is woken every
// so often as well: the time that news may be late.
func NewChanges(l *Ledger, every time.Duration, log *slog.Logger) *Changes {
	return &Changes{ledger: l, every: every, log: log, waiting: map[Topic]map[*waiter]struct{}{}}
}

// Subscribe gives a channel that has a value when there may be news of a topic. done ends it.
func (c *Changes) Subscribe(topics ...Topic) (wake <-chan struct{}, done func()) {
	w := &waiter{wake: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, topic := range topics {
		if c.waiting[topic] == nil {
			c.waiting[topic] = map[*waiter]struct{}{}
		}
		c.waiting[topic][w] = struct{}{}
	}
	return w.wake, func() { c.leave(w, topics) }
}

func (c *Changes) leave(w *waiter, topics []Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, topic := range topics {
		delete(c.waiting[topic], w)
		if len(c.waiting[topic]) == 0 {
			delete(c.waiting, topic)
		}
	}
}

// Waiting is how many topics somebody waits for.
func (c *Changes) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// Run listens until ctx ends. Without a connection it goes on waking everybody every so often.
func (c *Changes) Run(ctx context.Context) error {
	for {
		err := c.listen(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		c.log.WarnContext(ctx, "changes are not heard, looking for them instead", "every", c.every, "error", err)
		c.wakeAll() // something may have happened unheard
		select {
		case <-ctx.Done():
			return nil //nolint:nilerr // it was told to stop
		case <-time.After(min(c.every, time.Second)):
		}
	}
}

func (c *Changes) listen(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, c.ledger.pool.Config().ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it is given up
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	c.wakeAll()
	for {
		heard, err := c.next(ctx, conn)
		switch {
		case err != nil:
			return err
		case heard == "":
			c.wakeAll()
			if err := conn.Ping(ctx); err != nil { // nothing was heard for long: is anybody there?
				return err
			}
		default:
			c.wake(heard)
		}
	}
}

// next waits for a topic; empty after a time without any.
func (c *Changes) next(ctx context.Context, conn *pgx.Conn) (Topic, error) {
	limited, cancel := context.WithTimeout(ctx, c.every)
	defer cancel()
	notification, err := conn.WaitForNotification(limited)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			return "", nil
		}
		return "", err
	}
	return Topic(notification.Payload), nil
}

func (c *Changes) wake(topic Topic) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range [...]Topic{topic, AnyTopic} {
		for w := range c.waiting[of] {
			w.signal()
		}
	}
}

func (c *Changes) wakeAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, waiters := range c.waiting {
		for w := range waiters {
			w.signal()
		}
	}
}

// signal never waits: a waiter that has not yet looked will see this news too.
func (w *waiter) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

package ledger

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// maxBatch bounds a batch, and with it the time for which its locks are held.
const maxBatch = 64

// batcher sends the calls of one lane together: while a call of the lane is under way, others that arrive wait in its
// queue, and then go as one batch. A call that finds its lane free goes at once. What is kept is the queue of calls that
// somebody waits for.
type batcher[Ask, Answer any] struct {
	alone    func(context.Context, Ask) (Answer, error)
	together func(context.Context, []Ask) ([]result[Answer], error) // as many results as asks; an error is for all

	mu    sync.Mutex
	lanes map[uuid.UUID][]*call[Ask, Answer] // an entry, even an empty one: a call is under way
}

type result[Answer any] struct {
	answer Answer
	err    error
}

// call is one that waits in a queue.
type call[Ask, Answer any] struct {
	ctx  context.Context // a batch ends when nobody waits for it, so it has to know its callers
	ask  Ask
	done chan result[Answer] // one is sent, the buffer takes it when the caller has left
}

// do makes a call in its lane. A caller that leaves gets the error of its context; its call may still be made.
func (b *batcher[Ask, Answer]) do(ctx context.Context, lane uuid.UUID, ask Ask) (Answer, error) {
	mine := b.enter(ctx, lane, ask)
	if mine == nil {
		defer func() {
			if calls := b.take(lane); len(calls) > 0 {
				go b.serve(lane, calls)
			}
		}()
		return b.alone(ctx, ask)
	}
	select {
	case r := <-mine.done:
		return r.answer, r.err
	case <-ctx.Done():
		b.leave(lane, mine)
		var none Answer
		return none, ctx.Err()
	}
}

// enter queues a call, or takes the lane and answers nil.
func (b *batcher[Ask, Answer]) enter(ctx context.Context, lane uuid.UUID, ask Ask) *call[Ask, Answer] {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue, busy := b.lanes[lane]
	if !busy {
		if b.lanes == nil {
			b.lanes = map[uuid.UUID][]*call[Ask, Answer]{}
		}
		b.lanes[lane] = nil
		return nil
	}
	mine := &call[Ask, Answer]{ctx: ctx, ask: ask, done: make(chan result[Answer], 1)}
	b.lanes[lane] = append(queue, mine)
	return mine
}

func (b *batcher[Ask, Answer]) leave(lane uuid.UUID, gone *call[Ask, Answer]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.lanes[lane], gone); i >= 0 {
		b.lanes[lane] = slices.Delete(b.lanes[lane], i, i+1)
	}
}

// serve makes calls, and those that have queued meanwhile, until there are none: then the lane is free.
func (b *batcher[Ask, Answer]) serve(lane uuid.UUID, calls []*call[Ask, Answer]) {
	for len(calls) > 0 {
		b.send(calls)
		calls = b.take(lane)
	}
}

// take removes the oldest calls from the queue, and an empty queue from the map.
func (b *batcher[Ask, Answer]) take(lane uuid.UUID) []*call[Ask, Answer] {
	b.mu.Lock()
	defer b.mu.Unlock()
	queue := b.lanes[lane]
	if len(queue) == 0 {
		delete(b.lanes, lane)
		return nil
	}
	n := min(len(queue), maxBatch)
	b.lanes[lane] = slices.Clone(queue[n:])
	return queue[:n]
}

// send makes one batch and hands out its results. It goes on while at least one caller waits.
func (b *batcher[Ask, Answer]) send(calls []*call[Ask, Answer]) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(calls[0].ctx))
	defer cancel()
	var waiting atomic.Int64
	waiting.Store(int64(len(calls)))
	asks := make([]Ask, len(calls))
	for i, c := range calls {
		asks[i] = c.ask
		stop := context.AfterFunc(c.ctx, func() {
			if waiting.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
	}
	if len(calls) == 1 {
		answer, err := b.alone(ctx, asks[0])
		calls[0].done <- result[Answer]{answer, err}
		return
	}
	results, err := b.together(ctx, asks)
	for i, c := range calls {
		if err != nil {
			c.done <- result[Answer]{err: err}
		} else {
			c.done <- results[i]
		}
	}
}

package ledger

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"
)

// sender is a server that answers when it is told to, and remembers what it was sent.
type sender struct {
	batches [][]int
	answer  chan error
}

func (s *sender) together(ctx context.Context, asks []int) ([]result[int], error) {
	s.batches = append(s.batches, asks)
	select {
	case err := <-s.answer:
		results := make([]result[int], len(asks))
		for i, ask := range asks {
			results[i].answer = -ask
		}
		return results, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *sender) alone(ctx context.Context, ask int) (int, error) {
	results, err := s.together(ctx, []int{ask})
	if err != nil {
		return 0, err
	}
	return results[0].answer, nil
}

func newSender() (*sender, *batcher[int, int]) {
	s := &sender{answer: make(chan error)}
	return s, &batcher[int, int]{alone: s.alone, together: s.together}
}

// asking starts a call and waits until it is under way or queued.
func asking(ctx context.Context, b *batcher[int, int], lane uuid.UUID, ask int) <-chan result[int] {
	out := make(chan result[int], 1)
	go func() {
		answer, err := b.do(ctx, lane, ask)
		out <- result[int]{answer, err}
	}()
	synctest.Wait()
	return out
}

func wantSizes(t *testing.T, s *sender, sizes ...int) {
	t.Helper()
	synctest.Wait()
	if len(s.batches) != len(sizes) {
		t.Fatalf("sent %v, want batches of %v", s.batches, sizes)
	}
	for i, size := range sizes {
		if len(s.batches[i]) != size {
			t.Fatalf("sent %v, want batches of %v", s.batches, sizes)
		}
	}
}

func wantAnswer(t *testing.T, got <-chan result[int], want int, wantErr error) {
	t.Helper()
	if r := <-got; r.answer != want || !errors.Is(r.err, wantErr) {
		t.Fatalf("got %+v, want %d, %v", r, want, wantErr)
	}
}

func wantNothingKept(t *testing.T, b *batcher[int, int]) {
	t.Helper()
	synctest.Wait()
	if len(b.lanes) != 0 {
		t.Fatalf("kept %v", b.lanes)
	}
}

// A call whose lane is free goes at once; what arrives meanwhile goes together, in order, at most maxBatch.
func TestCallsThatArriveTogetherAreOneBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newSender()
		lane, other := uuid.New(), uuid.New()
		first := asking(t.Context(), b, lane, 1)
		elsewhere := asking(t.Context(), b, other, 2)
		wantSizes(t, s, 1, 1) // another lane does not wait
		var rest []<-chan result[int]
		for i := range maxBatch + 2 {
			rest = append(rest, asking(t.Context(), b, lane, 10+i))
		}
		wantSizes(t, s, 1, 1)
		s.answer <- nil
		s.answer <- nil
		wantAnswer(t, first, -1, nil)
		wantAnswer(t, elsewhere, -2, nil)
		wantSizes(t, s, 1, 1, maxBatch)
		s.answer <- nil
		wantSizes(t, s, 1, 1, maxBatch, 2)
		late := asking(t.Context(), b, lane, 1000)
		s.answer <- nil
		for i, one := range rest {
			wantAnswer(t, one, -(10 + i), nil)
		}
		wantSizes(t, s, 1, 1, maxBatch, 2, 1)
		s.answer <- nil
		wantAnswer(t, late, -1000, nil)
		wantNothingKept(t, b)
	})
}

// A caller that leaves the queue is not sent; one that leaves a batch does not disturb it; without callers it ends.
func TestCallersThatGiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newSender()
		lane := uuid.New()
		first := asking(t.Context(), b, lane, 1)
		queued, leaveQueue := context.WithCancel(t.Context())
		second := asking(queued, b, lane, 2)
		sent, leaveBatch := context.WithCancel(t.Context())
		third := asking(sent, b, lane, 3)
		last, leaveLast := context.WithCancel(t.Context())
		fourth := asking(last, b, lane, 4)
		leaveQueue()
		wantAnswer(t, second, 0, context.Canceled)
		s.answer <- nil
		wantAnswer(t, first, -1, nil)
		wantSizes(t, s, 1, 2)
		leaveBatch()
		wantAnswer(t, third, 0, context.Canceled)
		s.answer <- nil
		wantAnswer(t, fourth, -4, nil)
		wantNothingKept(t, b)

		fifth := asking(t.Context(), b, lane, 5)
		sixth := asking(last, b, lane, 6)
		seventh := asking(last, b, lane, 7)
		s.answer <- nil
		wantAnswer(t, fifth, -5, nil)
		wantSizes(t, s, 1, 2, 1, 2)
		leaveLast() // nobody is left: the batch is given up and its goroutine ends, or synctest fails the test
		wantAnswer(t, sixth, 0, context.Canceled)
		wantAnswer(t, seventh, 0, context.Canceled)
		wantNothingKept(t, b)
	})
}

// A batch that fails gives its error to every caller, and the lane goes on.
func TestFailedBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, b := newSender()
		lane, lost := uuid.New(), errors.New("connection lost")
		first := asking(t.Context(), b, lane, 1)
		second, third := asking(t.Context(), b, lane, 2), asking(t.Context(), b, lane, 3)
		s.answer <- lost
		wantAnswer(t, first, 0, lost)
		fourth := asking(t.Context(), b, lane, 4)
		s.answer <- lost
		wantAnswer(t, second, -0, lost)
		wantAnswer(t, third, -0, lost)
		s.answer <- nil
		wantAnswer(t, fourth, -4, nil)
		wantNothingKept(t, b)
	})
}

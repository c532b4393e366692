package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
)

// pursuit is how a kind of payment is asked after once it may have left.
type pursuit struct {
	ask     string // one question, now
	follow  string // the same question with back-off until the word is terminal
	abandon string // like ask, and gives up what never left
	what    string // for the UI
}

// resolve waits for the terminal word and settles or gives back by it.
func (s *saga) resolve(ctx workflow.Context, p pursuit, word step.Word) error {
	for {
		var err error
		if word, err = s.pursue(ctx, p, word); err != nil {
			return err
		}
		if err := s.conclude(ctx, word); err != nil || s.over() {
			return err
		}
		word = step.Word{Status: step.InFlight, Unknown: true, TxID: s.outcome.TxID, Note: "another attempt was under way"}
	}
}

// conclude settles or voids by a terminal word.
func (s *saga) conclude(ctx workflow.Context, word step.Word) error {
	if word.Status == step.Paid {
		return s.settle(ctx, word.Fee)
	}
	return s.void(ctx, *word.Failure, word.Attempt)
}

// pursue waits for the terminal word: for hours or days if it takes that. What wakes it is a hint of the watcher, an
// operator, or the following activity; each time LND or the chain is asked, and only its word counts.
func (s *saga) pursue(ctx workflow.Context, p pursuit, word step.Word) (step.Word, error) {
	ctx = detached(ctx)
	s.sent = true
	for !word.Terminal() {
		s.hear(ctx, word)
		if outgrown(ctx) {
			return word, workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, s.req)
		}
		word = s.await(ctx, p)
	}
	s.word = word
	return word, nil
}

// outgrown reports whether the history has become long, as after thousands of hints, and nobody waits for an answer: then a
// new run with the same request goes on where the row says, before Temporal ends this one for its length.
func outgrown(ctx workflow.Context) bool {
	return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(ctx)
}

// hear notes a word that is not final and lets callers have "in flight".
func (s *saga) hear(ctx workflow.Context, word step.Word) {
	s.word = word
	s.asks++
	s.outcome.State = stateInFlight(s.outcome.State)
	if word.TxID != "" {
		s.outcome.TxID = word.TxID
	}
	if word.Rescue != "" {
		s.rescue = word.Rescue
	}
	s.answered = true
	s.tell(ctx)
}

// await follows until something happens, then asks. It returns every word, also one that is not terminal.
func (s *saga) await(ctx workflow.Context, p pursuit) step.Word {
	if s.abandon.wanted {
		return s.tryAbandon(ctx, p)
	}
	followCtx, stop := workflow.WithCancel(following(ctx, s.req.Node, p.what))
	defer stop()
	followed := workflow.ExecuteActivity(followCtx, p.follow, s.req)

	for {
		var word step.Word
		var ended, woken bool
		sel := workflow.NewSelector(ctx)
		sel.AddFuture(followed, func(f workflow.Future) { ended = f.Get(ctx, &word) == nil })
		sel.AddReceive(s.news, func(c workflow.ReceiveChannel, _ bool) { woken = drain(c) })
		sel.AddReceive(s.pokes, func(c workflow.ReceiveChannel, _ bool) { woken = drain(c) })
		sel.Select(ctx)

		switch {
		case ended:
			return word
		case !woken: // the following activity broke, which is a defect; do not spin
			workflow.GetLogger(ctx).Error("following a payment broke", "payment_id", s.req.ID.String())
			_ = workflow.Sleep(ctx, time.Minute)
			return step.Word{Status: step.InFlight, Unknown: true, TxID: s.outcome.TxID, Note: "asking again"}
		case s.abandon.wanted:
			stop()
			_ = followed.Get(ctx, nil) // no attempt may be under way while we decide
			return s.tryAbandon(ctx, p)
		}
		word, err := s.ask(ctx, p.ask, p.what)
		if err != nil {
			continue
		}
		if word.Terminal() || outgrown(ctx) {
			return word
		}
		s.hear(ctx, word)
	}
}

func (s *saga) ask(ctx workflow.Context, name, what string) (word step.Word, err error) {
	ctx = onNode(ctx, s.req.Node, what)
	err = workflow.ExecuteActivity(ctx, name, s.req).Get(ctx, &word)
	return word, err
}

// tryAbandon asks with the wish to give up. A refusal answers the operator, and so does a rescue under way; a terminal word is
// answered by the end, and if the ledger does not take it, the wish still stands.
func (s *saga) tryAbandon(ctx workflow.Context, p pursuit) step.Word {
	drain(s.pokes)
	word, err := s.ask(ctx, p.abandon, "abandon, if that is safe")
	if err != nil {
		word = s.word
	}
	switch {
	case word.Terminal():
	case word.Rescue != "": // granted, and not over: what decides is which transaction confirms
		s.abandon = abandonment{answers: s.abandon.answers + 1}
	default:
		refusal := "The payment is not abandoned: the money may still move (" + strings.TrimSuffix(word.Note, ".") + ")."
		s.abandon = abandonment{answers: s.abandon.answers + 1, refusal: refusal}
	}
	return word
}

// drain empties a channel of hints: one question answers them all.
func drain(c workflow.ReceiveChannel) bool {
	for c.ReceiveAsync(nil) {
	}
	return true
}

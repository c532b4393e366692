package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
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

// pursue waits for the terminal word: for hours or days if it takes that. Each turn of the loop is one word of LND or the chain,
// and only its word counts.
func (s *saga) pursue(ctx workflow.Context, p pursuit, word step.Word) (step.Word, error) {
	ctx = detached(ctx)
	s.sent = true
	poll := &poller{}
	defer poll.stop()
	for !word.Terminal() {
		if outgrown(ctx) {
			poll.stop()
			s.hear(ctx, word)
			return word, workflow.NewContinueAsNewError(ctx, workflow.GetInfo(ctx).WorkflowType.Name, s.req)
		}
		s.hear(ctx, word)
		word = s.nextWord(ctx, p, poll)
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

// nextWord is what the poll finds, or what LND or the chain says when a hint of the watcher or an operator makes us ask. The poll
// goes on meanwhile, but not while an abandon is decided: no attempt may be under way then.
func (s *saga) nextWord(ctx workflow.Context, p pursuit, poll *poller) step.Word {
	for {
		if !poll.running() {
			if s.abandon.wanted {
				return s.tryAbandon(ctx, p)
			}
			poll.start(following(ctx, s.req.Node, p.what), p.follow, s.req)
		}
		found, woken := s.sleep(ctx, poll)
		switch {
		case woken == byPoll:
			return found
		case woken == byDefect:
			return s.afterDefect(ctx)
		case s.abandon.wanted:
			poll.end(ctx)
		default:
			if answer, err := s.ask(ctx, p.ask, p.what); err == nil {
				return answer
			}
		}
	}
}

// wake is what ends a sleep.
type wake int

const (
	byPoll   wake = iota + 1 // it has a word
	byDefect                 // the poll broke: it is retried without end, so that it never should
	byHint                   // the watcher or an operator wants us to ask
)

// sleep lasts until something happens. If the poll and a hint come together, the poll's word is taken.
func (s *saga) sleep(ctx workflow.Context, poll *poller) (found step.Word, woken wake) {
	hinted := func(c workflow.ReceiveChannel, _ bool) {
		drain(c)
		woken = byHint
	}
	workflow.NewSelector(ctx).
		AddFuture(poll.answer, func(f workflow.Future) {
			woken = byPoll
			if f.Get(ctx, &found) != nil {
				woken = byDefect
			}
			poll.answer = nil
		}).
		AddReceive(s.news, hinted).
		AddReceive(s.pokes, hinted).
		Select(ctx)
	return found, woken
}

// afterDefect does not spin: it waits a little until the poll may start again.
func (s *saga) afterDefect(ctx workflow.Context) step.Word {
	workflow.GetLogger(ctx).Error("following a payment broke", "payment_id", s.req.ID.String())
	_ = workflow.Sleep(ctx, time.Minute)
	return step.Word{Status: step.InFlight, Unknown: true, TxID: s.outcome.TxID, Note: "asking again"}
}

// poller runs the activity that asks again and again, with back-off, until the word is terminal.
type poller struct {
	answer workflow.Future // nil: it does not run
	cancel workflow.CancelFunc
}

func (p *poller) running() bool { return p.answer != nil }

func (p *poller) start(ctx workflow.Context, name string, req payment.Request) {
	ctx, p.cancel = workflow.WithCancel(ctx)
	p.answer = workflow.ExecuteActivity(ctx, name, req)
}

// stop asks it to end.
func (p *poller) stop() {
	if p.running() {
		p.cancel()
	}
}

// end stops it and waits until no attempt is under way.
func (p *poller) end(ctx workflow.Context) {
	p.stop()
	_ = p.answer.Get(ctx, nil)
	p.answer = nil
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
		s.abandon = abandonment{answered: s.abandon.answered + 1}
	default:
		refusal := "The payment is not abandoned: the money may still move (" + strings.TrimSuffix(word.Note, ".") + ")."
		s.abandon = abandonment{answered: s.abandon.answered + 1, refusal: refusal}
	}
	return word
}

// drain empties a channel of hints: one question answers them all.
func drain(c workflow.ReceiveChannel) {
	for c.ReceiveAsync(nil) {
	}
}

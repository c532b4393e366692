package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// saga is what every kind of payment shares: its door for callers and operators, its steps in the ledger, and the
// story that the Temporal UI shows.
type saga struct {
	req      payment.Request
	outcome  payment.Outcome
	answered bool      // there is something to tell a caller
	sent     bool      // it may have left the house
	word     step.Word // the last word of LND or the chain
	told     telling   // what the Temporal UI shows
	writing  workflow.Mutex

	rate    uint64 // on-chain: sat/vB of the newest transaction; 0 if not known
	bumped  bool   // on-chain: that is not the first one
	rescue  string // on-chain: the transaction that takes the payment back, once there is one
	bumping workflow.Mutex

	news    workflow.ReceiveChannel // hints of the watcher
	pokes   workflow.Channel        // wishes of operators
	asks    int                     // how often LND or the chain has been asked
	abandon abandonment
}

// abandonment is an operator's wish to give a payment up, and the answer.
type abandonment struct {
	wanted   bool
	answered int    // how many wishes were refused, or granted as a rescue; one that ends the payment is answered by the end
	refusal  string // why the last wish was not granted
}

// open registers the door. It must be a saga's first call: an update may come with the first task.
func open(ctx workflow.Context, req payment.Request) (*saga, error) {
	s := &saga{
		req:     req,
		outcome: payment.Outcome{ID: req.ID, Amount: req.Amount},
		news:    workflow.GetSignalChannel(ctx, SignalNews),
		pokes:   workflow.NewBufferedChannel(ctx, 64),
		writing: workflow.NewMutex(ctx),
		bumping: workflow.NewMutex(ctx),
	}
	if err := workflow.SetUpdateHandler(ctx, UpdateOutcome, s.onOutcome); err != nil {
		return nil, err
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateRecheck, s.onRecheck, workflow.UpdateHandlerOptions{Validator: s.mayRecheck})
	if err != nil {
		return nil, err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateAbandon, s.onAbandon, workflow.UpdateHandlerOptions{Validator: s.mayRecheck})
	if err != nil {
		return nil, err
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateBump, s.onBump, workflow.UpdateHandlerOptions{Validator: s.mayBump})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// over reports whether the payment's row is terminal.
func (s *saga) over() bool { return s.outcome.State.Terminal() }

// end closes the saga, or lets an error through that only a defect can cause.
func (s *saga) end(ctx workflow.Context, err error) (payment.Outcome, error) {
	if err != nil {
		return s.outcome, err
	}
	return s.close(ctx)
}

// close tells the end of the story and lets every caller have the answer.
func (s *saga) close(ctx workflow.Context) (payment.Outcome, error) {
	s.answered = true
	s.tell(ctx)
	if err := s.until(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return payment.Outcome{}, err
	}
	return s.outcome, nil
}

// reserve takes the money and the budget, or is refused (rule 1).
func (s *saga) reserve(ctx workflow.Context) error {
	return s.record(ctx, step.Reserve, "reserve funds and budget", s.req)
}

// transfer reserves and settles between two wallets in one transaction.
func (s *saga) transfer(ctx workflow.Context) error {
	return s.record(ctx, step.Transfer, "transfer inside the ledger", s.req)
}

// settle charges the actual cost and gives the unused reserve back.
func (s *saga) settle(ctx workflow.Context, fee payment.Msat) error {
	return s.record(ctx, step.Settle, "settle at the actual cost", step.SettleInput{ID: s.req.ID, Fee: fee})
}

// void gives funds and budget back after a terminal word (rule 2). The ledger refuses in silence if another attempt to
// send was fenced since that word: then the saga is not over and must go on.
func (s *saga) void(ctx workflow.Context, failure payment.Failure, attempt int) error {
	return s.record(ctx, step.Void, "give funds and budget back", step.VoidInput{Request: s.req, Failure: failure, Attempt: attempt})
}

// giveUp ends a payment of which nothing has left: void by the evidence that no attempt was ever fenced.
func (s *saga) giveUp(ctx workflow.Context, failure payment.Failure) error {
	return s.void(ctx, failure, 0)
}

// giveUpCancelled is giveUp for a workflow that somebody cancelled.
func (s *saga) giveUpCancelled(ctx workflow.Context) error {
	return s.giveUp(ctx, payment.Failure{Reason: payment.ReasonCanceled, Message: "The payment was cancelled before anything was sent."})
}

// stop gives up if a step before the broadcast failed or the workflow was cancelled. A payment that had left already
// (this saga was started again for it) is not over and goes on.
func (s *saga) stop(ctx workflow.Context, failure *payment.Failure, cancelled error) (over bool, err error) {
	switch {
	case cancelled != nil:
		err = s.giveUpCancelled(ctx)
	case failure != nil:
		err = s.giveUp(ctx, *failure)
	}
	return s.over(), err
}

// record runs one transaction in the ledger and remembers what the row says now. One at a time and none after the end:
// an operator's void may come together with the saga's own step, and of a settle and a void the ledger takes only the first.
func (s *saga) record(ctx workflow.Context, name, summary string, input any) error {
	ctx = inLedger(detached(ctx), summary)
	if err := s.writing.Lock(ctx); err != nil {
		return err
	}
	defer s.writing.Unlock()
	if s.over() {
		return nil
	}
	var outcome payment.Outcome
	if err := workflow.ExecuteLocalActivity(ctx, name, input).Get(ctx, &outcome); err != nil {
		return err
	}
	s.outcome = outcome
	s.tell(ctx)
	return nil
}

// until waits, also in a cancelled workflow: a cancel ends neither the payment nor the wait of those who ask for it.
func (s *saga) until(ctx workflow.Context, condition func() bool) error {
	return workflow.Await(detached(ctx), condition)
}

// onOutcome answers as soon as there is something to tell: the end, or "in flight".
func (s *saga) onOutcome(ctx workflow.Context) (payment.Outcome, error) {
	err := s.until(ctx, func() bool { return s.answered })
	return s.outcome, err
}

func (s *saga) mayRecheck() error {
	if s.over() {
		return temporal.NewApplicationError("The payment has ended: "+string(s.outcome.State)+".", RefusedEnded)
	}
	return nil
}

// onRecheck asks LND or the chain now and answers what came of it.
func (s *saga) onRecheck(ctx workflow.Context) (payment.Outcome, error) {
	target := s.asks + 1
	s.pokes.SendAsync(struct{}{})
	err := s.until(ctx, func() bool { return s.asks >= target || s.over() })
	return s.outcome, err
}

// onAbandon gives the payment up where that is safe, and says why not where it is not. A transaction that has left is taken
// back: then the answer is that the payment is still pending, until that is confirmed.
func (s *saga) onAbandon(ctx workflow.Context) (payment.Outcome, error) {
	if !s.sent {
		err := s.giveUp(ctx, abandoned())
		if err != nil || s.over() {
			return s.outcome, err
		}
	}
	target := s.abandon.answered + 1
	s.abandon.wanted = true
	s.pokes.SendAsync(struct{}{})
	if err := s.until(ctx, func() bool { return s.abandon.answered >= target || s.over() }); err != nil {
		return s.outcome, err
	}
	if !s.over() && s.abandon.refusal != "" {
		return s.outcome, temporal.NewApplicationError(s.abandon.refusal, RefusedNotSafe)
	}
	return s.outcome, nil
}

func abandoned() payment.Failure {
	return payment.Failure{Reason: payment.ReasonAbandoned, Message: "An operator gave the payment up before it was sent; nothing was paid."}
}

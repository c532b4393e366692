package workflows_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// on registers a stand-in on every queue.
func (c *cast) on(name string, fn any) {
	for _, w := range c.stage {
		w.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	}
}

func (c *cast) ledgerSteps() {
	c.on(step.Reserve, func(_ context.Context, in payment.Request) (payment.Outcome, error) { return c.books.reserve(in) })
	c.on(step.Transfer, func(_ context.Context, in payment.Request) (payment.Outcome, error) { return c.books.transfer(in) })
	c.on(step.Settle, func(_ context.Context, in step.SettleInput) (payment.Outcome, error) { return c.books.settle(in) })
	c.on(step.Void, func(_ context.Context, in step.VoidInput) (payment.Outcome, error) { return c.books.void(in) })
}

// says scripts a step as saga.says does. A word that a Follow step may not say is asked for again soon.
func (c *cast) says(name string, answers ...func(context.Context) (step.Word, error)) {
	var mu sync.Mutex
	calls := 0
	c.on(name, func(ctx context.Context, _ payment.Request) (step.Word, error) {
		mu.Lock()
		answer := answers[min(calls, len(answers)-1)]
		calls++
		mu.Unlock()
		if word, ended := c.books.ended(); ended {
			return word, nil
		}
		word, err := answer(ctx)
		if follows := name == step.FollowLightning || name == step.FollowOnchain; follows && err == nil && !word.Terminal() {
			return word, temporal.NewApplicationErrorWithOptions("not final yet: "+word.Note, "NOT_FINAL", temporal.ApplicationErrorOptions{
				Category: temporal.ApplicationErrorCategoryBenign, NextRetryDelay: 50 * time.Millisecond,
			})
		}
		return word, err
	})
}

func (c *cast) flying(context.Context) (step.Word, error) {
	if _, attempt := c.books.now(); attempt == 0 {
		c.books.fence()
	}
	c.books.pending()
	return step.Word{Status: step.InFlight, Expiry: 840_000, TxID: c.books.txid, Note: "1 HTLC in flight until block 840000"}, nil
}

func (c *cast) paid(context.Context) (step.Word, error) {
	if _, attempt := c.books.now(); attempt == 0 {
		c.books.fence()
	}
	return step.Word{Status: step.Paid, Fee: 3 * sat, TxID: c.books.txid}, nil
}

func (c *cast) no(reason payment.Reason) func(context.Context) (step.Word, error) {
	return func(context.Context) (step.Word, error) {
		_, attempt := c.books.now()
		return step.Word{Status: step.NotPaid, Failure: refusal(reason), Attempt: attempt}, nil
	}
}

// waits is a poll that lasts until the workflow's next move: it is cancelled.
func waits(ctx context.Context) (step.Word, error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return step.Word{}, ctx.Err()
		case <-tick.C:
			activity.RecordHeartbeat(ctx)
		}
	}
}

func (c *cast) onchainSteps() {
	c.on(step.EstimateOnchain, func(context.Context, payment.Request) (step.Quote, error) {
		return step.Quote{FeeReserve: 400 * sat, SatPerVByte: minerRate}, nil
	})
	c.on(step.SignOnchain, func(context.Context, step.SignInput) (step.Signed, error) {
		c.books.sign(testTxID)
		return step.Signed{TxID: testTxID, Fee: 300 * sat}, nil
	})
	c.on(step.ReleaseInputs, func(context.Context, payment.ID) error { return nil })
}

// inTurn does one thing after the other.
func inTurn(ctx context.Context, moves ...func(context.Context) error) error {
	for _, move := range moves {
		if err := move(ctx); err != nil {
			return err
		}
	}
	return nil
}

func plays() []play {
	return append(append(lightningPlays(), steeredPlays()...), append(append(append(otherPlays(), houseworkPlays()...), lockPlays()...), callbackPlays()...)...)
}

func lightningPlays() []play {
	return []play{
		{file: "lightning-settled", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.says(step.SendLightning, c.paid)
		}},
		{file: "lightning-refused", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.books.refuses = refusal(payment.ReasonBudgetExceeded)
		}},
		{file: "lightning-hold-canceled", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.says(step.SendLightning, c.flying, c.no(payment.ReasonRejected))
			c.says(step.FollowLightning, waits)
		}, drive: func(ctx context.Context, c *cast) error { return inTurn(ctx, c.inFlight, c.hint, c.end) }},
		{file: "lightning-waited", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.says(step.SendLightning, c.flying)
			c.says(step.FollowLightning, c.flying, c.flying, c.flying, c.flying, c.flying, c.paid)
		}},
		{file: "lightning-ledger-away", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.books.away[step.Settle] = 7 // the last of its pauses is a timer of the server
			c.says(step.SendLightning, c.paid)
		}},
		{file: "lightning-canceled", workflow: "Lightning", req: lightningRequest(),
			early: func(ctx context.Context, c *cast) error { return c.temporal.CancelWorkflow(ctx, c.id, "") },
			steps: func(c *cast) { c.says(step.SendLightning, c.paid) }},
		{file: "lightning-canceled-too-late", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.says(step.SendLightning, func(ctx context.Context) (step.Word, error) {
				c.books.fence()
				if err := c.temporal.CancelWorkflow(ctx, c.id, ""); err != nil {
					return step.Word{}, err
				}
				return waits(ctx)
			})
			c.says(step.FollowLightning, c.flying, c.paid)
		}},
	}
}

func steeredPlays() []play {
	return []play{
		{file: "lightning-rechecked", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.says(step.SendLightning, c.flying, c.flying, c.paid)
			c.says(step.FollowLightning, waits)
		}, drive: func(ctx context.Context, c *cast) error {
			recheck := func(ctx context.Context) error { return c.update(ctx, workflows.UpdateRecheck) }
			return inTurn(ctx, c.inFlight, recheck, recheck, c.end)
		}},
		{file: "lightning-abandoned", workflow: "Lightning", req: lightningRequest(), steps: func(c *cast) {
			c.says(step.SendLightning, c.flying)
			c.says(step.FollowLightning, waits)
			c.says(step.AbandonLightning, c.flying, c.no(payment.ReasonAbandoned))
		}, drive: func(ctx context.Context, c *cast) error {
			abandon := func(ctx context.Context) error { return c.update(ctx, workflows.UpdateAbandon) }
			refused := func(ctx context.Context) error {
				var notSafe *temporal.ApplicationError
				if err := abandon(ctx); !errors.As(err, &notSafe) {
					return errors.New("the first abandon was not refused")
				}
				return nil
			}
			return inTurn(ctx, c.inFlight, refused, abandon, c.end)
		}},
	}
}

func otherPlays() []play {
	return []play{
		{file: "onchain-settled", workflow: "Onchain", req: onchainRequest(), steps: func(c *cast) {
			c.onchainSteps()
			c.says(step.PublishOnchain, c.flying)
			c.says(step.AskOnchain, c.flying, c.paid)
			c.says(step.FollowOnchain, waits)
		}, drive: func(ctx context.Context, c *cast) error {
			recheck := func(ctx context.Context) error { return c.update(ctx, workflows.UpdateRecheck) }
			return inTurn(ctx, c.inFlight, recheck, c.hint, c.end)
		}},
		{file: "onchain-rejected", workflow: "Onchain", req: onchainRequest(), steps: func(c *cast) {
			c.onchainSteps()
			c.says(step.PublishOnchain, func(ctx context.Context) (step.Word, error) {
				c.books.fence()
				return c.no(payment.ReasonPublishRejected)(ctx)
			})
		}},
		{file: "onchain-bumped", workflow: "Onchain", req: onchainRequest(), steps: func(c *cast) {
			c.onchainSteps()
			c.says(step.PublishOnchain, c.flying)
			c.says(step.AskOnchain, c.paid)
			c.says(step.FollowOnchain, waits)
			c.on(step.BumpOnchain, func(_ context.Context, in step.BumpInput) (step.Bumped, error) {
				c.books.fence()
				c.books.sign(bumpedTxID)
				return step.Bumped{Word: step.Word{Status: step.InFlight, TxID: bumpedTxID}, SatPerVByte: in.SatPerVByte}, nil
			})
		}, drive: func(ctx context.Context, c *cast) error {
			bump := func(ctx context.Context) error {
				return c.update(ctx, workflows.UpdateBump, workflows.Bump{SatPerVByte: 20})
			}
			return inTurn(ctx, c.inFlight, bump, bump, c.hint, c.end)
		}},
		{file: "onchain-taken-back", workflow: "Onchain", req: onchainRequest(), steps: func(c *cast) {
			c.onchainSteps()
			c.says(step.PublishOnchain, c.flying)
			c.says(step.AbandonOnchain, func(context.Context) (step.Word, error) {
				c.books.fence()
				return step.Word{Status: step.InFlight, TxID: testTxID, Rescue: rescueTxID}, nil
			})
			c.says(step.AskOnchain, c.no(payment.ReasonAbandoned))
			c.says(step.FollowOnchain, waits)
		}, drive: func(ctx context.Context, c *cast) error {
			abandon := func(ctx context.Context) error { return c.update(ctx, workflows.UpdateAbandon) }
			return inTurn(ctx, c.inFlight, abandon, c.hint, c.end)
		}},
		{file: "intraledger-transfer", workflow: "Intraledger", req: walletRequest(), steps: func(*cast) {}},
		{file: "intraledger-own-invoice", workflow: "Intraledger", req: ownInvoiceRequest(), steps: func(c *cast) {
			c.on(step.CloseInvoice, func(context.Context, payment.Request) (step.Closed, error) { return step.Closed{}, nil })
		}},
	}
}

func houseworkPlays() []play {
	compare := func(c *cast, err error) {
		c.on(step.RepairOrphans, func(context.Context) (step.Repaired, error) { return orphaned, nil })
		c.on(step.KeepLedger, func(context.Context) error { return nil })
		c.on(step.CompareNode, func(context.Context) (step.Comparison, error) { return allWell, err })
	}
	watch := func(c *cast) {
		var first sync.Once
		c.on(step.WatchNode, func(ctx context.Context, _ string) (err error) {
			shift := func(ctx context.Context) error { _, err := waits(ctx); return err }
			first.Do(func() { shift = func(context.Context) error { return nil } })
			return shift(ctx)
		})
	}
	return []play{
		{file: "watchnode", workflow: "WatchNode", req: base(""), input: testNode, firstRun: true, steps: watch, drive: secondRun},
		{file: "watchnode-running", workflow: "WatchNode", req: base(""), input: testNode, steps: watch, drive: secondRun},
		{file: "reconcile", workflow: "Reconcile", req: base(""), input: []string{testNode}, steps: func(c *cast) { compare(c, nil) }},
		{file: "reconcile-unreachable", workflow: "Reconcile", req: base(""), input: []string{testNode}, steps: func(c *cast) { compare(c, errAway) }},
		{file: "reconcilenode", workflow: "ReconcileNode", req: base(""), input: testNode, steps: func(c *cast) { compare(c, nil) }},
		{file: "reconcilenode-unreachable", workflow: "ReconcileNode", req: base(""), input: testNode, steps: func(c *cast) { compare(c, errAway) }},
		{file: "createinvoice", workflow: "CreateInvoice", req: base(""), input: step.InvoiceInput{Node: testNode, Amount: sat}, steps: func(c *cast) {
			c.on(step.AddInvoice, func(context.Context, step.InvoiceInput) (step.Invoice, error) {
				return step.Invoice{Request: "lnbcrt1"}, nil
			})
		}},
		{file: "createaddress", workflow: "CreateAddress", req: base(""), input: step.AddressInput{Node: testNode}, steps: func(c *cast) {
			c.on(step.AddAddress, func(context.Context, step.AddressInput) (string, error) { return "bcrt1qnew", nil })
		}},
		{file: "cancelinvoice", workflow: "CancelInvoice", req: base(""), input: step.CancelInput{Node: testNode, Hash: payment.Hash{7}}, steps: func(c *cast) {
			c.on(step.CancelInvoice, func(context.Context, step.CancelInput) (step.Closed, error) { return step.Closed{}, nil })
		}},
		{file: "probefee", workflow: "ProbeFee", req: base(""), input: step.ProbeInput{Node: testNode, Invoice: "lnbcrt1", Amount: sat}, steps: func(c *cast) {
			c.on(step.ProbeFee, func(context.Context, step.ProbeInput) (step.Probe, error) { return step.Probe{Fee: 2 * sat}, nil })
		}},
		{file: "estimatefee", workflow: "EstimateFee", req: onchainRequest(), steps: func(c *cast) {
			c.on(step.EstimateOnchain, func(context.Context, payment.Request) (step.Quote, error) {
				return step.Quote{Fee: 2 * sat, SatPerVByte: 1}, nil
			})
		}},
	}
}

// secondRun waits until a workflow has continued as new and its activity runs.
func secondRun(ctx context.Context, c *cast) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		described, err := c.temporal.DescribeWorkflowExecution(ctx, c.id, "")
		if err != nil {
			return err
		}
		info := described.GetWorkflowExecutionInfo()
		if info.GetExecution().GetRunId() != info.GetFirstRunId() && len(described.GetPendingActivities()) > 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

package workflows_test

import (
	"context"
	"testing"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Each of the questions to a node is one step: asked again while the node is away, its answer handed over, also a refusal.
func TestChores(t *testing.T) {
	t.Parallel()
	no := &payment.Failure{Reason: payment.ReasonNoRoute, Message: "No route."}
	t.Run("cancel", func(t *testing.T) {
		chore(t, "CancelInvoice", step.CancelInvoice, step.CancelInput{Hash: payment.Hash{7}, Node: testNode}, step.Closed{Failure: no},
			func(c step.Closed) bool { return c.Failure != nil && *c.Failure == *no })
	})
	t.Run("probe", func(t *testing.T) {
		chore(t, "ProbeFee", step.ProbeFee, step.ProbeInput{Node: testNode, Invoice: "lnbcrt1", Amount: sat}, step.Probe{Fee: 3 * sat},
			func(p step.Probe) bool { return p == step.Probe{Fee: 3 * sat} })
	})
	t.Run("estimate", func(t *testing.T) {
		req := payment.Request{ID: payment.NewID(), Kind: payment.Onchain, Node: testNode, Amount: 5000 * sat, Address: "bcrt1q"}
		chore(t, "EstimateFee", step.EstimateOnchain, req, step.Quote{Fee: 2 * sat}, func(q step.Quote) bool { return q.Fee == 2*sat })
	})
}

// chore runs a workflow of one step whose first attempt finds the node away.
func chore[In comparable, Out any](t *testing.T, workflow, name string, in In, answer Out, same func(Out) bool) {
	t.Helper()
	env, seen := newChore(t)
	calls := 0
	register(env, name, func(_ context.Context, got In) (Out, error) {
		if calls++; got != in {
			t.Errorf("asked for %+v", got)
		}
		if calls == 1 {
			var none Out
			return none, errAway
		}
		return answer, nil
	})
	env.ExecuteWorkflow(workflow, in)
	var got Out
	if err := env.GetWorkflowResult(&got); err != nil || !same(got) {
		t.Errorf("%+v, %v", got, err)
	}
	wantBrief(t, seen)
}

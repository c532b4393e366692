package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// Lightning pays a BOLT 11 invoice of somebody outside: reserve, send, wait for LND's final word, settle or give back.
func Lightning(ctx workflow.Context, req payment.Request) (payment.Outcome, error) {
	s, err := open(ctx, req)
	if err != nil {
		return payment.Outcome{}, err
	}
	if err := s.reserve(ctx); err != nil || s.over() {
		return s.end(ctx, err)
	}

	word, err := sendLightning(ctx, req)
	if err != nil { // cancelled
		if err := s.giveUpCancelled(ctx); err != nil || s.over() {
			return s.end(ctx, err)
		}
		word = step.Word{Status: step.InFlight, Unknown: true, Note: "cancelled too late: it was being sent"}
	}

	return s.end(ctx, s.resolve(ctx, lightningPursuit(), word))
}

func lightningPursuit() pursuit {
	return pursuit{
		ask:     step.SendLightning, // looks before it sends, so asking is the same step
		follow:  step.FollowLightning,
		abandon: step.AbandonLightning,
		what:    "ask LND what became of the payment",
	}
}

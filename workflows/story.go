package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/payment"
)

// telling is what was last written where an operator looks.
type telling struct {
	state payment.State
	txid  string
	since time.Time // of the state
}

// tell writes the payment's state where an operator looks. The search attributes are events of the history: they are
// written at changes only. The current details cost nothing.
func (s *saga) tell(ctx workflow.Context) {
	var updates []temporal.SearchAttributeUpdate
	if s.told.state != s.outcome.State {
		s.told.state, s.told.since = s.outcome.State, workflow.Now(ctx)
		updates = append(updates, AttrStatus.ValueSet(string(s.outcome.State)))
	}
	if s.told.txid != s.outcome.TxID {
		s.told.txid = s.outcome.TxID
		updates = append(updates, AttrHash.ValueSet(s.outcome.TxID))
	}
	if len(updates) > 0 {
		if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
			workflow.GetLogger(ctx).Warn("search attributes were not updated", "payment_id", s.req.ID.String(), "error", err)
		}
	}
	workflow.SetCurrentDetails(ctx, s.details(s.told.since))
}

func (s *saga) details(since time.Time) string {
	paragraphs := []string{
		fmt.Sprintf("**%s** since %s", s.outcome.State, since.UTC().Format("2006-01-02 15:04:05 UTC")),
		s.standing(),
	}
	if s.outcome.TxID != "" {
		paragraphs = append(paragraphs, fmt.Sprintf("Transaction `%s`", s.outcome.TxID))
	}
	if s.word.Note != "" && !s.over() {
		paragraphs = append(paragraphs, s.word.Note)
	}
	return strings.Join(paragraphs, "\n\n") + "\n"
}

// standing says what the payment waits for, or how it ended.
func (s *saga) standing() string {
	switch {
	case s.outcome.Failure != nil:
		return fmt.Sprintf("%s: %s", s.outcome.Failure.Reason, s.outcome.Failure.Message)
	case s.outcome.State == payment.Settled:
		return fmt.Sprintf("Paid %v, fee %v.", s.outcome.Amount, s.outcome.Fee)
	case !s.sent:
		return "Nothing has left yet."
	case s.rescue != "":
		return fmt.Sprintf("Being taken back: transaction `%s` spends an input of it and waits for confirmations. Should the payment confirm instead, it settles.", s.rescue)
	case s.req.Kind == payment.Onchain && s.bumped:
		return fmt.Sprintf("Broadcast; its fee was bumped to %d sat/vB; waits for confirmations.", s.rate)
	case s.req.Kind == payment.Onchain:
		return "Broadcast; waits for confirmations."
	case s.word.Expiry == 0:
		return fmt.Sprintf("Waits for the final word of LND node `%s`.", s.req.Node)
	default:
		return fmt.Sprintf("Waits for the final word of LND node `%s`.\nThe last HTLC times out at block %d: until then the receiver can settle or cancel.",
			s.req.Node, s.word.Expiry)
	}
}

// Summary is the one line that names a payment in the workflow list: "5,000 sat to lnbcrt50u…, key 'shop'".
func Summary(req payment.Request, keyName string) string {
	amount := req.Amount.String()
	if req.SendAll {
		amount = "everything"
	}
	to := "wallet " + req.RecipientID.String()
	switch {
	case req.Invoice != "":
		to = shorten(req.Invoice)
	case req.Address != "":
		to = req.Address
	}
	text := amount + " to " + to
	if keyName != "" {
		text += ", key '" + keyName + "'"
	}
	return text
}

func shorten(s string) string {
	const keep = 24
	if len(s) <= keep {
		return s
	}
	return s[:keep] + "…"
}

// stateInFlight is what a sent payment shows while its row may still say dispatched.
func stateInFlight(state payment.State) payment.State {
	if state.Terminal() {
		return state
	}
	return payment.Pending
}

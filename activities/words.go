package activities

import (
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

func paid(fee payment.Msat) step.Word { return step.Word{Status: step.Paid, Fee: fee} }

// notPaid is evidence about the row's latest fence and no later one.
func notPaid(row ledger.Payment, reason payment.Reason) step.Word {
	return failed(row, explain(reason))
}

func failed(row ledger.Payment, failure payment.Failure) step.Word {
	return step.Word{Status: step.NotPaid, Failure: &failure, Attempt: row.Send.Attempt}
}

func unknown(note string) step.Word {
	return step.Word{Status: step.InFlight, Unknown: true, Note: note}
}

// wordOfRow is what a terminal row says: the step has nothing left to do.
func wordOfRow(row ledger.Payment) step.Word {
	if row.State == payment.Settled {
		word := paid(row.Fee)
		word.TxID = row.TxID
		return word
	}
	if row.Failure != nil {
		return failed(row, *row.Failure)
	}
	return notPaid(row, payment.ReasonInternal)
}

// onlyTerminal makes a word that is not final a retryable error: the retry policy is the poll's back-off, and attempts
// leave no trace in the history.
func onlyTerminal(word step.Word, err error) (step.Word, error) {
	if err != nil || word.Terminal() {
		return word, err
	}
	return word, temporal.NewApplicationErrorWithOptions("not final yet: "+word.Note, "NOT_FINAL",
		temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign})
}

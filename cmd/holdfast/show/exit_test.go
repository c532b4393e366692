package show_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// codes is the table of `holdfast --help`, reason by reason.
var codes = map[payment.Reason]show.Code{
	payment.ReasonBudgetExceeded:      show.Refused,
	payment.ReasonAccountLimit:        show.Refused,
	payment.ReasonOutcomeUnknown:      show.Away,
	payment.ReasonInsufficientBalance: show.Refused,
	payment.ReasonKeyInactive:         show.Refused,
	payment.ReasonPermissionDenied:    show.Refused,
	payment.ReasonPaymentInFlight:     show.Refused,
	payment.ReasonAlreadyPaid:         show.Refused,
	payment.ReasonTooManyRequests:     show.Refused,
	payment.ReasonSelfPayment:         show.Usage,
	payment.ReasonInvalidInput:        show.Usage,
	payment.ReasonInvalidAmount:       show.Usage,
	payment.ReasonInvalidAddress:      show.Usage,
	payment.ReasonDust:                show.Usage,
	payment.ReasonWalletNotFound:      show.Usage,
	payment.ReasonKeyNotFound:         show.Usage,
	payment.ReasonPaymentNotFound:     show.Usage,
	payment.ReasonNotFound:            show.Usage,
	payment.ReasonUnauthenticated:     show.Usage,
	payment.ReasonAccountNotFound:     show.Usage,
	payment.ReasonNodeNotFound:        show.Usage,
	payment.ReasonInvoiceInvalid:      show.Usage,
	payment.ReasonInvoiceExpired:      show.Usage,
	payment.ReasonInvoiceCanceled:     show.Usage,
	payment.ReasonIdempotencyConflict: show.Usage,
	payment.ReasonLockNotFound:        show.Usage,
	payment.ReasonLockConflict:        show.Usage,
	payment.ReasonUnavailable:         show.Away,
	payment.ReasonNodeOffline:         show.Away,
	payment.ReasonNoPrice:             show.Away,
	payment.ReasonLnurl:               show.Failed,
	payment.ReasonRejected:            show.Failed,
	payment.ReasonTimeout:             show.Failed,
	payment.ReasonNoRoute:             show.Failed,
	payment.ReasonFeeOverLimit:        show.Failed,
	payment.ReasonNodeFunds:           show.Failed,
	payment.ReasonPublishRejected:     show.Failed,
	payment.ReasonConflict:            show.Failed,
	payment.ReasonAbandoned:           show.Failed,
	payment.ReasonCanceled:            show.Failed,
	payment.ReasonInternal:            show.Failed,
}

// Invariant 3: every reason has its code, also those that come later.
func TestEveryReasonHasACode(t *testing.T) {
	t.Parallel()
	for _, reason := range declaredReasons(t) {
		want, listed := codes[reason]
		if !listed {
			t.Errorf("%s is new: choose its exit code in CodeOfReason and list it here", reason)
			continue
		}
		if got := show.CodeOfReason(reason); got != want {
			t.Errorf("%s ends with %d, want %d", reason, got, want)
		}
		wrapped := fmt.Errorf("pay: %w", payment.Errorf(reason, "no"))
		if got := show.CodeOfError(wrapped); got != want {
			t.Errorf("an error with %s ends with %d, want %d", reason, got, want)
		}
	}
}

// declaredReasons reads the constants of payment/failure.go.
func declaredReasons(t *testing.T) []payment.Reason {
	file, err := parser.ParseFile(token.NewFileSet(), "../../../payment/failure.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []payment.Reason
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Names) != 1 || !strings.HasPrefix(spec.Names[0].Name, "Reason") {
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		reasons = append(reasons, payment.Reason(value))
		return true
	})
	if len(reasons) < 20 {
		t.Fatalf("only %d reasons found", len(reasons))
	}
	return reasons
}

func TestCodeOfPayment(t *testing.T) {
	t.Parallel()
	refused := func(reason payment.Reason) ledger.Payment {
		return ledger.Payment{State: payment.Refused, Failure: &payment.Failure{Reason: reason}}
	}
	for name, c := range map[string]struct {
		row  ledger.Payment
		want show.Code
	}{
		"settled":             {ledger.Payment{State: payment.Settled}, 0},
		"failed":              {ledger.Payment{State: payment.Failed, Failure: &payment.Failure{Reason: payment.ReasonNodeOffline}}, 1},
		"refused by budget":   {refused(payment.ReasonBudgetExceeded), 3},
		"refused, bad wallet": {refused(payment.ReasonWalletNotFound), 2},
		"refused, node away":  {refused(payment.ReasonNodeOffline), 5},
		"reserved":            {ledger.Payment{State: payment.Reserved}, 4},
		"dispatched":          {ledger.Payment{State: payment.Dispatched}, 4},
		"pending":             {ledger.Payment{State: payment.Pending}, 4},
	} {
		if got := show.CodeOfPayment(c.row); got != c.want {
			t.Errorf("%s ends with %d, want %d", name, got, c.want)
		}
		if got := show.CodeOfError(show.Ended(c.row)); got != c.want {
			t.Errorf("%s: Ended gives %d, want %d", name, got, c.want)
		}
		if got := show.CodeOfError(show.Explained(c.row)); got != c.want {
			t.Errorf("%s: Explained gives %d, want %d", name, got, c.want)
		}
	}
	if got := show.CodeOfError(nil); got != 0 {
		t.Errorf("no error ends with %d", got)
	}
	if got := show.CodeOfError(errors.New("bug")); got != 1 {
		t.Errorf("an unknown error ends with %d, want 1", got)
	}
}

package workflows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/sdk/v1"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// details is what the Temporal UI shows of a running saga.
func (s *saga) details() string {
	s.t.Helper()
	value, err := s.env.QueryWorkflow("__temporal_workflow_metadata")
	if err != nil {
		s.t.Fatal(err)
	}
	var metadata sdk.WorkflowMetadata
	if err := value.Get(&metadata); err != nil {
		s.t.Fatal(err)
	}
	return metadata.GetCurrentDetails()
}

// Each write of a search attribute is an event in the history: there is one per change of state, however often LND is asked.
func TestSearchAttributesChangeWithTheStateOnly(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.flying, s.flying, s.flying, s.flying, s.paid(sat))
	s.says(step.FollowLightning, s.flying)
	for i := range 5 {
		s.at(time.Duration(i+1)*time.Minute, s.hint)
	}
	s.wantsEnd(s.run("Lightning"), payment.Settled, "")
	if want := []string{"reserved", "pending", "settled"}; !slices.Equal(s.seen.statuses, want) {
		t.Errorf("statuses written: %q, want %q", s.seen.statuses, want)
	}
	if len(s.seen.hashes) != 0 {
		t.Errorf("hashes written: %q, want none: it was set at the start", s.seen.hashes)
	}
}

func TestSearchAttributesOfOtherEnds(t *testing.T) {
	t.Run("refused", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.refuses = refusal(payment.ReasonBudgetExceeded)
		s.run("Lightning")
		if want := []string{"refused"}; !slices.Equal(s.seen.statuses, want) {
			t.Errorf("statuses written: %q, want %q", s.seen.statuses, want)
		}
	})
	t.Run("transfer", func(t *testing.T) {
		s := newSaga(t, walletRequest())
		s.run("Intraledger")
		if want := []string{"settled"}; !slices.Equal(s.seen.statuses, want) {
			t.Errorf("statuses written: %q, want %q", s.seen.statuses, want)
		}
	})
	t.Run("on-chain", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.AskOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying, s.flying, s.notPaid(payment.ReasonConflict))
		s.at(time.Second, s.hint)
		s.at(2*time.Second, s.hint)
		s.run("Onchain")
		if want := []string{"reserved", "pending", "failed"}; !slices.Equal(s.seen.statuses, want) {
			t.Errorf("statuses written: %q, want %q", s.seen.statuses, want)
		}
		if want := []string{testTxID}; !slices.Equal(s.seen.hashes, want) {
			t.Errorf("hashes written: %q, want %q once", s.seen.hashes, want)
		}
	})
}

func TestCurrentDetailsTellWhatIsWaitedFor(t *testing.T) {
	s := newSaga(t, lightningRequest())
	s.says(step.SendLightning, s.flying, s.flying, s.paid(3*sat))
	s.says(step.FollowLightning, s.flying)
	s.env.SetStartTime(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC))
	var pending, later string
	s.at(30*time.Minute, func() { pending = s.details() })
	s.at(time.Hour, s.hint)
	s.at(2*time.Hour, func() { later = s.details() })
	s.at(3*time.Hour, s.hint)
	s.run("Lightning")
	for _, want := range []string{"**pending** since 2026-11-23 10:00:00 UTC", "final word of LND node `bank`", "times out at block 840000", "1 HTLC in flight"} {
		if !strings.Contains(pending, want) {
			t.Errorf("details in flight lack %q:\n%s", want, pending)
		}
	}
	if later != pending {
		t.Errorf("the state has not changed since, and the details say otherwise:\n%s", later)
	}
	for _, want := range []string{"**settled** since 2026-11-23 13:00:00 UTC", "Paid 5,000 sat, fee 3 sat."} {
		if got := s.details(); !strings.Contains(got, want) {
			t.Errorf("details at the end lack %q:\n%s", want, got)
		}
	}
}

func TestCurrentDetailsOfOtherStates(t *testing.T) {
	t.Run("reserved", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.says(step.SendLightning, away, away, away, away, away, s.paid(sat))
		var got string
		s.at(time.Second, func() { got = s.details() })
		s.run("Lightning")
		if !strings.Contains(got, "**reserved**") || !strings.Contains(got, "Nothing has left yet.") {
			t.Errorf("details:\n%s", got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		s := newSaga(t, lightningRequest())
		s.books.refuses = &payment.Failure{Reason: payment.ReasonBudgetExceeded, Message: "The daily budget is used up."}
		s.run("Lightning")
		if got := s.details(); !strings.Contains(got, "BUDGET_EXCEEDED: The daily budget is used up.") {
			t.Errorf("details:\n%s", got)
		}
	})
	t.Run("broadcast", func(t *testing.T) {
		s := newOnchain(t)
		s.says(step.PublishOnchain, s.flying)
		s.says(step.FollowOnchain, s.flying, s.paid(300*sat))
		var got string
		s.at(time.Second, func() { got = s.details() })
		s.run("Onchain")
		if !strings.Contains(got, "Broadcast; waits for confirmations.") || !strings.Contains(got, "`"+testTxID+"`") {
			t.Errorf("details:\n%s", got)
		}
	})
}

func TestSummary(t *testing.T) {
	t.Parallel()
	wallet := payment.WalletID{15: 1}
	for want, c := range map[string]struct {
		req payment.Request
		key string
	}{
		"5,000 sat to lnbcrt50u1pjexampleinvoi…, key 'shop'": {payment.Request{Amount: 5000 * sat, Invoice: "lnbcrt50u1pjexampleinvoice0"}, "shop"},
		"5,000 sat to lnbcrt1short":                          {payment.Request{Amount: 5000 * sat, Invoice: "lnbcrt1short"}, ""},
		"everything to bcrt1qexample":                        {payment.Request{SendAll: true, Address: "bcrt1qexample"}, ""},
		"0.500 sat to wallet " + wallet.String():             {payment.Request{Amount: 500, RecipientID: wallet}, ""},
	} {
		if got := workflows.Summary(c.req, c.key); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// A SQL visibility store has ten keywords and few numbers per namespace.
func TestAttributes(t *testing.T) {
	t.Parallel()
	types := workflows.SearchAttributeTypes()
	keywords := 0
	for _, kind := range types {
		if kind == "Keyword" {
			keywords++
		}
	}
	if keywords > 10 || len(types)-keywords > 3 {
		t.Errorf("%d keywords, %d others", keywords, len(types)-keywords)
	}
	full := workflows.Attributes(lightningRequest())
	if full.Size() != len(types) {
		t.Errorf("%d attributes set at the start, %d registered", full.Size(), len(types))
	}
	plain := walletRequest()
	plain.KeyID = payment.KeyID{}
	bare := workflows.Attributes(plain)
	for name, set := range map[string]bool{
		"key": bare.ContainsKey(workflows.AttrKey), "hash": bare.ContainsKey(workflows.AttrHash), "node": bare.ContainsKey(workflows.AttrNode),
	} {
		if set {
			t.Errorf("%s is set and there is none", name)
		}
	}
	if amount, _ := full.GetInt64(workflows.AttrAmount); amount != 5000 {
		t.Errorf("amount %d sat", amount)
	}
}

package show_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func overBudget() *payment.Error {
	err := payment.Errorf(payment.ReasonBudgetExceeded, "The daily limit does not allow this.").Because(errors.New("secret cause"))
	err.Budget = &payment.BudgetShortfall{
		Window: payment.Daily, Limit: 10_000, Spent: 8_000, Remaining: 2_000, Needed: 5_010, FreesAt: noon,
	}
	return err
}

// Invariant 2: message, reason and the budget's numbers; never the cause.
func TestErrorForPeople(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	show.Printer{Out: &out, Err: &errs}.Error(overBudget())
	if out.Len() != 0 {
		t.Errorf("stdout has %q", out.String())
	}
	lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
	if want := "error: The daily limit does not allow this. (BUDGET_EXCEEDED)"; lines[0] != want {
		t.Errorf("got %q, want %q", lines[0], want)
	}
	for i, want := range [][2]string{
		{"window", "daily"}, {"limit", "10,000 sat"}, {"spent", "8,000 sat"}, {"remaining", "2,000 sat"}, {"needed", "5,010 sat"},
		{"frees at", show.Time(noon)},
	} {
		if i+1 >= len(lines) || !strings.HasPrefix(strings.TrimSpace(lines[i+1]), want[0]) || !strings.HasSuffix(lines[i+1], want[1]) {
			t.Fatalf("line %d of %q is not %v", i+1, lines, want)
		}
	}
	if strings.Contains(errs.String(), "secret cause") {
		t.Error("the cause is shown")
	}
}

// Invariant 1: names and units of an error's JSON.
func TestErrorForPrograms(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	show.Printer{Err: &errs, JSON: true}.Error(overBudget())
	want := `{"error":{"reason":"BUDGET_EXCEEDED","message":"The daily limit does not allow this.","budget":{"window":"daily",` +
		`"limit_sat":10000,"spent_sat":8000,"remaining_sat":2000,"needed_sat":5010,"frees_at":"2026-03-01T12:00:00Z"}}}`
	if got := compact(t, errs.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func settled() ledger.Payment {
	return ledger.Payment{
		Request: payment.Request{Kind: payment.Intraledger, Amount: 1_000_500, FeeReserve: 0, RecipientID: payment.WalletID{1}, WalletID: payment.WalletID{2}},
		State:   payment.Settled, Fee: 0, CreatedAt: noon, ResolvedAt: noon.Add(time.Second),
	}
}

// Invariant 1: a payment's JSON is a contract.
func TestPaymentJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	timeline := []ledger.Event{{At: noon, State: payment.Settled, Name: "settled", Detail: map[string]string{"fee_msat": "0"}}}
	if err := (show.Printer{Out: &out, JSON: true}).Payment(settled(), timeline); err != nil {
		t.Fatal(err)
	}
	zero := "00000000-0000-0000-0000-000000000000"
	want := `{"id":"` + zero + `","kind":"intraledger","state":"settled","account_id":"` + zero + `",` +
		`"wallet_id":"02000000-0000-0000-0000-000000000000","amount_msat":1000500,"fee_msat":0,"fee_reserve_msat":0,` +
		`"recipient_wallet_id":"01000000-0000-0000-0000-000000000000","created_at":"2026-03-01T12:00:00Z","resolved_at":"2026-03-01T12:00:01Z",` +
		`"timeline":[{"at":"2026-03-01T12:00:00Z","state":"settled","name":"settled","detail":{"fee_msat":"0"}}]}`
	if got := compact(t, out.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestListsAreArraysAlsoWhenEmpty(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := show.Printer{Out: &out, JSON: true}
	if err := errors.Join(p.Payments(nil), p.Wallets(nil), p.Keys(nil, noon), p.Checks(nil)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); len(got) != 4 || strings.Join(got, "") != "[][][][]" {
		t.Errorf("got %q", out.String())
	}
}

func TestTimelineForPeople(t *testing.T) {
	t.Parallel()
	row := settled()
	row.Kind, row.State, row.Expiry = payment.Lightning, payment.Pending, 812
	timeline := []ledger.Event{
		{At: noon, Name: "reserved", Detail: map[string]string{
			"amount_msat": "2000000", "fee_reserve_msat": "10000", "budget_sat": "2010",
			"daily_limit_sat": "10000", "daily_spent_before_sat": "0", "daily_spent_after_sat": "2010",
			"account_budget_sat": "2010", "account_weekly_limit_sat": "5000", "account_weekly_spent_before_sat": "1", "account_weekly_spent_after_sat": "2011",
		}},
		{At: noon, Name: "in_flight", Detail: map[string]string{"expiry_height": "812"}},
		{At: noon, Name: "settled", Detail: map[string]string{"fee_msat": "1500", "budget_before_sat": "2010", "budget_after_sat": "2002", "other": "x"}},
	}
	var out bytes.Buffer
	if err := (show.Printer{Out: &out}).Payment(row, timeline); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"amount 2,000 sat, fee reserve 10 sat, this payment's share of the budget: 2,010 sat, daily spending 0 sat before, 2,010 sat after, limit 10,000 sat, " +
			"this payment's share of the account's limit: 2,010 sat, weekly spending 1 sat before, 2,011 sat after, limit 5,000 sat",
		"in flight  until block 812",
		"fee 1.500 sat, this payment's share of the budget: 2,010 sat before, 2,002 sat after, other x",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestKeyForPeople(t *testing.T) {
	t.Parallel()
	spending := ledger.Spending{Reserved: 510}
	for i, w := range payment.Windows() {
		spending.Windows[i] = ledger.WindowSpending{Window: w, Spent: 600}
	}
	spending.Windows[0].Limited, spending.Windows[0].Limit, spending.Windows[0].Remaining = true, 10_000, 9_400
	spending.Windows[0].FreesAt = noon
	key := ledger.Key{Name: "shop", ExpiresAt: noon, LastUsedAt: noon, Scopes: payment.Scopes()}
	var out bytes.Buffer
	if err := (show.Printer{Out: &out}).Key(key, spending, noon); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"status expired", "scopes READ, RECEIVE, WRITE", "last used " + show.Time(noon), "reserved 510 sat", "daily 10,000 sat 600 sat 9,400 sat " + show.Time(noon), "weekly none 600 sat monthly",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, out.String())
		}
	}
}

func TestChecksForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := show.Printer{Out: &out}.Checks([]ledger.CheckResult{{Name: "zero sum", OK: true, Detail: "fine"}, {Name: "holds", Detail: "one"}})
	if want := "ok    zero sum  fine\nFAIL  holds     one\n"; err != nil || out.String() != want {
		t.Errorf("got %q, %v, want %q", out.String(), err, want)
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, text); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out.String()
}

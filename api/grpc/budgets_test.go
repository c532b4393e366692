package grpcapi_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	paymentsv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	apikeysv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// budgets is a client of services.api_keys.v1 for one key.
type budgets struct {
	t testing.TB
	apikeysv1.ApiKeysServiceClient
	key ledger.Key
}

func newBudgets(t testing.TB, limits map[payment.Window]payment.Sat, change ...func(*grpcapi.Config)) budgets {
	t.Helper()
	return budgets{t, apikeysv1.NewApiKeysServiceClient(serve(t, change...).dial(t)), newKey(t, limits)}
}

func (b budgets) lock(amount int64) string {
	b.t.Helper()
	answer, err := b.CheckAndLockSpending(b.t.Context(), &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: amount})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.GetEphemeralId()
}

func (b budgets) record(amount int64, tx, lock string) error {
	req := &apikeysv1.RecordSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: amount, TransactionId: &tx}
	if lock != "" {
		req.EphemeralId = &lock
	}
	_, err := b.RecordSpending(b.t.Context(), req)
	return err
}

func (b budgets) reverse(ref string) error {
	_, err := b.ReverseSpending(b.t.Context(), &apikeysv1.ReverseSpendingRequest{TransactionId: ref})
	return err
}

func (b budgets) summary() *apikeysv1.GetSpendingSummaryResponse {
	b.t.Helper()
	answer, err := b.GetSpendingSummary(b.t.Context(), &apikeysv1.GetSpendingSummaryRequest{ApiKeyId: b.key.ID.String()})
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

func (b budgets) wantSpent(spent int64) {
	b.t.Helper()
	s := b.summary()
	if s.GetDailySpentSats() != spent || s.GetWeeklySpentSats() != spent || s.GetMonthlySpentSats() != spent || s.GetAnnualSpentSats() != spent {
		b.t.Fatalf("spent %v, want %d everywhere", s, spent)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func lockID(t testing.TB, text string) payment.ID {
	t.Helper()
	id, err := uuid.Parse(text)
	must(t, err)
	return id
}

// workflowEnds waits until the owner of a lock has ended, well.
func workflowEnds(t testing.TB, lock string) {
	t.Helper()
	soon(t, "the workflow of "+lock+" ends", func() bool {
		described, err := house.temporal.DescribeWorkflowExecution(t.Context(), workflows.LockID(lockID(t, lock)), "")
		must(t, err)
		status := described.GetWorkflowExecutionInfo().GetStatus()
		if status != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING && status != enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			t.Fatalf("the workflow of %s: %s", lock, status)
		}
		return status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	})
}

func TestLockRecordReverse(t *testing.T) {
	t.Parallel()
	b, ctx := newBudgets(t, map[payment.Window]payment.Sat{payment.Daily: 1_000, payment.Annual: 5_000}), t.Context()
	check := func(amount int64) *apikeysv1.CheckSpendingLimitResponse {
		t.Helper()
		answer, err := b.CheckSpendingLimit(ctx, &apikeysv1.CheckSpendingLimitRequest{ApiKeyId: b.key.ID.String(), AmountSats: amount})
		must(t, err)
		return answer
	}
	if c := check(1_000); !c.GetAllowed() || c.GetDailyLimitSats() != 1_000 || c.GetRemainingAnnualSats() != 5_000 || c.WeeklyLimitSats != nil || c.RemainingWeeklySats != nil {
		t.Fatalf("%v", c)
	}
	if check(1_001).GetAllowed() {
		t.Fatal("1,001 of 1,000 are allowed")
	}
	b.wantSpent(0) // a check reserves nothing

	lock, tx := b.lock(600), uuid.NewString()
	b.wantSpent(600)
	if c := check(401); c.GetAllowed() || c.GetDailySpentSats() != 600 || c.GetRemainingDailySats() != 400 {
		t.Fatalf("%v", c)
	}
	for range 2 { // it may be repeated
		must(t, b.record(600, tx, lock))
		b.wantSpent(600)
	}
	workflowEnds(t, lock)
	if s := b.summary(); s.GetRemainingDailySats() != 400 || s.MonthlyLimitSats != nil {
		t.Fatalf("%v", s)
	}
	for _, ref := range []string{tx, lock, tx, lock} {
		must(t, b.reverse(ref))
		b.wantSpent(0)
	}
	wantCode(t, b.record(600, tx, lock), codes.FailedPrecondition)
	b.wantSpent(0)

	other := b.lock(1_000) // reversed by its ephemeral id before it was recorded
	must(t, b.reverse(other))
	b.wantSpent(0)
	workflowEnds(t, other)
	for range 2 { // what had no lock counts, even above the limit
		must(t, b.record(1_700, "without "+tx, ""))
		b.wantSpent(1_700)
	}
	must(t, b.reverse("without "+tx))
	b.wantSpent(0)
}

func TestTwentyLocksAgainstABudgetForSeven(t *testing.T) {
	t.Parallel()
	b := newBudgets(t, map[payment.Window]payment.Sat{payment.Weekly: 799})
	var held, refused atomic.Int64
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			_, err := b.CheckAndLockSpending(t.Context(), &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: 100})
			switch {
			case err == nil:
				held.Add(1)
			case status.Code(err) == codes.FailedPrecondition && strings.HasSuffix(status.Convert(err).Message(), "weekly spending limit exceeded"):
				refused.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if held.Load() != 7 || refused.Load() != 13 {
		t.Errorf("%d held, %d refused", held.Load(), refused.Load())
	}
	b.wantSpent(700)
}

// A lock that its caller forgot is released by its workflow, back to the sat.
func TestLockNeverRecordedIsReleased(t *testing.T) {
	t.Parallel()
	b := newBudgets(t, map[payment.Window]payment.Sat{payment.Daily: 1_000}, func(c *grpcapi.Config) {
		c.Starter = newStarter(house.temporal, time.Second)
	})
	must(t, b.record(3, uuid.NewString(), ""))
	lock := b.lock(997)
	b.wantSpent(1_000)
	workflowEnds(t, lock)
	b.wantSpent(3)
	row, err := house.ledger.Lock(t.Context(), lockID(t, lock))
	if err != nil || row.State != payment.LockReleased {
		t.Fatalf("%+v, %v", row, err)
	}
	tx := uuid.NewString() // the money was spent all the same: it counts
	must(t, b.record(997, tx, lock))
	b.wantSpent(1_000)
	must(t, b.reverse(lock))
	b.wantSpent(3)
}

// The server keeps nothing: killed between lock and record, another one goes on.
func TestServerKilledBetweenLockAndRecord(t *testing.T) {
	t.Parallel()
	key := newKey(t, map[payment.Window]payment.Sat{payment.Daily: 1_000})
	first := serve(t)
	b := budgets{t, apikeysv1.NewApiKeysServiceClient(first.dial(t)), key}
	recorded, forgotten := b.lock(300), b.lock(200)
	first.server.Stop()
	wantCode(t, b.record(300, "late", recorded), codes.Unavailable)

	b.ApiKeysServiceClient = apikeysv1.NewApiKeysServiceClient(serve(t).dial(t))
	tx := uuid.NewString()
	must(t, b.record(300, tx, recorded))
	workflowEnds(t, recorded)
	must(t, b.reverse(forgotten))
	workflowEnds(t, forgotten)
	b.wantSpent(300)
}

func TestBudgetErrors(t *testing.T) {
	t.Parallel()
	b, ctx := newBudgets(t, map[payment.Window]payment.Sat{payment.Monthly: 1_000}), t.Context()
	key, lock := b.key.ID.String(), b.lock(10)
	other := newKey(t, nil)
	check := func(key string, amount int64) error {
		_, err := b.CheckSpendingLimit(ctx, &apikeysv1.CheckSpendingLimitRequest{ApiKeyId: key, AmountSats: amount})
		return err
	}
	take := func(key string, amount int64) error {
		_, err := b.CheckAndLockSpending(ctx, &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: key, AmountSats: amount})
		return err
	}
	record := func(key string, amount int64, tx, lock *string) error {
		_, err := b.RecordSpending(ctx, &apikeysv1.RecordSpendingRequest{ApiKeyId: key, AmountSats: amount, TransactionId: tx, EphemeralId: lock})
		return err
	}
	summary := func(key string) error {
		_, err := b.GetSpendingSummary(ctx, &apikeysv1.GetSpendingSummaryRequest{ApiKeyId: key})
		return err
	}
	tx, unknown := new(uuid.NewString()), uuid.NewString()
	for name, try := range map[string]struct {
		err  error
		want codes.Code
	}{
		"check: bad id":                   {check("shop", 1), codes.InvalidArgument},
		"check: no id":                    {check("", 1), codes.InvalidArgument},
		"check: unknown key":              {check(unknown, 1), codes.NotFound},
		"check: zero":                     {check(key, 0), codes.InvalidArgument},
		"check: too much for anybody":     {check(key, 1<<62), codes.InvalidArgument},
		"lock: bad id":                    {take(key+"0", 1), codes.InvalidArgument},
		"lock: unknown key":               {take(unknown, 1), codes.NotFound},
		"lock: zero":                      {take(key, 0), codes.InvalidArgument},
		"lock: negative":                  {take(key, -5), codes.InvalidArgument},
		"lock: over the limit":            {take(key, 991), codes.FailedPrecondition},
		"summary: bad id":                 {summary("{" + key + "}"), codes.InvalidArgument},
		"summary: unknown key":            {summary(unknown), codes.NotFound},
		"record: bad key":                 {record("x", 10, tx, &lock), codes.InvalidArgument},
		"record: unknown key":             {record(unknown, 10, tx, nil), codes.NotFound},
		"record: bad lock":                {record(key, 10, tx, new("x")), codes.InvalidArgument},
		"record: unknown lock":            {record(key, 10, tx, &unknown), codes.NotFound},
		"record: another key's lock":      {record(other.ID.String(), 10, tx, &lock), codes.NotFound},
		"record: another amount":          {record(key, 11, tx, &lock), codes.FailedPrecondition},
		"record: zero":                    {record(key, 0, tx, &lock), codes.InvalidArgument},
		"record: no transaction id":       {record(key, 10, nil, &lock), codes.InvalidArgument},
		"record: empty transaction id":    {record(key, 10, new(""), nil), codes.InvalidArgument},
		"record: endless transaction id":  {record(key, 10, new(strings.Repeat("x", 256)), nil), codes.InvalidArgument},
		"reverse: no transaction id":      {b.reverse(""), codes.InvalidArgument},
		"reverse: unknown transaction id": {b.reverse("never seen"), codes.NotFound},
		"reverse: unknown ephemeral id":   {b.reverse(unknown), codes.NotFound},
	} {
		if status.Code(try.err) != try.want {
			t.Errorf("%s: %v, want %v", name, try.err, try.want)
		}
	}
	b.wantSpent(10)
}

// A refusal carries the numbers, for people and for programs.
func TestLimitExceededCarriesTheNumbers(t *testing.T) {
	t.Parallel()
	for _, window := range payment.Windows() {
		b := newBudgets(t, map[payment.Window]payment.Sat{window: 1_000})
		b.lock(400)
		_, err := b.CheckAndLockSpending(t.Context(), &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: 601})
		answer := wantCode(t, err, codes.FailedPrecondition)
		if !strings.HasSuffix(answer.Message(), string(window)+" spending limit exceeded") {
			t.Errorf("%q", answer.Message())
		}
		wantShortfall(t, answer, &paymentsv1.BudgetShortfall{LimitSat: 1_000, SpentSat: 400, RemainingSat: 600, NeededSat: 601}, window)
	}
}

// wantShortfall checks the details of a refusal by a budget.
func wantShortfall(t testing.TB, answer *status.Status, want *paymentsv1.BudgetShortfall, window payment.Window) {
	t.Helper()
	var info *errdetails.ErrorInfo
	var short *paymentsv1.BudgetShortfall
	for _, detail := range answer.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *paymentsv1.BudgetShortfall:
			short = d
		}
	}
	if info.GetReason() != "BUDGET_EXCEEDED" || info.GetDomain() != "holdfast" {
		t.Fatalf("%v", info)
	}
	until := time.Until(short.GetFreesAt().AsTime())
	if short.GetWindow().String() != "WINDOW_"+strings.ToUpper(string(window)) || until > window.Duration() || until < window.Duration()-time.Minute {
		t.Fatalf("%v", short)
	}
	want.Window, want.FreesAt = short.Window, short.FreesAt
	if !proto.Equal(short, want) {
		t.Fatalf("%v, want %v", short, want)
	}
}

func TestRevokedKeyGetsNoLock(t *testing.T) {
	t.Parallel()
	b := newBudgets(t, nil)
	lock := b.lock(10)
	must(t, house.ledger.RevokeKey(t.Context(), b.key.AccountID, b.key.ID))
	_, err := b.CheckAndLockSpending(t.Context(), &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: 1})
	wantCode(t, err, codes.PermissionDenied)
	_, err = b.CheckSpendingLimit(t.Context(), &apikeysv1.CheckSpendingLimitRequest{ApiKeyId: b.key.ID.String(), AmountSats: 1})
	wantCode(t, err, codes.PermissionDenied)
	must(t, b.record(10, "tx", lock)) // it has been spent
	b.wantSpent(10)
}

// Temporal away: closed, never open, and without the driver's words.
func TestTemporalAway(t *testing.T) {
	t.Parallel()
	away, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	must(t, err)
	t.Cleanup(away.Close)
	b := newBudgets(t, nil, func(c *grpcapi.Config) { c.Starter = newStarter(away, 0) })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err = b.CheckAndLockSpending(ctx, &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: 1})
	answer := wantCode(t, err, codes.Unavailable)
	if strings.Contains(fmt.Sprint(answer.Proto()), "127.0.0.1") {
		t.Errorf("the driver speaks: %v", answer)
	}
	b.wantSpent(0)
	must(t, b.record(5, uuid.NewString(), "")) // needs the ledger only
	b.wantSpent(5)
}

package demo

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// play runs one step and gives what it printed, without the line that holds the time it took.
func play(t *testing.T, do func(*scene) error) (string, error) {
	t.Helper()
	var out bytes.Buffer
	s := &scene{Config: Config{Out: &out}}
	err := s.step(t.Context(), "pay", func(context.Context) error { return do(s) })
	text := out.Bytes()
	last := bytes.LastIndexByte(bytes.TrimSpace(text), '\n')
	return string(text[:last+1]) + string(bytes.Fields(text[last:])[0]), err
}

func TestStepThatGoesAsExpected(t *testing.T) {
	t.Parallel()
	got, err := play(t, func(s *scene) error {
		s.is("wallet", 5, 5)
		s.then("- later:")
		s.fits("fee at most 10", "fee 3", true)
		s.is("", "settled", "settled")
		return nil
	})
	want := "▸ pay\n  expected  wallet 5\n  seen      wallet 5\n  - later:\n  expected  fee at most 10; settled\n  seen      fee 3; settled\nok"
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// Invariant 2: a difference fails, also when everything after it is right.
func TestDifferenceFails(t *testing.T) {
	t.Parallel()
	got, err := play(t, func(s *scene) error {
		s.is("wallet", 5, 4)
		s.then("- later:")
		s.is("held", 0, 0)
		return nil
	})
	want := "▸ pay\n  expected  wallet 5\n  seen      wallet 4\n  - later:\n  expected  held 0\n  seen      held 0\nFAIL"
	if !errors.Is(err, errDiffers) || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	if _, err := play(t, func(s *scene) error { s.fits("fee at most 1", "fee 2", false); return nil }); !errors.Is(err, errDiffers) {
		t.Errorf("a condition that does not hold: %v", err)
	}
}

func TestErrorFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("no node")
	got, err := play(t, func(s *scene) error { s.is("wallet", 5, 5); return broken })
	want := "▸ pay\n  expected  wallet 5\n  seen      wallet 5\n  seen      error: no node\nFAIL"
	if !errors.Is(err, broken) || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
}

// Invariant 2: a check of the books that fails, or no check at all, fails the step.
func TestBooksThatAreWrongFail(t *testing.T) {
	t.Parallel()
	for name, results := range map[string][]ledger.CheckResult{
		"one of two": {{Name: "zero sum", OK: true}, {Name: "holds", Detail: "one is open"}},
		"none":       nil,
	} {
		_, err := play(t, func(s *scene) error {
			s.Check = func(context.Context) ([]ledger.CheckResult, error) { return results, nil }
			return s.checkBooks(t.Context())
		})
		if !errors.Is(err, errDiffers) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Invariant 2: a refusal that leaves out the window, what remains or when it frees up is a difference.
func TestRefusalThatTellsTooLittleFails(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	told := func(message string, budget *payment.BudgetShortfall) ledger.Payment {
		return ledger.Payment{CreatedAt: began, Failure: &payment.Failure{Reason: payment.ReasonBudgetExceeded, Message: message, Budget: budget}}
	}
	short := payment.BudgetShortfall{Window: payment.Daily, Limit: limitSat, Spent: 4_000, Remaining: 6_000, Needed: 8_040, FreesAt: began.Add(time.Hour)}
	const whole = "The daily limit of this API key is 10,000 sat: 4,000 sat spent, 6,000 sat remaining. Enough frees up at 2026-03-01 13:00:00 UTC."
	for name, c := range map[string]struct {
		row ledger.Payment
		ok  bool
	}{
		"all of it":        {told(whole, &short), true},
		"no failure":       {ledger.Payment{}, false},
		"no budget":        {told(whole, nil), false},
		"no window":        {told(strings.Replace(whole, "daily", "some", 1), &short), false},
		"not what remains": {told(strings.Replace(whole, "6,000", "some", 1), &short), false},
		"not when":         {told(strings.Replace(whole, "13:00", "14:00", 1), &short), false},
		"never":            {told(whole, &payment.BudgetShortfall{Window: payment.Daily, Limit: limitSat, Spent: 4_000, Remaining: 6_000}), false},
	} {
		_, err := play(t, func(s *scene) error {
			s.spent = 4_000
			s.tellsShortfall(c.row)
			return nil
		})
		if ok := err == nil; ok != c.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

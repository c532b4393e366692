package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

const (
	stepWithin = 2 * time.Minute // no step needs more, on two slow cores
	askEvery   = 50 * time.Millisecond
)

// errDiffers is why a step fails that ran to its end.
var errDiffers = errors.New("what was seen is not what was expected")

// scene is the demo's own account of what should be, kept beside the ledger's.
type scene struct {
	Config
	account payment.AccountID
	wallet  payment.WalletID
	second  payment.WalletID
	key     payment.KeyID
	shown   []Shown

	balance payment.Msat // what the wallet should hold
	spent   payment.Sat  // what the key's daily budget should count

	phases []phase // of the step that plays
}

// phase is a part of a step, with what was expected and seen in it.
type phase struct {
	title string // empty for a step of one part
	facts []fact
}

// fact is one thing expected and seen.
type fact struct {
	expected, seen string
	ok             bool
}

// step plays one step under a deadline and prints it.
func (s *scene) step(ctx context.Context, title string, play func(context.Context) error) error {
	s.phases = []phase{{}}
	s.say("▸ %s", title)
	began := time.Now()
	stepCtx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	err := play(stepCtx)
	if err != nil && ctx.Err() == nil && stepCtx.Err() != nil {
		err = fmt.Errorf("not within %v: %w", stepWithin, err)
	}
	ok := s.print()
	verdict := "ok"
	switch {
	case err != nil:
		s.say("  seen      error: %v", err)
		verdict = "FAIL"
	case !ok:
		verdict, err = "FAIL", errDiffers
	}
	s.say("  %-8s  %.1f s", verdict, time.Since(began).Seconds())
	return err
}

// print tells what was expected and seen in each phase, and whether all of it agrees.
func (s *scene) print() (ok bool) {
	ok = true
	for _, phase := range s.phases {
		var expected, seen []string
		for _, f := range phase.facts {
			expected, seen = append(expected, f.expected), append(seen, f.seen)
			ok = ok && f.ok
		}
		if len(expected) == 0 {
			continue
		}
		if phase.title != "" {
			s.say("  %s", phase.title)
		}
		s.say("  expected  %s", strings.Join(expected, "; "))
		s.say("  seen      %s", strings.Join(seen, "; "))
	}
	return ok
}

// then begins a phase of the step.
func (s *scene) then(title string) { s.phases = append(s.phases, phase{title: title}) }

func (s *scene) note(f fact) {
	last := &s.phases[len(s.phases)-1]
	last.facts = append(last.facts, f)
}

func (s *scene) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.Out, format+"\n", args...) // a reader that is gone does not stop the demo
}

// is notes a fact that must be exactly as expected.
func (s *scene) is(name string, expected, seen any) {
	want, got := strings.TrimSpace(fmt.Sprintf("%s %v", name, expected)), strings.TrimSpace(fmt.Sprintf("%s %v", name, seen))
	s.note(fact{expected: want, seen: got, ok: want == got})
}

// fits notes a fact that must fulfill a condition told in words.
func (s *scene) fits(expected, seen string, ok bool) {
	s.note(fact{expected: expected, seen: seen, ok: ok})
}

// until asks until ok answers true or ctx ends.
func until(ctx context.Context, what string, ok func(context.Context) (bool, error)) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		done, err := ok(ctx)
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// awaitBalance waits until the wallet holds what it should, and notes what it holds.
func (s *scene) awaitBalance(ctx context.Context) error {
	var wallet ledger.Wallet
	err := until(ctx, "the credit arrives", func(ctx context.Context) (bool, error) {
		var err error
		wallet, err = s.Ledger.Wallet(ctx, s.wallet)
		return wallet.Balance >= s.balance, err
	})
	s.is("wallet", s.balance, wallet.Balance)
	return err
}

// await waits until the payment is in one of the states, or over.
func (s *scene) await(ctx context.Context, id payment.ID, state payment.State) (ledger.Payment, error) {
	var row ledger.Payment
	err := until(ctx, "the payment becomes "+string(state), func(ctx context.Context) (bool, error) {
		var err error
		row, err = s.Ledger.Payment(ctx, id)
		if payment.IsReason(err, payment.ReasonPaymentNotFound) {
			return false, nil // on its way to the ledger
		}
		return row.State == state || row.State.Terminal(), err
	})
	return row, err
}

// money notes that wallet and budget are what they should be, with so much held for payments in flight.
func (s *scene) money(ctx context.Context, held payment.Msat) error {
	wallet, err := s.Ledger.Wallet(ctx, s.wallet)
	if err != nil {
		return err
	}
	spending, err := s.Ledger.Spending(ctx, s.key)
	if err != nil {
		return err
	}
	s.is("wallet", s.balance, wallet.Balance)
	s.is("held", held, wallet.Held)
	s.is("budget spent today", s.spent+held.Ceil(), spending.Windows[0].Spent)
	return nil
}

// charge is the payment's cost, in the demo's own books.
func (s *scene) charge(row ledger.Payment) {
	cost := row.Amount + row.Fee
	s.balance -= cost
	s.spent += cost.Ceil()
}

// show remembers a payment for the links at the end.
func (s *scene) show(title string, id payment.ID) {
	s.shown = append(s.shown, Shown{Title: title, ID: id})
}

// state is a payment's state in words, with the reason where there is one.
func state(row ledger.Payment) string {
	if row.Failure != nil {
		return string(row.State) + " (" + string(row.Failure.Reason) + ")"
	}
	return string(row.State)
}

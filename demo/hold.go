package demo

import (
	"context"
	"errors"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// hold pays a hold invoice of the receiver and returns when the receiver holds it: wallet and budget are reserved.
func (s *scene) hold(ctx context.Context, title string, amount payment.Sat) (row ledger.Payment, hash string, err error) {
	invoice, hash, _, err := s.Net.Hold(ctx, receiver, int64(amount))
	if err != nil {
		return row, hash, err
	}
	if row, err = s.payBolt11(ctx, title, invoice); err != nil {
		return row, hash, err
	}
	if err := s.Net.AwaitHeld(ctx, receiver, hash); err != nil {
		return row, hash, err
	}
	if row, err = s.await(ctx, row.ID, payment.Pending); err != nil {
		return row, hash, err
	}
	s.then("- while " + receiver + " holds it:")
	s.is("", payment.Pending, state(row))
	if row.State != payment.Pending {
		return row, hash, errDiffers
	}
	return row, hash, s.money(ctx, row.Amount+row.FeeReserve)
}

func (s *scene) payAndCancel(ctx context.Context) error {
	row, hash, err := s.hold(ctx, "held, then canceled", canceledSat)
	if err != nil {
		return err
	}
	if err := s.Net.Cancel(ctx, receiver, hash); err != nil {
		return err
	}
	row, err = s.await(ctx, row.ID, payment.Failed)
	s.then("- after " + receiver + " has canceled it:")
	s.is("", "failed (REJECTED)", state(row))
	if err != nil {
		return err
	}
	return s.money(ctx, 0) // back to the sat
}

// worker is the process that serves the sagas, as `holdfast dev` names it.
const worker = "worker"

func (s *scene) payAndCrash(ctx context.Context) (err error) {
	row, hash, err := s.hold(ctx, "settled while the worker was dead", heldSat)
	if err != nil {
		return err
	}
	if err := s.Net.KillProcess(worker); err != nil {
		return err
	}
	defer func() { // whatever happens, leave the network as it was
		err = errors.Join(err, s.Net.StartProcess(context.WithoutCancel(ctx), worker))
	}()
	if err := s.Net.Settle(ctx, receiver, hash); err != nil {
		return err
	}
	if err := s.Net.AwaitSettled(ctx, receiver, hash); err != nil {
		return err
	}
	s.then("- the worker is dead, and " + receiver + " has the money:")
	dead, err := s.Ledger.Payment(ctx, row.ID)
	if err != nil {
		return err
	}
	s.is("", payment.Pending, state(dead))
	if err := s.money(ctx, row.Amount+row.FeeReserve); err != nil {
		return err
	}
	if err := s.Net.StartProcess(ctx, worker); err != nil {
		return err
	}
	row, err = s.await(ctx, row.ID, payment.Settled)
	s.then("- the worker is back:")
	s.is("", payment.Settled, state(row))
	if err != nil {
		return err
	}
	s.charge(row)
	if err := s.money(ctx, 0); err != nil {
		return err
	}
	timeline, err := s.Ledger.Timeline(ctx, row.ID)
	s.is("times settled", 1, count(timeline, payment.Settled))
	s.is("times sent", 1, row.Send.Attempt)
	return err
}

// count is how often the timeline enters a state.
func count(timeline []ledger.Event, state payment.State) int {
	times := 0
	for _, e := range timeline {
		if e.Name == string(state) {
			times++
		}
	}
	return times
}

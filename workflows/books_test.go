package workflows_test

import (
	"errors"
	"sync"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
)

// errAway is what a step returns while the database or a node cannot be reached.
var errAway = errors.New("away")

// books is one payment's row with the rules of ledger.Reserve, Transfer, BeginSend, Settle and Void.
type books struct {
	mu      sync.Mutex
	req     payment.Request
	state   payment.State // empty: no row
	attempt int
	failure *payment.Failure
	fee     payment.Msat
	txid    string

	refuses *payment.Failure   // what the next Reserve or Transfer answers
	away    map[string]int     // calls by step that find the database away
	calls   map[string]int     // calls by step, failed ones included
	meddle  func(name string)  // runs inside a call, after it has committed
	voided  []step.VoidInput   // every Void that arrived
	settled []step.SettleInput // every Settle that arrived

	impossible error // what a saga asked for and may not
}

func newBooks(req payment.Request) *books {
	return &books{req: req, away: map[string]int{}, calls: map[string]int{}}
}

// call runs one transaction.
func (b *books) call(name string, transaction func() error) (payment.Outcome, error) {
	b.mu.Lock()
	b.calls[name]++
	var err error
	if b.away[name] > 0 {
		b.away[name]--
		err = errAway
	} else {
		err = transaction()
		b.impossible = errors.Join(b.impossible, err)
	}
	outcome, meddle := b.outcome(), b.meddle
	b.mu.Unlock()
	if err == nil && meddle != nil {
		meddle(name)
	}
	return outcome, err
}

func (b *books) outcome() payment.Outcome {
	return payment.Outcome{ID: b.req.ID, State: b.state, Failure: b.failure, Amount: b.req.Amount, Fee: b.fee, TxID: b.txid}
}

func (b *books) reserve(payment.Request) (payment.Outcome, error) {
	return b.call(step.Reserve, func() error {
		b.admit(payment.Reserved)
		return nil
	})
}

func (b *books) transfer(payment.Request) (payment.Outcome, error) {
	return b.call(step.Transfer, func() error {
		b.admit(payment.Settled)
		return nil
	})
}

func (b *books) admit(as payment.State) {
	switch {
	case b.state != "":
	case b.refuses != nil:
		b.state, b.failure = payment.Refused, b.refuses
	default:
		b.state = as
	}
}

func (b *books) settle(in step.SettleInput) (payment.Outcome, error) {
	return b.call(step.Settle, func() error {
		b.settled = append(b.settled, in)
		switch b.state {
		case payment.Settled:
		case payment.Reserved, payment.Dispatched, payment.Pending:
			b.state, b.fee = payment.Settled, in.Fee
		default:
			return errors.New("what is " + string(b.state) + " cannot settle")
		}
		return nil
	})
}

func (b *books) void(in step.VoidInput) (payment.Outcome, error) {
	return b.call(step.Void, func() error {
		b.voided = append(b.voided, in)
		switch {
		case b.state == "" && in.Attempt != 0:
			return errors.New("sent and has no row")
		case b.state == "": // the tombstone
			b.state, b.failure = payment.Refused, &in.Failure
		case b.state == payment.Settled:
			return errors.New("what is settled cannot be voided")
		case b.state.Terminal(), b.attempt != in.Attempt:
		default:
			b.state, b.failure = payment.Failed, &in.Failure
		}
		return nil
	})
}

// fence is ledger.BeginSend.
func (b *books) fence() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == payment.Reserved || b.state == payment.Dispatched || b.state == payment.Pending {
		b.attempt++
		if b.state == payment.Reserved {
			b.state = payment.Dispatched
		}
	}
}

// pending is ledger.RecordPending.
func (b *books) pending() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == payment.Dispatched {
		b.state = payment.Pending
	}
}

// sign is ledger.RecordSigned.
func (b *books) sign(txid string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.txid = txid
}

// ended is what a step says about a row that is terminal.
func (b *books) ended() (word step.Word, terminal bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case !b.state.Terminal():
		return step.Word{}, false
	case b.state == payment.Settled:
		return step.Word{Status: step.Paid, Fee: b.fee, TxID: b.txid}, true
	default:
		return step.Word{Status: step.NotPaid, Failure: b.failure, Attempt: b.attempt}, true
	}
}

func (b *books) now() (payment.State, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, b.attempt
}

func (b *books) count(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.calls[name]
}

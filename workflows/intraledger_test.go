package workflows_test

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

func TestTransferBetweenWallets(t *testing.T) {
	s := newSaga(t, walletRequest())
	var told *reply
	s.at(0, func() { told = s.update(workflows.UpdateOutcome) })
	s.wantsEnd(s.run("Intraledger"), payment.Settled, "")
	wantReply(t, told, payment.Settled, time.Second)
	s.wantsInOrder("Transfer", "told outcome: settled")
	if len(s.seen.scheduled) != 0 {
		t.Errorf("regular activities %v: a transfer is one local activity", s.seen.scheduled)
	}
}

func TestTransferRefused(t *testing.T) {
	s := newSaga(t, walletRequest())
	s.books.refuses = refusal(payment.ReasonInsufficientBalance)
	s.wantsEnd(s.run("Intraledger"), payment.Refused, payment.ReasonInsufficientBalance)
	s.wants("Transfer")
}

// A transfer is one transaction: a cancel comes before it or after it, never between.
func TestTransferCancelled(t *testing.T) {
	for name, after := range map[string]time.Duration{"with the first task": 0, "while the ledger is away": 10 * time.Second} {
		t.Run(name, func(t *testing.T) {
			s := newSaga(t, walletRequest())
			s.books.away[step.Transfer] = 10
			s.at(after, s.cancel)
			s.wantsEnd(s.run("Intraledger"), payment.Settled, "")
			s.wants("Transfer")
		})
	}
}

// The invoice is made unpayable from outside before it is paid inside, and only once the money is held.
func TestOwnInvoice(t *testing.T) {
	s := newSaga(t, ownInvoiceRequest())
	s.closes(nil)
	out := s.run("Intraledger")
	s.wantsEnd(out, payment.Settled, "")
	if out.Fee != 0 {
		t.Errorf("fee %v", out.Fee)
	}
	s.wants("Reserve", "CloseInvoice", "Settle, fee 0 sat")
}

func TestOwnInvoiceRefusedAtReserve(t *testing.T) {
	s := newSaga(t, ownInvoiceRequest())
	s.books.refuses = refusal(payment.ReasonBudgetExceeded)
	s.wantsEnd(s.run("Intraledger"), payment.Refused, payment.ReasonBudgetExceeded)
	s.wants("Reserve") // the invoice stays payable
}

func TestOwnInvoicePaidFromOutsideBefore(t *testing.T) {
	for _, reason := range []payment.Reason{payment.ReasonAlreadyPaid, payment.ReasonInvoiceCanceled} {
		t.Run(string(reason), func(t *testing.T) {
			s := newSaga(t, ownInvoiceRequest())
			s.closes(refusal(reason))
			s.wantsEnd(s.run("Intraledger"), payment.Failed, reason)
			s.wants("Reserve", "CloseInvoice", "Void "+string(reason)+", attempt 0")
		})
	}
}

func TestOwnInvoiceCancelled(t *testing.T) {
	t.Run("while closing", func(t *testing.T) {
		s := newSaga(t, ownInvoiceRequest())
		s.closesAfter(s.cancel, nil)
		s.wantsEnd(s.run("Intraledger"), payment.Failed, payment.ReasonCanceled)
		s.wants("Reserve", "CloseInvoice", "cancel CloseInvoice", "Void CANCELED, attempt 0")
	})
	t.Run("while settling", func(t *testing.T) {
		s := newSaga(t, ownInvoiceRequest())
		s.closes(nil)
		s.books.away[step.Settle] = 20
		s.at(10*time.Second, s.cancel)
		s.wantsEnd(s.run("Intraledger"), payment.Settled, "")
		s.wants("Reserve", "CloseInvoice", "Settle, fee 0 sat")
	})
}

func TestOwnInvoiceAbandonedWhileClosing(t *testing.T) {
	s := newSaga(t, ownInvoiceRequest())
	var told *reply
	voided := make(chan struct{})
	s.books.meddle = func(name string) {
		if name == step.Void {
			close(voided)
		}
	}
	s.closesAfter(func() { told = s.update(workflows.UpdateAbandon); <-voided }, nil)
	s.wantsEnd(s.run("Intraledger"), payment.Failed, payment.ReasonAbandoned)
	wantReply(t, told, payment.Failed, time.Second)
	s.wantsInOrder("Reserve", "CloseInvoice", "Void ABANDONED, attempt 0")
}

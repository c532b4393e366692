package demo

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// invoiceLife is how long the invoices of the outside world can be paid.
const invoiceLife = time.Hour

func (s *scene) caller() starter.Caller {
	return starter.Caller{AccountID: s.account, KeyID: s.key, Door: payment.DoorGo}
}

func (s *scene) payBolt11(ctx context.Context, title, invoice string) (ledger.Payment, error) {
	row, err := s.Starter.PayInvoice(ctx, starter.PayInvoice{Caller: s.caller(), WalletID: s.wallet, Invoice: invoice, Memo: title})
	if err == nil {
		s.show(title, row.ID)
	}
	return row, err
}

func (s *scene) payInvoice(ctx context.Context) error {
	invoice, err := s.Net.Invoice(ctx, receiver, int64(invoiceSat), "demo", invoiceLife)
	if err != nil {
		return err
	}
	row, err := s.payBolt11(ctx, "an invoice", invoice)
	if err != nil {
		return err
	}
	return s.settles(ctx, row)
}

// settles waits for the end of a payment and notes that it is paid, and that wallet and budget are charged its cost.
func (s *scene) settles(ctx context.Context, row ledger.Payment) error {
	row, err := s.await(ctx, row.ID, payment.Settled)
	s.is("", payment.Settled, state(row))
	if err != nil {
		return err
	}
	s.fits(fmt.Sprintf("fee at most %v", row.FeeReserve), fmt.Sprintf("fee %v", row.Fee), row.Fee <= row.FeeReserve)
	s.charge(row)
	return s.money(ctx, 0)
}

func (s *scene) payOnchain(ctx context.Context) error {
	address, err := s.Net.NewAddress(ctx, receiver)
	if err != nil {
		return err
	}
	row, err := s.Starter.PayAddress(ctx, starter.PayAddress{
		Caller: s.caller(), WalletID: s.wallet, Address: address, Amount: onchainSat, Memo: "on-chain",
	})
	if err != nil {
		return err
	}
	s.show("on-chain", row.ID)
	if row, err = s.await(ctx, row.ID, payment.Pending); err != nil {
		return err
	}
	s.then("- before a block:")
	s.is("", payment.Pending, state(row))
	s.fits("a transaction is broadcast", "transaction "+row.TxID, row.TxID != "")
	if row.State != payment.Pending {
		return nil
	}
	if err := s.money(ctx, row.Amount+row.FeeReserve); err != nil {
		return err
	}
	if err := s.Net.Mine(ctx, 1); err != nil {
		return err
	}
	s.then("- after a block:")
	return s.settles(ctx, row)
}

func (s *scene) payWallet(ctx context.Context) error {
	row, err := s.Starter.PayWallet(ctx, starter.PayWallet{
		Caller: s.caller(), WalletID: s.wallet, RecipientID: s.second, Amount: walletSat.MustMsat(), Memo: "to my savings",
	})
	if err != nil {
		return err
	}
	s.show("another wallet", row.ID)
	if err := s.settles(ctx, row); err != nil {
		return err
	}
	second, err := s.Ledger.Wallet(ctx, s.second)
	s.is("the other wallet", walletSat.MustMsat(), second.Balance)
	return err
}

// exceedBudget expects a refusal that says which window, what remains, and when enough frees up.
func (s *scene) exceedBudget(ctx context.Context) error {
	invoice, err := s.Net.Invoice(ctx, receiver, int64(tooMuchSat), "demo", invoiceLife)
	if err != nil {
		return err
	}
	row, err := s.payBolt11(ctx, "over the budget", invoice)
	if err != nil {
		return err
	}
	row, err = s.await(ctx, row.ID, payment.Refused)
	s.is("", "refused (BUDGET_EXCEEDED)", state(row))
	if err != nil {
		return err
	}
	s.tellsShortfall(row)
	return s.money(ctx, 0)
}

// tellsShortfall notes what the refusal says: to programs field by field, and the same to people.
func (s *scene) tellsShortfall(row ledger.Payment) {
	if row.Failure == nil || row.Failure.Budget == nil {
		s.fits("the refusal tells the budget", "it tells nothing of a budget", false)
		return
	}
	short := *row.Failure.Budget
	s.is("window", payment.Daily, short.Window)
	s.is("limit", limitSat, short.Limit)
	s.is("spent", s.spent, short.Spent)
	s.is("remaining", limitSat-s.spent, short.Remaining)
	day := payment.Daily.Duration()
	ahead := short.FreesAt.Sub(row.CreatedAt)
	s.fits("frees up within a day", "frees up at "+short.FreesAt.Local().Format("2006-01-02 15:04:05 MST"), ahead > 0 && ahead <= day)
	says := row.Failure.Message
	names := strings.Contains(says, string(short.Window)) && strings.Contains(says, short.Remaining.String()+" remaining") &&
		strings.Contains(says, short.FreesAt.UTC().Format("2006-01-02 15:04:05 MST"))
	s.fits("the message names window, remaining and time", fmt.Sprintf("the message %q", says), names)
}

package demo

import (
	"context"
	"crypto/rand"

	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

func (s *scene) openWallets(ctx context.Context) error {
	for _, open := range []struct {
		name string
		id   *payment.WalletID
	}{{"demo", &s.wallet}, {"demo, savings", &s.second}} {
		wallet, err := s.Ledger.OpenWallet(ctx, ledger.Wallet{ID: payment.NewID(), AccountID: s.account, Name: open.name, Currency: payment.BTC})
		if err != nil {
			return err
		}
		*open.id = wallet.ID
		s.is("wallet "+wallet.ID.String(), payment.Msat(0), wallet.Balance)
	}
	return nil
}

func (s *scene) receiveOnchain(ctx context.Context) error {
	address, err := s.Starter.CreateAddress(ctx, s.account, s.wallet)
	if err != nil {
		return err
	}
	if _, err := s.Net.Send(ctx, receiver, address, int64(depositSat)); err != nil {
		return err
	}
	if err := s.Net.Mine(ctx, 1); err != nil {
		return err
	}
	s.balance += depositSat.MustMsat()
	return s.awaitBalance(ctx)
}

func (s *scene) receiveLightning(ctx context.Context) error {
	invoice, err := s.Starter.CreateInvoice(ctx, starter.ReceiveInvoice{
		AccountID: s.account, WalletID: s.wallet, Amount: receiveSat.MustMsat(), Memo: "demo",
	})
	if err != nil {
		return err
	}
	if _, err := s.Net.Pay(ctx, receiver, invoice.Request, 0); err != nil {
		return err
	}
	s.balance += receiveSat.MustMsat()
	if err := s.awaitBalance(ctx); err != nil {
		return err
	}
	row, err := s.Ledger.Invoice(ctx, invoice.Hash)
	s.is("invoice", ledger.InvoicePaid, row.State)
	return err
}

func (s *scene) createKey(ctx context.Context) error {
	secret, err := identity.NewSecret("demo", rand.Reader)
	if err != nil {
		return err
	}
	key, err := s.Ledger.CreateKey(ctx, ledger.Key{ID: payment.NewID(), AccountID: s.account, Name: "demo"}, identity.Hash(secret))
	if err != nil {
		return err
	}
	s.key = key.ID
	if err := s.Ledger.SetLimit(ctx, s.account, s.key, payment.Daily, limitSat); err != nil {
		return err
	}
	spending, err := s.Ledger.Spending(ctx, s.key)
	if err != nil {
		return err
	}
	daily := spending.Windows[0]
	s.is("daily limit", limitSat, daily.Limit)
	s.is("spent", payment.Sat(0), daily.Spent)
	s.is("remaining", limitSat, daily.Remaining)
	found, err := s.Ledger.KeyBySecret(ctx, identity.Hash(secret))
	s.fits("its secret finds it", "its secret finds "+found.Name, found.ID == s.key)
	return err
}

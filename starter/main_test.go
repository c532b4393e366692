package starter

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/payment/paymenttest"
)

func TestMain(m *testing.M) { ledgertest.Main(m) }

const (
	bank = "bank"
	sat  = payment.Msat(1000)
)

// door is a starter on a real ledger and without Temporal: what it refuses, it refuses before.
type door struct {
	t      testing.TB
	s      *Starter
	ledger *ledger.Ledger
	peer   *lndfake.Node // somebody outside who makes invoices
	wallet ledger.Wallet
	key    ledger.Key
}

func newDoor(t testing.TB) *door {
	t.Helper()
	books := ledgertest.New(t, ledger.WithMaxConns(4))
	d := &door{
		t: t, ledger: books, peer: lndfake.New().AddNode("peer"), wallet: ledgertest.Funded(t, books, 1_000_000*sat),
		s: New(nil, books, DefaultConfig(lndclient.Regtest, []string{bank, "spare"}), slog.New(slog.DiscardHandler)),
	}
	d.key = ledgertest.NewKey(t, books, d.wallet.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000})
	return d
}

func (d *door) caller(idempotencyKey string) Caller {
	return Caller{AccountID: d.wallet.AccountID, KeyID: d.key.ID, Door: payment.DoorGo, IdempotencyKey: idempotencyKey}
}

func (d *door) invoice(bolt11 string) PayInvoice {
	return PayInvoice{Caller: d.caller(""), WalletID: d.wallet.ID, Invoice: bolt11}
}

func (d *door) address(address string, amount payment.Sat) PayAddress {
	return PayAddress{Caller: d.caller(""), WalletID: d.wallet.ID, Address: address, Amount: amount}
}

// ownInvoice is an invoice of a wallet of ours, as the node and the ledger have it.
func (d *door) ownInvoice(w ledger.Wallet, amount payment.Sat) lndfake.MadeInvoice {
	d.t.Helper()
	made := d.peer.MakeInvoice(amount)
	err := d.ledger.AddInvoice(context.Background(), ledger.Invoice{
		Hash: made.Hash, WalletID: w.ID, AccountID: w.AccountID, Node: "spare", Request: made.Request, Amount: made.Amount,
		ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return made
}

func (d *door) ownAddress(w ledger.Wallet) string {
	d.t.Helper()
	address := lndfake.OutsideAddress()
	err := d.ledger.AddAddress(context.Background(), ledger.Address{Address: address, WalletID: w.ID, AccountID: w.AccountID, Node: "spare"})
	if err != nil {
		d.t.Fatal(err)
	}
	return address
}

func (d *door) otherWallet() ledger.Wallet {
	d.t.Helper()
	return ledgertest.Funded(d.t, d.ledger, 5*sat)
}

// untouched checks that nothing at all has changed: no payment, no hold, no spend.
func (d *door) untouched() {
	d.t.Helper()
	ctx := context.Background()
	rows, err := d.ledger.Payments(ctx, ledger.Filter{})
	w, walletErr := d.ledger.Wallet(ctx, d.wallet.ID)
	spent, spentErr := d.ledger.Spending(ctx, d.key.ID)
	if err != nil || walletErr != nil || spentErr != nil || len(rows) != 0 || w.Balance != 1_000_000*sat || w.Held != 0 ||
		spent.Windows[0].Spent != 0 || spent.Reserved != 0 {
		d.t.Fatalf("something changed: %d payments, %+v, %+v (%v, %v, %v)", len(rows), w, spent, err, walletErr, spentErr)
	}
}

// wantRefusal checks reason and message of an error for the user.
func wantRefusal(t testing.TB, err error, want payment.Reason) {
	t.Helper()
	if payment.ReasonOf(err) != want {
		t.Fatalf("got %v, want %s", err, want)
	}
	coded, ok := err.(*payment.Error) //nolint:errorlint // what the door answers is not wrapped
	if !ok {
		t.Fatalf("%v has no message for the user", err)
	}
	if lack := paymenttest.Lacks(coded.Message); lack != "" {
		t.Fatalf("%q: %s", coded.Message, lack)
	}
}

func newUUID() uuid.UUID { return uuid.New() }

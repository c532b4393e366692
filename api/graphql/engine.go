package graphqlapi

import (
	"context"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
)

// payer is what the payment mutations lead to: the starter, and until it pays dollars and LNURLs, a refusal.
type payer interface {
	PayInvoice(ctx context.Context, ask starter.PayInvoice) (ledger.Payment, error)
	PayAddress(ctx context.Context, ask starter.PayAddress) (ledger.Payment, error)
	PayWallet(ctx context.Context, ask starter.PayWallet) (ledger.Payment, error)
	PayDollars(ctx context.Context, ask payDollars) (ledger.Payment, error)
	PayLnurl(ctx context.Context, ask payLnurl) (ledger.Payment, error)
}

// payDollars asks for a payment from a USD wallet: to a wallet, an invoice or an address.
type payDollars struct {
	starter.Caller
	WalletID    payment.WalletID
	RecipientID payment.WalletID
	Invoice     string
	Address     string
	Cents       payment.Cents // or
	Amount      payment.Msat
	Speed       payment.Speed
	Memo        string
}

// payLnurl asks to pay an LNURL-pay code or a lightning address.
type payLnurl struct {
	starter.Caller
	WalletID payment.WalletID
	Amount   payment.Sat
	Lnurl    string
	Address  string
}

// engine is the payer in service.
type engine struct{ *starter.Starter }

// PayDollars has no engine yet.
func (engine) PayDollars(context.Context, payDollars) (ledger.Payment, error) {
	return ledger.Payment{}, noDollars()
}

// PayLnurl has no engine yet.
func (engine) PayLnurl(context.Context, payLnurl) (ledger.Payment, error) {
	return ledger.Payment{}, payment.Errorf(payment.ReasonLnurl,
		"This service does not pay LNURLs and lightning addresses yet. Ask the receiver for an invoice.")
}

func noDollars() *payment.Error {
	return payment.Errorf(payment.ReasonNoPrice, "There is no price for dollars at the moment, so nothing can be paid or received in them. Use a BTC wallet.")
}

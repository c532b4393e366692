package starter

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// ReceiveInvoice asks for an invoice that credits a wallet.
type ReceiveInvoice struct {
	AccountID payment.AccountID
	WalletID  payment.WalletID
	Amount    payment.Msat // 0: any amount
	Memo      string
	Expiry    time.Duration // 0: 4 hours; at least a minute, at most a day
}

// CreateInvoice makes an invoice on our node. Whoever pays it credits the wallet, exactly once.
func (s *Starter) CreateInvoice(ctx context.Context, ask ReceiveInvoice) (step.Invoice, error) {
	if ask.Expiry == 0 {
		ask.Expiry = 4 * time.Hour
	}
	switch {
	case ask.Amount < 0, ask.Amount > payment.MaxSat.MustMsat():
		return step.Invoice{}, payment.Errorf(payment.ReasonInvalidAmount, "The amount must be zero, for any, up to %v.", payment.MaxSat)
	case ask.Expiry < time.Minute || ask.Expiry > 24*time.Hour:
		return step.Invoice{}, payment.Errorf(payment.ReasonInvalidInput, "An invoice lives from one minute to one day.")
	case !storable(ask.Memo, maxMemo):
		return step.Invoice{}, badMemo()
	}
	node, err := s.ownWallet(ctx, ask.AccountID, ask.WalletID)
	if err != nil {
		return step.Invoice{}, err
	}
	in := step.InvoiceInput{WalletID: ask.WalletID, AccountID: ask.AccountID, Node: node, Amount: ask.Amount, Memo: ask.Memo, Expiry: ask.Expiry}
	var invoice step.Invoice
	err = s.receive(ctx, "invoice-", workflows.CreateInvoice, in, &invoice)
	return invoice, err
}

// CreateAddress makes an on-chain address on our node. It belongs to the wallet for ever.
func (s *Starter) CreateAddress(ctx context.Context, account payment.AccountID, wallet payment.WalletID) (string, error) {
	node, err := s.ownWallet(ctx, account, wallet)
	if err != nil {
		return "", err
	}
	var address string
	err = s.receive(ctx, "address-", workflows.CreateAddress, step.AddressInput{WalletID: wallet, AccountID: account, Node: node}, &address)
	return address, err
}

func (s *Starter) ownWallet(ctx context.Context, account payment.AccountID, id payment.WalletID) (node string, err error) {
	wallet, err := s.ledger.Wallet(ctx, id)
	if err == nil && wallet.AccountID != account {
		err = payment.Errorf(payment.ReasonWalletNotFound, "There is no wallet %s in this account.", id)
	}
	if err != nil {
		return "", err
	}
	return s.node()
}

func (s *Starter) receive(ctx context.Context, prefix string, workflow, in, out any) error {
	run, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: prefix + payment.NewID().String(), TaskQueue: workflows.PaymentsQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
	}, workflow, in)
	if err == nil {
		err = run.Get(ctx, out)
	}
	if _, failed := errors.AsType[*temporal.WorkflowExecutionError](err); failed {
		return payment.Errorf(payment.ReasonNodeOffline, "Our node is not reachable at the moment. Try again later.").Because(err)
	}
	if err != nil {
		return payment.Errorf(payment.ReasonUnavailable, "The payment service is not reachable. Try again later.").Because(err)
	}
	return nil
}

package starter

import (
	"context"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/ledger"
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
	// DescriptionHash stands in the invoice instead of the memo: the SHA-256 of a longer description.
	DescriptionHash *[32]byte
	// ExternalID is the asker's own name for the invoice: 1 to 100 letters, digits, _ and -. The owner's are unique per
	// account. Empty: the payment hash.
	ExternalID string
	// OnBehalf: somebody who is not the owner asks for an invoice of the wallet; AccountID is not looked at.
	OnBehalf bool
	// WebhookURL is told when the invoice is paid; whoever calls has checked it. Empty: nobody is told.
	WebhookURL string
}

// CreateInvoice makes an invoice on our node. Whoever pays it credits the wallet, exactly once.
//
// Errors: ReasonInvalidAmount, ReasonInvalidInput, ReasonWalletNotFound, ReasonNodeNotFound, ReasonNodeOffline, ReasonUnavailable.
func (s *Starter) CreateInvoice(ctx context.Context, ask ReceiveInvoice) (step.Invoice, error) {
	if ask.Expiry == 0 {
		ask.Expiry = 4 * time.Hour
	}
	switch {
	case ask.Amount < 0, ask.Amount > payment.MaxSat.MustMsat():
		return step.Invoice{}, payment.Errorf(payment.ReasonInvalidAmount, "The amount must be zero, for any, up to %v.", payment.MaxSat)
	case ask.Expiry < time.Minute || ask.Expiry > 24*time.Hour:
		return step.Invoice{}, payment.Errorf(payment.ReasonInvalidInput, "An invoice must live from one minute to one day.")
	case !storable(ask.Memo, maxMemo):
		return step.Invoice{}, badMemo()
	}
	wallet, err := s.ledger.Wallet(ctx, ask.WalletID)
	if err == nil && !ask.OnBehalf && wallet.AccountID != ask.AccountID {
		err = noWallet(ask.WalletID)
	}
	if err == nil {
		err = wallet.CanReceive()
	}
	if err != nil {
		return step.Invoice{}, err
	}
	if err := s.externalIDFree(ctx, wallet.AccountID, ask); err != nil {
		return step.Invoice{}, err
	}
	node, err := s.node()
	if err != nil {
		return step.Invoice{}, err
	}
	in := step.InvoiceInput{
		WalletID: wallet.ID, AccountID: wallet.AccountID, Node: node, Amount: ask.Amount, Memo: ask.Memo, Expiry: ask.Expiry,
		ExternalID: ask.ExternalID, OnBehalf: ask.OnBehalf, WebhookURL: ask.WebhookURL,
	}
	if ask.DescriptionHash != nil {
		in.DescriptionHash = *ask.DescriptionHash
	}
	var invoice step.Invoice
	err = s.askNode(ctx, "invoice-", workflows.CreateInvoice, in, &invoice)
	if err == nil && invoice.Failure != nil {
		err = &payment.Error{Failure: *invoice.Failure}
	}
	return invoice, err
}

// externalIDFree refuses a malformed id, and one that the owner has given to another invoice. What others ask for in his name
// has names of its own, or a stranger could learn and take his.
func (s *Starter) externalIDFree(ctx context.Context, account payment.AccountID, ask ReceiveInvoice) error {
	id := ask.ExternalID
	if id == "" {
		return nil
	}
	if !ledger.ValidExternalID(id) {
		return payment.Errorf(payment.ReasonInvalidInput, "Make the external id of 1 to 100 letters, digits, _ and -.")
	}
	if ask.OnBehalf {
		return nil
	}
	_, err := s.ledger.InvoiceByExternalID(ctx, account, id)
	switch {
	case payment.IsReason(err, payment.ReasonNotFound):
		return nil
	case err != nil:
		return err
	}
	return payment.Errorf(payment.ReasonInvalidInput, "This account has an invoice with the external id %q already. Use another one.", id)
}

// CreateAddress makes an on-chain address on our node. It belongs to the wallet for ever.
// Errors: ReasonWalletNotFound, ReasonNodeNotFound, ReasonNodeOffline, ReasonUnavailable.
func (s *Starter) CreateAddress(ctx context.Context, account payment.AccountID, wallet payment.WalletID) (string, error) {
	if err := s.receiver(ctx, account, wallet); err != nil {
		return "", err
	}
	node, err := s.node()
	if err != nil {
		return "", err
	}
	var address string
	err = s.askNode(ctx, "address-", workflows.CreateAddress, step.AddressInput{WalletID: wallet, AccountID: account, Node: node}, &address)
	return address, err
}

func (s *Starter) ownWallet(ctx context.Context, account payment.AccountID, id payment.WalletID) (ledger.Wallet, error) {
	wallet, err := s.ledger.Wallet(ctx, id)
	if err == nil && wallet.AccountID != account {
		err = noWallet(id)
	}
	return wallet, err
}

// receiver checks a wallet that is to receive.
func (s *Starter) receiver(ctx context.Context, account payment.AccountID, id payment.WalletID) error {
	wallet, err := s.ownWallet(ctx, account, id)
	if err != nil {
		return err
	}
	return wallet.CanReceive()
}

func noWallet(id payment.WalletID) *payment.Error {
	return payment.Errorf(payment.ReasonWalletNotFound, "There is no wallet %s in this account. Check its id.", id)
}

// askPatience is how long a caller waits for a node's answer. The step gives up before that, so this is for the case that no
// worker serves the workflow itself.
const askPatience = 8 * time.Second

// askNode runs a short workflow that asks a node something, and waits for the answer. No money moves in it.
func (s *Starter) askNode(ctx context.Context, prefix string, workflow, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	run, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: prefix + payment.NewID().String(), TaskQueue: workflows.PaymentsQueue,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowRunTimeout:    askPatience, // nobody waits for it any longer
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

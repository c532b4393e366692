package ledger

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/ledger/internal/db"
	"github.com/holdfast-pay/holdfast/payment"
)

func noInvoice() *payment.Error {
	return payment.Errorf(payment.ReasonNotFound, "There is no invoice of ours with this payment hash. Check it.")
}

func noAddress() *payment.Error {
	return payment.Errorf(payment.ReasonNotFound, "This is no address of ours. Check it.")
}

// AddInvoice records an open invoice, before anybody sees it. A known hash stays as it is. Errors: ReasonInvalidInput if
// the account has another invoice with this external id, if the id is not made of 1 to 100 letters, digits, _ and -, or if
// the wallet holds no bitcoin.
func (l *Ledger) AddInvoice(ctx context.Context, inv Invoice) error {
	if inv.ExternalID == "" {
		inv.ExternalID = inv.Hash.String()
	}
	if !ValidExternalID(inv.ExternalID) {
		return payment.Errorf(payment.ReasonInvalidInput, "Make the external id of 1 to 100 letters, digits, _ and -.")
	}
	err := l.q.AddInvoice(ctx, db.AddInvoiceParams{
		Hash: inv.Hash[:], WalletID: inv.WalletID, AccountID: inv.AccountID, Node: inv.Node, Request: inv.Request,
		Amount: int64(inv.Amount), Memo: inv.Memo, DescriptionHash: inv.DescriptionHash, ExternalID: inv.ExternalID, OnBehalf: inv.OnBehalf,
		PaymentSecret: inv.PaymentSecret, WebhookUrl: orNull(inv.WebhookURL), Given: l.given(), ExpiresAt: inv.ExpiresAt,
	})
	if violates(err, "invoices_external_id") {
		return payment.Errorf(payment.ReasonInvalidInput, "This account has an invoice with the external id %q already. Use another one.", inv.ExternalID).Because(err)
	}
	return coded(err)
}

// ValidExternalID reports whether a text can name an invoice: 1 to 100 letters, digits, _ and -.
func ValidExternalID(id string) bool {
	strange := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}
	return id != "" && len(id) <= 100 && !strings.ContainsFunc(id, strange)
}

// Invoice reads one of ours. Errors: ReasonNotFound.
func (l *Ledger) Invoice(ctx context.Context, hash payment.Hash) (Invoice, error) {
	row, err := l.q.Invoice(ctx, hash[:])
	return invoiceOf(row), found(err, noInvoice())
}

// InvoiceByExternalID reads the account's own invoice that has this external id. Errors: ReasonNotFound.
func (l *Ledger) InvoiceByExternalID(ctx context.Context, account payment.AccountID, id string) (Invoice, error) {
	row, err := l.q.InvoiceByExternalID(ctx, db.InvoiceByExternalIDParams{AccountID: account, ExternalID: id})
	return invoiceOf(row), found(err, noInvoice())
}

// CancelInvoice closes an open invoice; a canceled one is no error. Errors: ReasonNotFound, ReasonAlreadyPaid, and
// ReasonConflict while a payment inside the ledger has it.
func (l *Ledger) CancelInvoice(ctx context.Context, hash payment.Hash) error {
	state, err := l.q.CancelInvoice(ctx, hash[:])
	switch {
	case err != nil:
		return coded(err)
	case state == "":
		return noInvoice()
	case state == "paying":
		return payment.Errorf(payment.ReasonConflict, "Another wallet is paying this invoice at this moment. Look at it again in a moment.")
	case state == string(InvoicePaid):
		return payment.Errorf(payment.ReasonAlreadyPaid, "Invoice is already paid.")
	}
	l.announceInvoice(ctx, hash)
	return nil
}

// RecordInvoicePreimage keeps the proof of payment of an invoice that nobody can pay any more over lightning: it has settled,
// or was canceled before it is paid inside the ledger. It is shown only once the invoice is paid. An invoice that is none of
// ours is no error. Errors: ReasonInternal if it is not the preimage of the hash.
func (l *Ledger) RecordInvoicePreimage(ctx context.Context, hash payment.Hash, preimage [32]byte) error {
	return coded(l.q.RecordInvoicePreimage(ctx, db.RecordInvoicePreimageParams{Hash: hash[:], Preimage: preimage[:]}))
}

// CreditInvoice is rule 10: it credits the invoice's wallet with what LND received (msat), once, and moves the node's
// cursor to settleIndex, in one transaction. False if it was credited before or is none of ours; the cursor moves anyway.
func (l *Ledger) CreditInvoice(ctx context.Context, node string, hash payment.Hash, received payment.Msat, settleIndex uint64) (bool, error) {
	credited, err := l.q.CreditInvoice(ctx, db.CreditInvoiceParams{
		Node: node, Hash: hash[:], Received: int64(received), SettleIndex: int64(settleIndex), Given: l.given(),
	})
	if credited {
		l.announceInvoice(ctx, hash)
	}
	return credited, coded(err)
}

// AddAddress records whose wallet an address credits, before anybody sees it. A known address keeps its owner:
// ReasonInvalidAddress if that is another wallet; ReasonInvalidInput if the wallet holds no bitcoin.
func (l *Ledger) AddAddress(ctx context.Context, a Address) error {
	err := l.q.AddAddress(ctx, db.AddAddressParams{
		Address: a.Address, WalletID: a.WalletID, AccountID: a.AccountID, Node: a.Node, Given: l.given(),
	})
	if err != nil {
		return coded(err)
	}
	owner, err := l.AddressOwner(ctx, a.Address)
	if err == nil && owner.WalletID != a.WalletID {
		return payment.Errorf(payment.ReasonInvalidAddress, "This address belongs to another wallet. Create a new one.")
	}
	return err
}

// AddressOwner reads whose an address is. Errors: ReasonNotFound.
func (l *Ledger) AddressOwner(ctx context.Context, address string) (Address, error) {
	row, err := l.q.AddressOwner(ctx, address)
	return addressOf(row), found(err, noAddress())
}

// UnusedAddress reads the wallet's newest address, if nothing was ever received there. Errors: ReasonNotFound.
func (l *Ledger) UnusedAddress(ctx context.Context, wallet payment.WalletID) (Address, error) {
	row, err := l.q.UnusedAddress(ctx, wallet)
	return addressOf(row), found(err, noAddress())
}

// SeeDeposit notes an output to an address of ours that has not confirmed yet. It credits nothing.
func (l *Ledger) SeeDeposit(ctx context.Context, node string, d Deposit) error {
	_, err := l.q.RecordDeposit(ctx, depositParams(node, d, false, l.given()))
	l.announceDeposit(ctx, d.Address)
	return coded(err)
}

// CreditDeposit credits the owner of the address, once per outpoint. False if it was credited before or the address is
// none of ours.
func (l *Ledger) CreditDeposit(ctx context.Context, node string, d Deposit) (bool, error) {
	credited, err := l.q.RecordDeposit(ctx, depositParams(node, d, true, l.given()))
	if credited {
		l.announceDeposit(ctx, d.Address)
	}
	return credited, coded(err)
}

func depositParams(node string, d Deposit, credit bool, given *time.Time) db.RecordDepositParams {
	return db.RecordDepositParams{
		Node: node, Txid: d.TxID, Vout: int64(d.Vout), Address: d.Address, Sat: int64(d.Amount), Height: d.BlockHeight, Credit: credit, Given: given,
	}
}

// AwaitedDeposits lists the transactions of a node's deposits that are seen, not credited, and not gone.
func (l *Ledger) AwaitedDeposits(ctx context.Context, node string) (txids []string, err error) {
	txids, err = l.q.AwaitedDeposits(ctx, node)
	return txids, coded(err)
}

// DepositGone notes that a node knows nothing of a transaction any more, because its sender has replaced it: what was not
// credited is no longer awaited. Seen again, it is.
func (l *Ledger) DepositGone(ctx context.Context, node, txid string) error {
	return coded(l.q.DepositGone(ctx, db.DepositGoneParams{Node: node, Txid: txid, Given: l.given()}))
}

// AdvanceBlocks says that every deposit confirmed up to height is credited: call it after the last of them. It never goes back.
func (l *Ledger) AdvanceBlocks(ctx context.Context, node string, height int32) error {
	return coded(l.q.AdvanceBlocks(ctx, db.AdvanceBlocksParams{Node: node, BlockHeight: height}))
}

// Cursors reads how far a node's receives are credited; zero for a node never read.
func (l *Ledger) Cursors(ctx context.Context, node string) (Cursors, error) {
	row, err := l.q.Cursors(ctx, node)
	if isNoRows(err) {
		return Cursors{}, nil
	}
	return Cursors{SettleIndex: uint64(row.SettleIndex), BlockHeight: row.BlockHeight}, coded(err)
}

// InvoicesPaidSince lists a node's invoices that were credited over lightning at or after a time, oldest first.
func (l *Ledger) InvoicesPaidSince(ctx context.Context, node string, since time.Time) ([]Invoice, error) {
	rows, err := l.q.CreditedInvoicesSince(ctx, db.CreditedInvoicesSinceParams{Node: node, Since: since})
	out := make([]Invoice, len(rows))
	for i, row := range rows {
		out[i] = invoiceOf(row)
	}
	return out, coded(err)
}

// InvoicesOpenSince lists a node's invoices that were made at or after a time and are neither paid nor canceled, oldest first.
func (l *Ledger) InvoicesOpenSince(ctx context.Context, node string, since time.Time) ([]Invoice, error) {
	rows, err := l.q.OpenInvoicesSince(ctx, db.OpenInvoicesSinceParams{Node: node, Since: since})
	out := make([]Invoice, len(rows))
	for i, row := range rows {
		out[i] = invoiceOf(row)
	}
	return out, coded(err)
}

// MissedDeposits picks, from outputs that a node says have confirmed, those that pay an address of its wallets and are not
// credited.
func (l *Ledger) MissedDeposits(ctx context.Context, node string, outputs []Deposit) ([]Deposit, error) {
	ask := db.MissedDepositsParams{Node: node}
	for _, d := range outputs {
		ask.Txids, ask.Vouts, ask.Addresses = append(ask.Txids, d.TxID), append(ask.Vouts, int64(d.Vout)), append(ask.Addresses, d.Address)
	}
	places, err := l.q.MissedDeposits(ctx, ask)
	missed := make([]Deposit, len(places))
	for i, place := range places {
		missed[i] = outputs[place-1]
	}
	return missed, coded(err)
}

// DepositsCreditedSince lists a node's deposits that were credited at or after a time, oldest first.
func (l *Ledger) DepositsCreditedSince(ctx context.Context, node string, since time.Time) ([]Deposit, error) {
	rows, err := l.q.CreditedDepositsSince(ctx, db.CreditedDepositsSinceParams{Node: node, Since: since})
	out := make([]Deposit, len(rows))
	for i, row := range rows {
		out[i] = depositOf(row)
	}
	return out, coded(err)
}

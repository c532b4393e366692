package callback

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Message is the body of a POST. Names and forms are those that clients of this API know from its callbacks.
type Message struct {
	AccountID   string      `json:"accountId,omitempty"` // not in the webhook of an invoice: who asked for it does not know the account
	EventType   string      `json:"eventType"`
	WalletID    string      `json:"walletId"`
	Transaction Transaction `json:"transaction"`
}

// Transaction is the API's Transaction as it is final. Amounts are whole units of the currency, satoshi or cents.
type Transaction struct {
	ID                 string  `json:"id"`
	ExternalID         *string `json:"externalId"`
	WalletID           string  `json:"walletId"`
	Status             string  `json:"status"`    // success, or failure of a payment that was sent
	Direction          string  `json:"direction"` // send or receive
	SettlementAmount   int64   `json:"settlementAmount"`
	SettlementFee      int64   `json:"settlementFee"`
	SettlementCurrency string  `json:"settlementCurrency"`
	Memo               *string `json:"memo"`
	InitiationVia      Via     `json:"initiationVia"`
	SettlementVia      Via     `json:"settlementVia"`
	CreatedAt          string  `json:"createdAt"` // ISO 8601, UTC
}

// Via is how it was initiated, or how it settled.
type Via struct {
	Type                 string  `json:"type"` // lightning, onchain or intraledger
	PaymentHash          string  `json:"paymentHash,omitempty"`
	Address              string  `json:"address,omitempty"`
	TransactionHash      string  `json:"transactionHash,omitempty"`
	Vout                 *uint32 `json:"vout,omitempty"`
	CounterPartyWalletID string  `json:"counterPartyWalletId,omitempty"`
}

// Compose writes the message of a delivery about its transaction.
func Compose(d ledger.Delivery, t ledger.Transaction) ([]byte, error) {
	amount, fee := int64(t.Amount), int64(t.Fee) // a wallet in dollars counts cents
	if t.Currency != payment.USD {
		amount, fee = int64(t.Amount.Floor()), int64(t.Fee.Ceil()) // as the API shows them
	}
	m := Message{
		EventType: d.Event, WalletID: t.WalletID.String(),
		Transaction: Transaction{
			ID: t.ID.String(), ExternalID: orNull(t.ExternalID), WalletID: t.WalletID.String(), Status: string(t.Status), Direction: string(t.Direction),
			SettlementAmount: amount, SettlementFee: fee, SettlementCurrency: string(t.Currency), Memo: orNull(t.Memo),
			InitiationVia: initiation(t.Initiation), SettlementVia: settlement(t.Settlement),
			CreatedAt: t.CreatedAt.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		},
	}
	if d.EndpointID != uuid.Nil {
		m.AccountID = d.AccountID.String()
	} else { // who asked for an invoice is told that it was paid, not by whom
		m.Transaction.InitiationVia.CounterPartyWalletID, m.Transaction.SettlementVia.CounterPartyWalletID = "", ""
	}
	return json.Marshal(m)
}

func initiation(i ledger.Initiation) Via {
	via := Via{Type: string(i.Kind), Address: i.Address, CounterPartyWalletID: walletText(i.CounterpartyWalletID)}
	if !i.PaymentHash.IsZero() {
		via.PaymentHash = i.PaymentHash.String()
	}
	return via
}

func settlement(s ledger.Settlement) Via {
	return Via{Type: string(s.Kind), TransactionHash: s.TxID, Vout: s.Vout, CounterPartyWalletID: walletText(s.CounterpartyWalletID)}
}

func walletText(id payment.WalletID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Call is one attempt to tell: what is sent, to whom, under which id.
type Call struct {
	ID     uuid.UUID // of the message, the same at every attempt
	URL    string
	Body   []byte
	Secret string    // of the endpoint; empty: it is not signed
	At     time.Time // of this attempt
}

package grpcapi

import (
	"encoding/hex"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// parseID reads an id in its usual form of 36 characters.
func parseID(field, text string) (uuid.UUID, error) {
	const usual = 36
	id, err := uuid.Parse(text)
	if err != nil || len(text) != usual || id == uuid.Nil {
		return uuid.Nil, payment.Errorf(payment.ReasonInvalidInput, "%s is not an id. Give a UUID.", field)
	}
	return id, nil
}

// parseOptionalID is parseID of a field that may be empty: the zero id.
func parseOptionalID(field, text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	return parseID(field, text)
}

// The enums of the protocol are our words in capitals behind a prefix; zero is what has no word.

func kindOut(k payment.Kind) paymentsv1.Kind {
	return paymentsv1.Kind(paymentsv1.Kind_value["KIND_"+strings.ToUpper(string(k))])
}

func stateOut(s payment.State) paymentsv1.State {
	return paymentsv1.State(paymentsv1.State_value["STATE_"+strings.ToUpper(string(s))])
}

func windowOut(w payment.Window) paymentsv1.Window {
	return paymentsv1.Window(paymentsv1.Window_value["WINDOW_"+strings.ToUpper(string(w))])
}

func speedOut(s payment.Speed) paymentsv1.Speed {
	return paymentsv1.Speed(paymentsv1.Speed_value["SPEED_"+string(s)])
}

func reasonOut(r payment.Reason) paymentsv1.Reason {
	return paymentsv1.Reason(paymentsv1.Reason_value["REASON_"+string(r)])
}

func kindIn(k paymentsv1.Kind) (payment.Kind, error) {
	for _, kind := range []payment.Kind{payment.Lightning, payment.Onchain, payment.Intraledger} {
		if kindOut(kind) == k {
			return kind, nil
		}
	}
	if k == paymentsv1.Kind_KIND_UNSPECIFIED {
		return "", nil
	}
	return "", unknown("kind")
}

func stateIn(s paymentsv1.State) (payment.State, error) {
	for _, state := range payment.States() {
		if stateOut(state) == s {
			return state, nil
		}
	}
	return "", unknown("state")
}

func windowIn(w paymentsv1.Window) (payment.Window, error) {
	for _, window := range payment.Windows() {
		if windowOut(window) == w {
			return window, nil
		}
	}
	return "", unknown("window")
}

func speedIn(s paymentsv1.Speed) (payment.Speed, error) {
	for _, speed := range []payment.Speed{payment.Fast, payment.Medium, payment.Slow} {
		if speedOut(speed) == s {
			return speed, nil
		}
	}
	if s == paymentsv1.Speed_SPEED_UNSPECIFIED {
		return "", nil
	}
	return "", unknown("speed")
}

func unknown(what string) *payment.Error {
	return payment.Errorf(payment.ReasonInvalidInput, "The %s is not set, or none that this server knows. Give one of its enum.", what)
}

func paymentOf(row ledger.Payment) *paymentsv1.Payment {
	p := &paymentsv1.Payment{
		Id: row.ID.String(), Kind: kindOut(row.Kind), State: stateOut(row.State), Failure: failureOf(row.Failure),
		AccountId: row.AccountID.String(), WalletId: row.WalletID.String(), KeyId: idText(row.KeyID), IdempotencyKey: row.IdempotencyKey,
		AmountMsat: int64(row.Amount), FeeReserveMsat: int64(row.FeeReserve), FeeMsat: int64(row.Fee), SendAll: row.SendAll,
		RecipientWalletId: idText(row.RecipientID), PaymentRequest: row.Invoice, Address: row.Address, Speed: speedOut(row.Speed),
		Txid: row.TxID, Memo: row.Memo, Node: row.Node, ExpiryHeight: row.Expiry,
		CreatedAt: timeOut(row.CreatedAt), UpdatedAt: timeOut(row.UpdatedAt), ResolvedAt: timeOut(row.ResolvedAt),
	}
	if !row.PaymentHash.IsZero() {
		p.PaymentHash = row.PaymentHash.String()
	}
	if row.State == payment.Settled {
		p.Preimage = hex.EncodeToString(row.Preimage)
	}
	return p
}

func failureOf(f *payment.Failure) *paymentsv1.Failure {
	if f == nil {
		return nil
	}
	return &paymentsv1.Failure{Reason: reasonOut(f.Reason), Message: f.Message, Budget: shortfallOf(f.Budget)}
}

func shortfallOf(b *payment.BudgetShortfall) *paymentsv1.BudgetShortfall {
	if b == nil {
		return nil
	}
	return &paymentsv1.BudgetShortfall{
		Window: windowOut(b.Window), LimitSat: int64(b.Limit), SpentSat: int64(b.Spent), RemainingSat: int64(b.Remaining),
		NeededSat: int64(b.Needed), FreesAt: timeOut(b.FreesAt),
	}
}

func limitsOf(s ledger.Spending) *paymentsv1.Limits {
	out := &paymentsv1.Limits{KeyId: s.KeyID.String(), ReservedSat: int64(s.Reserved)}
	for _, w := range s.Windows {
		out.Windows = append(out.Windows, &paymentsv1.WindowLimit{
			Window: windowOut(w.Window), LimitSat: limitOf(w), SpentSat: int64(w.Spent), RemainingSat: remainingOf(w), FreesAt: timeOut(w.FreesAt),
		})
	}
	return out
}

func idText(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

func timeOut(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

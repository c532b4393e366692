package graphqlapi

import (
	"context"
	"encoding/hex"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// transactions reads a page of the caller's history.
func (r *resolver) transactions(ctx context.Context, filter ledger.TransactionFilter, p page) (*generated.TransactionConnection, error) {
	var err error
	// After a cursor the listing goes on with older rows, and what the ledger calls After is newer.
	if filter.Before, err = cursorOf(p.after); err != nil {
		return nil, err
	}
	if filter.After, err = cursorOf(p.before); err != nil {
		return nil, err
	}
	filter.Oldest = p.oldest
	rows, more, err := read(p,
		func(limit int) ([]ledger.Transaction, error) {
			filter.Limit = limit
			return r.Ledger.Transactions(ctx, filter)
		},
		func(end ledger.Transaction) ([]ledger.Transaction, error) {
			one, place := filter, end.Cursor()
			one.Limit = 1
			if p.oldest {
				one.After = &place
			} else {
				one.Before = &place
			}
			return r.Ledger.Transactions(ctx, one)
		})
	if err != nil {
		return nil, err
	}
	display := r.display(ctx, filter.AccountID)
	answer := &generated.TransactionConnection{Edges: []*generated.TransactionEdge{}, Nodes: []*generated.Transaction{}}
	cursors := make([]string, len(rows))
	for i, row := range rows {
		cursors[i] = cursorText(row.Cursor())
		node := transactionOf(row, display)
		answer.Nodes = append(answer.Nodes, node)
		answer.Edges = append(answer.Edges, &generated.TransactionEdge{Cursor: cursors[i], Node: node})
	}
	answer.PageInfo = p.info(cursors, more)
	return answer, nil
}

// listed reads at most a page of rows that a payment hash or an invoice names: there are few.
func (r *resolver) listed(ctx context.Context, filter ledger.TransactionFilter) ([]*generated.Transaction, error) {
	rows, err := r.Ledger.Transactions(ctx, filter)
	return r.shown(ctx, filter.AccountID, rows), err
}

// pending lists deposits that are seen and not credited.
func (r *resolver) pending(ctx context.Context, account payment.AccountID, wallets []payment.WalletID, address string) ([]*generated.Transaction, error) {
	rows, err := r.pendingReceives(ctx, account, wallets, address)
	return r.shown(ctx, account, rows), err
}

func (r *resolver) shown(ctx context.Context, account payment.AccountID, rows []ledger.Transaction) []*generated.Transaction {
	display := r.display(ctx, account)
	out := make([]*generated.Transaction, len(rows))
	for i, row := range rows {
		out[i] = transactionOf(row, display)
	}
	return out
}

func (r *resolver) transaction(ctx context.Context, row ledger.Transaction) *generated.Transaction {
	return transactionOf(row, r.display(ctx, row.AccountID))
}

// transactionOf shows a row: amounts in whole units, credits rounded down and debits up.
func transactionOf(row ledger.Transaction, display display) *generated.Transaction {
	amount, fee := shownAmount(row.Currency, row.Amount), shownCost(row.Currency, row.Fee)
	answer := &generated.Transaction{
		ID: row.ID.String(), ExternalID: scalar.NewOrNil[scalar.TxExternalID](row.ExternalID), CreatedAt: row.CreatedAt,
		Memo: scalar.NewOrNil[scalar.Memo](row.Memo), SettlementCurrency: generated.WalletCurrency(row.Currency),
		SettlementAmount: amount, SettlementFee: fee, SettlementDisplayCurrency: scalar.New[scalar.DisplayCurrency](display.currency),
		Direction: generated.TxDirectionReceive, Status: transactionStatus(row.Status),
		InitiationVia: initiationOf(row.Initiation), SettlementVia: settlementOf(row),
	}
	if row.Direction == ledger.DirectionSend {
		answer.Direction = generated.TxDirectionSend
	}
	display.price(answer, row.Currency)
	return answer
}

func transactionStatus(s ledger.TransactionStatus) generated.TxStatus {
	switch s {
	case ledger.TransactionSuccess:
		return generated.TxStatusSuccess
	case ledger.TransactionFailure:
		return generated.TxStatusFailure
	default:
		return generated.TxStatusPending
	}
}

func initiationOf(i ledger.Initiation) generated.InitiationVia {
	switch i.Kind {
	case payment.Lightning:
		return generated.InitiationViaLn{
			PaymentHash: scalar.PaymentHash{Hash: i.PaymentHash}, PaymentRequest: scalar.New[scalar.LnPaymentRequest](i.Invoice),
		}
	case payment.Onchain:
		return generated.InitiationViaOnChain{Address: scalar.New[scalar.OnChainAddress](i.Address)}
	default:
		return generated.InitiationViaIntraLedger{
			CounterPartyWalletID: walletOrNil(i.CounterpartyWalletID), CounterPartyUsername: scalar.NewOrNil[scalar.Username](i.CounterpartyUsername),
		}
	}
}

func settlementOf(row ledger.Transaction) generated.SettlementVia {
	s := row.Settlement
	switch s.Kind {
	case payment.Lightning:
		return generated.SettlementViaLn{PreImage: hexOrNil(s.Preimage), PaymentSecret: hexOrNil(s.PaymentSecret)}
	case payment.Onchain:
		via := generated.SettlementViaOnChain{}
		if s.TxID != "" {
			via.TransactionHash = &s.TxID
		}
		if s.Vout != nil {
			via.Vout = new(int(*s.Vout))
		}
		if row.Status == ledger.TransactionPending && row.Direction == ledger.DirectionReceive {
			via.ArrivalInMempoolEstimatedAt = &row.CreatedAt
		}
		return via
	default:
		return generated.SettlementViaIntraLedger{
			CounterPartyWalletID: walletOrNil(s.CounterpartyWalletID), CounterPartyUsername: scalar.NewOrNil[scalar.Username](s.CounterpartyUsername),
			PreImage: hexOrNil(s.Preimage),
		}
	}
}

// shownAmount is what a balance changed by, in satoshi or cents: rounded towards less for the owner.
func shownAmount(currency payment.Currency, amount payment.Msat) int64 {
	if currency == payment.USD {
		return int64(amount) // a wallet in dollars counts cents
	}
	return int64(amount.Floor())
}

// shownCost is shownAmount for a fee, which is not negative.
func shownCost(currency payment.Currency, fee payment.Msat) int64 {
	if currency == payment.USD {
		return int64(fee)
	}
	return int64(fee.Ceil())
}

func walletOrNil(id payment.WalletID) *scalar.WalletID {
	if id == uuid.Nil {
		return nil
	}
	return &scalar.WalletID{ID: id}
}

func hexOrNil(b []byte) *string {
	if len(b) == 0 {
		return nil
	}
	return new(hex.EncodeToString(b))
}

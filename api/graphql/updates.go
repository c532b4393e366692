package graphqlapi

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// MyUpdates tells prices at once and every so often, and what happens in the caller's wallets.
func (s subscriptions) MyUpdates(ctx context.Context) (<-chan *generated.MyUpdatesPayload, error) {
	user, err := s.Ledger.User(ctx, account(ctx))
	if err != nil {
		return nil, err
	}
	wallets, err := s.Ledger.Wallets(ctx, user.AccountID)
	if err != nil {
		return nil, err
	}
	var topics []ledger.Topic
	for _, wallet := range wallets {
		topics = append(topics, ledger.WalletTopic(wallet.ID))
	}
	wake, done := s.woken(topics...)
	f := &follower{resolver: s.resolver, account: user.AccountID, since: s.Clock().Add(-overlap), seen: map[uuid.UUID]seen{}}
	if _, err := f.news(ctx); err != nil { // what is there already is not news
		done()
		return nil, err
	}
	updates := make(chan *generated.MyUpdatesPayload)
	go func() {
		defer close(updates)
		defer done()
		s.follow(ctx, f, user, wake, updates)
	}()
	return updates, nil
}

func (s subscriptions) follow(ctx context.Context, f *follower, user ledger.User, wake <-chan struct{}, updates chan<- *generated.MyUpdatesPayload) {
	tell := func(all []generated.UserUpdate) bool {
		for _, update := range all {
			if !give(ctx, updates, &generated.MyUpdatesPayload{Errors: none(), Me: userOf(user), Update: update}) {
				return false
			}
		}
		return true
	}
	prices := time.NewTicker(s.Limits.PriceEvery)
	defer prices.Stop()
	if !tell(s.priceUpdates(ctx, user)) {
		return
	}
	for {
		var all []generated.UserUpdate
		priced := false
		select {
		case <-ctx.Done():
			return
		case <-prices.C:
			priced = true
		case <-wake:
		}
		switch err := stillMay(ctx); {
		case payment.IsReason(err, payment.ReasonUnauthenticated):
			connectionOf(ctx).end(closeForbidden, "Forbidden")
			return
		case err != nil:
			continue // what cannot be found out now is not a no: the next wake-up asks again
		}
		if priced {
			all = s.priceUpdates(ctx, user)
		} else {
			rows, err := f.news(ctx)
			if err != nil {
				s.failureOf(ctx, err) // the next wake-up looks again
				continue
			}
			all = s.updatesOf(ctx, user.AccountID, rows)
		}
		if !tell(all) {
			return
		}
	}
}

// priceUpdates are the price in the user's currency, and for dollars also in the older shape; none without a price.
func (s subscriptions) priceUpdates(ctx context.Context, user ledger.User) []generated.UserUpdate {
	currency := user.DisplayCurrency
	if currency == "" {
		currency = dollars
	}
	realtime, err := s.realtimePrice(ctx, currency)
	if err != nil {
		return nil
	}
	all := []generated.UserUpdate{*realtime}
	if currency == dollars {
		rate := Rate{Base: realtime.BtcSatPrice.Base, Offset: realtime.BtcSatPrice.Offset}
		all = append(all, generated.Price{Base: rate.Base, Offset: rate.Offset, CurrencyUnit: "USDCENT", FormattedAmount: rate.String()})
	}
	return all
}

// overlap is how far back the follower looks for rows that were committed late: longer than a transaction may last.
const overlap = time.Minute

// seen is what has been told of a transaction.
type seen struct {
	status ledger.TransactionStatus
	at     time.Time
}

// follower finds what has changed in an account's history since it last looked: rows that are new, and rows that were
// pending. It remembers the pending ones, and those young enough to be read again.
type follower struct {
	*resolver
	account payment.AccountID
	since   time.Time
	seen    map[uuid.UUID]seen
}

// maxFollowed bounds what one subscription remembers.
const maxFollowed = 2_000

// news gives the rows that changed, oldest first.
func (f *follower) news(ctx context.Context) ([]ledger.Transaction, error) {
	began := f.Clock()
	rows, err := f.newer(ctx)
	if err != nil {
		return nil, err
	}
	waiting, err := f.Ledger.PendingReceives(ctx, f.account, nil, "")
	if err != nil {
		return nil, err
	}
	rows = append(rows, waiting...)
	listed := map[uuid.UUID]bool{}
	for _, row := range rows {
		listed[row.ID] = true
	}
	var pending []uuid.UUID
	for id, was := range f.seen {
		if was.status == ledger.TransactionPending && !listed[id] {
			pending = append(pending, id)
		}
	}
	again, err := f.Ledger.TransactionsByID(ctx, f.account, pending)
	if err != nil {
		return nil, err
	}
	rows = append(rows, again...)
	changed := slices.DeleteFunc(rows, func(row ledger.Transaction) bool { return f.seen[row.ID].status == row.Status })
	for _, row := range changed {
		f.seen[row.ID] = seen{row.Status, row.CreatedAt}
	}
	f.forget(began.Add(-overlap))
	slices.SortStableFunc(changed, func(a, b ledger.Transaction) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return changed, nil
}

// newer reads the rows since the last look, page by page, oldest pages first.
func (f *follower) newer(ctx context.Context) ([]ledger.Transaction, error) {
	var all []ledger.Transaction
	after := ledger.Cursor{CreatedAt: f.since}
	for len(all) < maxFollowed {
		rows, err := f.Ledger.Transactions(ctx, ledger.TransactionFilter{AccountID: f.account, After: &after, Oldest: true})
		if err != nil || len(rows) == 0 {
			return all, err
		}
		all = append(all, rows...)
		after = rows[0].Cursor()
		if len(rows) < maxPage {
			break
		}
	}
	return all, nil
}

// forget drops what is neither pending nor young, and moves the start of the next look.
func (f *follower) forget(before time.Time) {
	f.since = before
	for id, was := range f.seen {
		old := was.at.Before(before)
		if old && (was.status != ledger.TransactionPending || len(f.seen) > maxFollowed) {
			delete(f.seen, id)
		}
	}
}

// updatesOf tells what rows mean to their owner. A payment over lightning is told by the mutation that made it, and failed
// ones are not told.
func (s subscriptions) updatesOf(ctx context.Context, account payment.AccountID, rows []ledger.Transaction) []generated.UserUpdate {
	if len(rows) == 0 {
		return nil
	}
	display := s.display(ctx, account)
	var all []generated.UserUpdate
	for _, row := range rows {
		if update := updateOf(row, display); update != nil {
			all = append(all, update)
		}
	}
	return all
}

func updateOf(row ledger.Transaction, display display) generated.UserUpdate {
	received := row.Direction == ledger.DirectionReceive
	transaction, settled := transactionOf(row, display), row.Status == ledger.TransactionSuccess
	moved := scalar.Sats(max(row.Amount, -row.Amount).Floor())
	wallet := scalar.WalletID{ID: row.WalletID}
	usd, shown := display.perSat()
	switch {
	case row.Settlement.Kind == payment.Onchain && (settled || received && row.Status == ledger.TransactionPending):
		kind := generated.TxNotificationTypeOnchainPayment
		if received {
			kind = generated.TxNotificationTypeOnchainReceiptPending
			if settled {
				kind = generated.TxNotificationTypeOnchainReceipt
			}
		}
		return generated.OnChainUpdate{
			TxNotificationType: kind, TxHash: row.Settlement.TxID, Amount: moved, WalletID: wallet, Transaction: transaction,
			UsdPerSat: usd, DisplayCurrencyPerSat: shown,
		}
	case row.Settlement.Kind == payment.Lightning && received && settled:
		return generated.LnUpdate{
			PaymentHash: scalar.PaymentHash{Hash: row.Initiation.PaymentHash}, Status: generated.InvoicePaymentStatusPaid, WalletID: wallet, Transaction: transaction,
		}
	case row.Settlement.Kind == payment.Intraledger && settled:
		kind := generated.TxNotificationTypeIntraLedgerPayment
		if received {
			kind = generated.TxNotificationTypeIntraLedgerReceipt
		}
		return generated.IntraLedgerUpdate{
			TxNotificationType: kind, Amount: moved, WalletID: wallet, Transaction: transaction, UsdPerSat: usd, DisplayCurrencyPerSat: shown,
		}
	default:
		return nil
	}
}

// perSat is the price of one satoshi in major units, for showing only: the schema that clients know has a Float here.
func (d display) perSat() (usd, shown *float64) {
	if d.quote == nil {
		return nil, nil
	}
	price := d.quote.Sat.major(d.quote.Currency.FractionDigits)
	if d.currency == dollars {
		usd = &price
	}
	return usd, &price
}

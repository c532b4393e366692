package graphqlapi

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// readings are what an operation has read, so that it asks the ledger once however many aliases want it. A query has one; of
// a mutation each root field has its own, since the one before it changed something; subscriptions, which last, have none.
type readings struct {
	mu    sync.Mutex
	known map[any]any // of a key: func() (T, error) that reads once
}

type readingsKey struct{}

func remembering(ctx context.Context) context.Context {
	return context.WithValue(ctx, readingsKey{}, &readings{known: map[any]any{}})
}

// remember gives each root field of a mutation its readings.
func remember(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	if graphql.GetOperationContext(ctx).Operation.Operation == ast.Mutation {
		ctx = remembering(ctx)
	}
	return next(ctx)
}

// once reads what the key names, unless this operation has.
func once[T any](ctx context.Context, key any, read func() (T, error)) (T, error) {
	m, ok := ctx.Value(readingsKey{}).(*readings)
	if !ok {
		return read()
	}
	m.mu.Lock()
	reading, known := m.known[key].(func() (T, error))
	if !known {
		reading = sync.OnceValues(read)
		m.known[key] = reading
	}
	m.mu.Unlock()
	return reading()
}

// Keys of readings.
type (
	userOfAccount      struct{ payment.AccountID }
	walletsOfAccount   struct{ payment.AccountID }
	keysOfAccount      struct{ payment.AccountID }
	spendingsOfAccount struct{ payment.AccountID }
	limitsOfAccount    struct{ payment.AccountID }
	contactsOfAccount  struct{ payment.AccountID }
	callbacksOfAccount struct{ payment.AccountID }
	pendingOf          struct {
		account          payment.AccountID
		wallets, address string
	}
)

func (r *resolver) user(ctx context.Context, account payment.AccountID) (ledger.User, error) {
	return once(ctx, userOfAccount{account}, func() (ledger.User, error) { return r.Ledger.User(ctx, account) })
}

func (r *resolver) walletsOf(ctx context.Context, account payment.AccountID) ([]ledger.Wallet, error) {
	return once(ctx, walletsOfAccount{account}, func() ([]ledger.Wallet, error) { return r.Ledger.Wallets(ctx, account) })
}

func (r *resolver) keysOf(ctx context.Context, account payment.AccountID) ([]ledger.Key, error) {
	return once(ctx, keysOfAccount{account}, func() ([]ledger.Key, error) { return r.Ledger.NewestKeys(ctx, account) })
}

// spendingsOf reads the budgets of all keys that the account is shown, in one statement.
func (r *resolver) spendingsOf(ctx context.Context, account payment.AccountID) (map[payment.KeyID]ledger.Spending, error) {
	return once(ctx, spendingsOfAccount{account}, func() (map[payment.KeyID]ledger.Spending, error) {
		keys, err := r.keysOf(ctx, account)
		if err != nil {
			return nil, err
		}
		ids := make([]payment.KeyID, len(keys))
		for i, key := range keys {
			ids[i] = key.ID
		}
		return r.Ledger.Spendings(ctx, ids)
	})
}

// spending of one key. What is not among those that are shown, a mutation's own key for example, is read alone.
func (r *resolver) spending(ctx context.Context, account payment.AccountID, key payment.KeyID) (ledger.Spending, error) {
	all, err := r.spendingsOf(ctx, account)
	if err != nil {
		return ledger.Spending{}, err
	}
	if known, ok := all[key]; ok {
		return known, nil
	}
	return once(ctx, key, func() (ledger.Spending, error) { return r.Ledger.Spending(ctx, key) })
}

func (r *resolver) pendingReceives(ctx context.Context, account payment.AccountID, wallets []payment.WalletID, address string) ([]ledger.Transaction, error) {
	names := make([]string, len(wallets))
	for i, id := range wallets {
		names[i] = id.String()
	}
	slices.Sort(names)
	key := pendingOf{account, strings.Join(names, " "), address}
	return once(ctx, key, func() ([]ledger.Transaction, error) { return r.Ledger.PendingReceives(ctx, account, wallets, address) })
}

package ledger_test

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestScopesOfKeys(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	ctx := t.Context()
	owner := ledgertest.Funded(t, l, 0)
	hash := ledgertest.RandomHash()
	const read, receive, write = payment.ScopeRead, payment.ScopeReceive, payment.ScopeWrite
	for _, c := range []struct{ asked, want []payment.Scope }{
		{nil, []payment.Scope{read, write}},
		{[]payment.Scope{write, read, write}, []payment.Scope{read, write}},
		{[]payment.Scope{receive}, []payment.Scope{receive}},
		{[]payment.Scope{write, receive, read}, payment.Scopes()},
	} {
		hash = ledgertest.RandomHash()
		k := must[ledger.Key](t)(l.CreateKey(ctx, ledger.Key{ID: uuid.New(), AccountID: owner.AccountID, Scopes: c.asked}, hash))
		if !slices.Equal(k.Scopes, c.want) || !k.LastUsedAt.IsZero() {
			t.Errorf("%v became %+v", c.asked, k)
		}
		bySecret := must[ledger.Key](t)(l.KeyBySecret(ctx, hash))
		if bySecret.ID != k.ID || bySecret.SecretHash != hash || !slices.Equal(bySecret.Scopes, c.want) {
			t.Errorf("by secret: %+v", bySecret)
		}
	}
	for _, bad := range []payment.Scope{"", "read", "ADMIN"} {
		_, err := l.CreateKey(ctx, ledger.Key{ID: uuid.New(), AccountID: owner.AccountID, Scopes: []payment.Scope{read, bad}}, hash)
		wantReason(t, err, payment.ReasonInvalidInput)
	}
	_, err := l.CreateKey(ctx, ledger.Key{ID: uuid.New(), AccountID: owner.AccountID, Name: strings.Repeat("n", 201)}, ledgertest.RandomHash())
	wantReason(t, err, payment.ReasonInvalidInput)
	// Asking again with other scopes does not widen a key.
	k := must[ledger.Key](t)(l.CreateKey(ctx, ledger.Key{ID: uuid.New(), AccountID: owner.AccountID, Scopes: []payment.Scope{read}}, ledgertest.RandomHash()))
	again := must[ledger.Key](t)(l.CreateKey(ctx, ledger.Key{ID: k.ID, AccountID: owner.AccountID, Scopes: payment.Scopes()}, ledgertest.RandomHash()))
	if !slices.Equal(again.Scopes, []payment.Scope{read}) || again.SecretHash != k.SecretHash {
		t.Errorf("%+v", again)
	}
	stranger := ledgertest.Funded(t, l, 0)
	if own := must[ledger.Key](t)(l.OwnKey(ctx, owner.AccountID, k.ID)); own.ID != k.ID {
		t.Errorf("%+v", own)
	}
	_, err = l.OwnKey(ctx, stranger.AccountID, k.ID)
	wantReason(t, err, payment.ReasonKeyNotFound)
	_, err = l.OwnKey(ctx, owner.AccountID, uuid.New())
	wantReason(t, err, payment.ReasonKeyNotFound)
}

func TestTouchKeysNeverGoesBack(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(16))
	ctx := t.Context()
	owner := ledgertest.Funded(t, l, 0)
	base := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keys := make([]ledger.Key, 30)
	for i := range keys {
		keys[i] = ledgertest.NewKey(t, l, owner.AccountID, nil)
	}
	if err := l.TouchKeys(ctx, nil); err != nil {
		t.Fatal(err)
	}
	together(16, func(i int) { // several processes, each with keys in an order of its own
		used := map[payment.KeyID]time.Time{uuid.New(): base} // one that nobody knows
		for n, k := range keys {
			used[k.ID] = base.Add(time.Duration((i*7+n)%16) * time.Minute)
		}
		if err := l.TouchKeys(ctx, used); err != nil {
			t.Error(err)
		}
	})
	if err := l.TouchKeys(ctx, map[payment.KeyID]time.Time{keys[0].ID: base.Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, k := range must[[]ledger.Key](t)(l.Keys(ctx, owner.AccountID)) {
		if !k.LastUsedAt.Equal(base.Add(15 * time.Minute)) {
			t.Errorf("last used %v", k.LastUsedAt)
		}
	}
}

// Several processes store uses at once: keys are locked by id, whatever their place in the table or in the call.
func TestTouchKeysLocksInOrder(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	owner := ledgertest.Funded(t, l, 0)
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return -bytes.Compare(a[:], b[:]) })
	used := map[payment.KeyID]time.Time{}
	var rows []lockable
	for _, id := range ids { // the highest first
		must[ledger.Key](t)(l.CreateKey(t.Context(), ledger.Key{ID: id, AccountID: owner.AccountID}, ledgertest.RandomHash()))
		used[id] = time.Now()
		rows = append([]lockable{{"key", "SELECT FROM api_keys WHERE id = $1 FOR UPDATE", id}}, rows...)
	}
	blocker := holding(t, url, rows[1])
	done := make(chan error, 1)
	go func() { done <- l.TouchKeys(t.Context(), used) }()
	waitUntilBlocked(t, url)
	for i, row := range rows {
		if i != 1 && free(t, url, row) != (i > 1) {
			t.Errorf("key %d of %d by id: free is %v while the second is waited for", i+1, len(rows), i <= 1)
		}
	}
	if err := blocker.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// An account's keys are few, so that their budgets are read at once: 100 that are not revoked, also when asked for together.
func TestKeysAreCapped(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(10))
	ctx := t.Context()
	alice := must[ledger.User](t)(l.Login(ctx, "+16505550001"))
	first := ledgertest.NewKey(t, l, alice.AccountID, map[payment.Window]payment.Sat{payment.Daily: 11})
	for range 94 {
		ledgertest.NewKey(t, l, alice.AccountID, nil)
	}
	var made, refused atomic.Int64
	together(10, func(int) {
		_, err := l.CreateKey(ctx, ledger.Key{ID: uuid.New(), AccountID: alice.AccountID}, ledgertest.RandomHash())
		switch {
		case err == nil:
			made.Add(1)
		case payment.IsReason(err, payment.ReasonInvalidInput) && strings.Contains(err.Error(), "at most 100"):
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	if made.Load() != 5 || refused.Load() != 5 {
		t.Errorf("%d made and %d refused, want 5 and 5", made.Load(), refused.Load())
	}
	again := must[ledger.Key](t)(l.CreateKey(ctx, ledger.Key{ID: first.ID, AccountID: alice.AccountID}, ledgertest.RandomHash()))
	if again.ID != first.ID { // a repeated call makes none
		t.Errorf("got %+v", again)
	}
	if err := l.RevokeKey(ctx, alice.AccountID, first.ID); err != nil {
		t.Fatal(err)
	}
	last := ledgertest.NewKey(t, l, alice.AccountID, nil)

	all := must[[]ledger.Key](t)(l.NewestKeys(ctx, alice.AccountID))
	if len(all) != 101 || all[0].ID != first.ID || all[100].ID != last.ID {
		t.Fatalf("%d keys", len(all))
	}
	ids := []payment.KeyID{uuid.New()} // unknown
	for _, key := range all {
		ids = append(ids, key.ID)
	}
	spendings := must[map[payment.KeyID]ledger.Spending](t)(l.Spendings(ctx, ids))
	if len(spendings) != 101 {
		t.Errorf("%d spendings", len(spendings))
	}
	for _, id := range []payment.KeyID{first.ID, last.ID} {
		if one := must[ledger.Spending](t)(l.Spending(ctx, id)); one != spendings[id] {
			t.Errorf("got %+v, want %+v", spendings[id], one)
		}
	}
}

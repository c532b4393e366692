package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/payment/paymenttest"
)

// TestRefusals: each refusal has its reason, says what to do, is stored, and changes nothing.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w, other := ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 1_000*sat)
	usd := must[ledger.Wallet](t)(l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: w.AccountID, Name: "usd", Currency: payment.USD}))
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Weekly: 500})
	strange := ledgertest.NewKey(t, l, other.AccountID, nil)
	revoked := ledgertest.NewKey(t, l, w.AccountID, nil)
	if err := l.RevokeKey(t.Context(), w.AccountID, revoked.ID); err != nil {
		t.Fatal(err)
	}
	expired := must[ledger.Key](t)(l.CreateKey(t.Context(),
		ledger.Key{ID: uuid.New(), AccountID: w.AccountID, ExpiresAt: time.Now().Add(-time.Second)}, ledgertest.RandomHash()))

	live := lightning(w, uuid.Nil, 10*sat, 0)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), live))
	paid := lightning(w, uuid.Nil, 10*sat, 0)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), paid))
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), paid.ID, ledger.Fence{CallTimeout: time.Second}))
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), paid.ID, 0))
	canceled, late, twenty := ownInvoice(t, l, other, 0, time.Hour), ownInvoice(t, l, other, 0, -time.Hour), ownInvoice(t, l, other, 20*sat, time.Hour)
	if err := l.CancelInvoice(t.Context(), canceled); err != nil {
		t.Fatal(err)
	}
	before := must[ledger.Wallet](t)(l.Wallet(t.Context(), w.ID))

	for name, c := range map[string]struct {
		change func(*payment.Request)
		want   payment.Reason
	}{
		"zero amount":             {func(r *payment.Request) { r.Amount = 0 }, payment.ReasonInvalidAmount},
		"negative amount":         {func(r *payment.Request) { r.Amount = -1 }, payment.ReasonInvalidAmount},
		"overflowing amount":      {func(r *payment.Request) { r.Amount = 1<<63 - 1; r.FeeReserve = 1 }, payment.ReasonInvalidAmount},
		"negative fee reserve":    {func(r *payment.Request) { r.FeeReserve = -1 }, payment.ReasonInvalidInput},
		"amount with send-all":    {func(r *payment.Request) { r.SendAll = true }, payment.ReasonInvalidAmount},
		"no node":                 {func(r *payment.Request) { r.Node = "" }, payment.ReasonNodeNotFound},
		"no payment hash":         {func(r *payment.Request) { r.PaymentHash = payment.Hash{} }, payment.ReasonInvoiceInvalid},
		"fraction on-chain":       {func(r *payment.Request) { r.Kind, r.Amount = payment.Onchain, 10_001 }, payment.ReasonInvalidAmount},
		"unknown wallet":          {func(r *payment.Request) { r.WalletID = uuid.New() }, payment.ReasonWalletNotFound},
		"wallet of another owner": {func(r *payment.Request) { r.WalletID = other.ID }, payment.ReasonWalletNotFound},
		"unknown account":         {func(r *payment.Request) { r.AccountID = uuid.New() }, payment.ReasonWalletNotFound},
		"unknown key":             {func(r *payment.Request) { r.KeyID = uuid.New() }, payment.ReasonKeyNotFound},
		"key of another owner":    {func(r *payment.Request) { r.KeyID = strange.ID }, payment.ReasonKeyNotFound},
		"revoked key":             {func(r *payment.Request) { r.KeyID = revoked.ID }, payment.ReasonKeyInactive},
		"expired key":             {func(r *payment.Request) { r.KeyID = expired.ID }, payment.ReasonKeyInactive},
		"wallet in dollars":       {func(r *payment.Request) { r.WalletID = usd.ID }, payment.ReasonInvalidInput},
		"hash in flight":          {func(r *payment.Request) { r.PaymentHash = live.PaymentHash }, payment.ReasonPaymentInFlight},
		"hash paid":               {func(r *payment.Request) { r.PaymentHash = paid.PaymentHash }, payment.ReasonAlreadyPaid},
		"budget":                  {func(r *payment.Request) { r.KeyID, r.Amount = key.ID, 501*sat }, payment.ReasonBudgetExceeded},
		"budget with fee reserve": {func(r *payment.Request) { r.KeyID, r.Amount, r.FeeReserve = key.ID, 500*sat, 1 }, payment.ReasonBudgetExceeded},
		"balance":                 {func(r *payment.Request) { r.Amount = 981 * sat }, payment.ReasonInsufficientBalance},
		"balance with fee":        {func(r *payment.Request) { r.Amount, r.FeeReserve = 980*sat, 1 }, payment.ReasonInsufficientBalance},
		"send-all without enough": {func(r *payment.Request) { r.SendAll, r.Amount, r.FeeReserve = true, 0, 980*sat }, payment.ReasonInsufficientBalance},
		"to itself":               {toWallet(w.ID), payment.ReasonSelfPayment},
		"to an unknown wallet":    {toWallet(uuid.New()), payment.ReasonWalletNotFound},
		"to no wallet":            {toWallet(uuid.Nil), payment.ReasonWalletNotFound},
		"to another currency":     {toWallet(usd.ID), payment.ReasonInvalidInput},
		"own invoice canceled":    {toInvoice(other.ID, canceled), payment.ReasonInvoiceCanceled},
		"own invoice expired":     {toInvoice(other.ID, late), payment.ReasonInvoiceExpired},
		"own invoice for more":    {toInvoice(other.ID, twenty), payment.ReasonInvalidAmount},

		// Which is named when several are wrong: wallet, key, hash, budget, balance.
		"wallet before key":     {func(r *payment.Request) { r.WalletID, r.KeyID = other.ID, revoked.ID }, payment.ReasonWalletNotFound},
		"key before hash":       {func(r *payment.Request) { r.KeyID, r.PaymentHash = revoked.ID, live.PaymentHash }, payment.ReasonKeyInactive},
		"hash before budget":    {func(r *payment.Request) { r.KeyID, r.PaymentHash, r.Amount = key.ID, live.PaymentHash, 501*sat }, payment.ReasonPaymentInFlight},
		"budget before balance": {func(r *payment.Request) { r.KeyID, r.Amount = key.ID, 5_000*sat }, payment.ReasonBudgetExceeded},
	} {
		req := lightning(w, uuid.Nil, 10*sat, 0)
		c.change(&req)
		p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), req))
		if p.Failure == nil || p.Failure.Reason != c.want || paymenttest.Lacks(p.Failure.Message) != "" || (p.Failure.Budget != nil) != (c.want == payment.ReasonBudgetExceeded) {
			t.Errorf("%s: %+v, want %s", name, p.Failure, c.want)
			continue
		}
		again := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), req))
		if again.Failure.Message != p.Failure.Message || again.CreatedAt != p.CreatedAt {
			t.Errorf("%s: a retry answers %+v", name, again.Failure)
		}
	}
	if after := must[ledger.Wallet](t)(l.Wallet(t.Context(), w.ID)); after != before {
		t.Errorf("the wallet changed: %+v, was %+v", after, before)
	}
	wantSpent(t, l, key.ID, 0, 0)
	ledgertest.Balanced(t, l)
}

func ownInvoice(t *testing.T, l *ledger.Ledger, w ledger.Wallet, amount payment.Msat, expiry time.Duration) payment.Hash {
	t.Helper()
	hash := ledgertest.RandomHash()
	err := l.AddInvoice(t.Context(), ledger.Invoice{Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: "bank", Amount: amount, ExpiresAt: time.Now().Add(expiry)})
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

func toWallet(id payment.WalletID) func(*payment.Request) {
	return func(r *payment.Request) {
		r.Kind, r.Node, r.PaymentHash, r.RecipientID = payment.Intraledger, "", payment.Hash{}, id
	}
}

func toInvoice(id payment.WalletID, hash payment.Hash) func(*payment.Request) {
	return func(r *payment.Request) { r.Kind, r.PaymentHash, r.RecipientID = payment.Intraledger, hash, id }
}

func TestBudgetRefusalNamesTheWindowAndWhenItFrees(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := ledgertest.New(t, ledger.WithClock(c.Now))
	w := ledgertest.Funded(t, l, 100_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, map[payment.Window]payment.Sat{payment.Daily: 10_000})
	first := mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 6_000*sat, 0)))
	c.Move(time.Hour)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 3_000*sat, 0)))
	p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 2_000*sat, 1)))
	want := payment.BudgetShortfall{
		Window: payment.Daily, Limit: 10_000, Spent: 9_000, Remaining: 1_000, Needed: 2_001, FreesAt: first.CreatedAt.Add(24 * time.Hour),
	}
	got := *p.Failure.Budget
	if !got.FreesAt.Equal(want.FreesAt) {
		t.Fatalf("frees at %v, want %v", got.FreesAt, want.FreesAt)
	}
	if got.FreesAt = want.FreesAt; got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	const message = "The daily limit of this API key is 10,000 sat: 9,000 sat spent, 1,000 sat remaining, and this payment needs 2,001 sat with its fee reserve. " +
		"Enough frees up at 2026-03-02 12:00:00 UTC."
	if p.Failure.Message != message {
		t.Fatalf("message %q", p.Failure.Message)
	}
	p = mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 10_001*sat, 0)))
	if !p.Failure.Budget.FreesAt.IsZero() {
		t.Fatalf("more than the limit never fits: %+v", p.Failure.Budget)
	}
}

// TestLimitsCountHistory: a limit set later is checked against everything the key has spent.
func TestLimitsCountHistory(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 1_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 300*sat, 0)))
	for _, window := range payment.Windows() {
		if err := l.SetLimit(t.Context(), w.AccountID, key.ID, window, 350); err != nil {
			t.Fatal(err)
		}
		p := mustPayment(t, payment.Refused)(l.Reserve(t.Context(), lightning(w, key.ID, 51*sat, 0)))
		if p.Failure.Budget.Window != window {
			t.Fatalf("refused by %s, want %s", p.Failure.Budget.Window, window)
		}
		for range 2 {
			if err := l.RemoveLimit(t.Context(), w.AccountID, key.ID, window); err != nil {
				t.Fatal(err)
			}
		}
	}
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), lightning(w, key.ID, 51*sat, 0)))
}

// TestKeysBelongToTheirOwner is the ledger's part of rule 11.
func TestKeysBelongToTheirOwner(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w, stranger := ledgertest.Funded(t, l, 0), ledgertest.Funded(t, l, 0)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	ctx := t.Context()
	wantReason(t, l.SetLimit(ctx, stranger.AccountID, key.ID, payment.Daily, 5), payment.ReasonKeyNotFound)
	wantReason(t, l.RemoveLimit(ctx, stranger.AccountID, key.ID, payment.Daily), payment.ReasonKeyNotFound)
	wantReason(t, l.RevokeKey(ctx, stranger.AccountID, key.ID), payment.ReasonKeyNotFound)
	wantReason(t, l.SetLimit(ctx, w.AccountID, key.ID, payment.Daily, 0), payment.ReasonInvalidAmount)
	wantReason(t, l.SetLimit(ctx, w.AccountID, key.ID, payment.Daily, -5), payment.ReasonInvalidAmount)
	wantReason(t, l.SetLimit(ctx, w.AccountID, key.ID, payment.Daily, payment.MaxSat+1), payment.ReasonInvalidAmount)
	wantReason(t, l.SetLimit(ctx, w.AccountID, key.ID, "hourly", 5), payment.ReasonInvalidInput)
	_, err := l.CreateKey(ctx, ledger.Key{ID: key.ID, AccountID: stranger.AccountID}, ledgertest.RandomHash())
	wantReason(t, err, payment.ReasonKeyNotFound)
	_, err = l.OpenWallet(ctx, ledger.Wallet{ID: w.ID, AccountID: stranger.AccountID, Currency: payment.BTC})
	wantReason(t, err, payment.ReasonWalletNotFound)

	second := ledgertest.NewKey(t, l, w.AccountID, nil)
	keys := must[[]ledger.Key](t)(l.Keys(ctx, w.AccountID))
	if len(keys) != 2 || keys[0].ID != key.ID || keys[1].ID != second.ID {
		t.Fatalf("keys %+v", keys)
	}
	if err := l.RevokeKey(ctx, w.AccountID, key.ID); err != nil {
		t.Fatal(err)
	}
	revoked := must[ledger.Key](t)(l.Key(ctx, key.ID))
	if err := l.RevokeKey(ctx, w.AccountID, key.ID); err != nil || revoked.RevokedAt.IsZero() {
		t.Fatalf("revoke again: %v, %+v", err, revoked)
	}
	if again := must[ledger.Key](t)(l.Key(ctx, key.ID)); !again.RevokedAt.Equal(revoked.RevokedAt) {
		t.Fatal("the time of revocation moved")
	}
}

package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// wantFurnished checks that the account has one wallet per currency, and BTC by default.
func wantFurnished(t testing.TB, l *ledger.Ledger, u ledger.User) {
	t.Helper()
	wallets := must[[]ledger.Wallet](t)(l.Wallets(t.Context(), u.AccountID))
	if len(wallets) != 2 || wallets[0].Currency == wallets[1].Currency {
		t.Fatalf("wallets %+v", wallets)
	}
	if first := must[ledger.Wallet](t)(l.Wallet(t.Context(), u.DefaultWalletID)); first.AccountID != u.AccountID || first.Currency != payment.BTC {
		t.Fatalf("the default wallet is %+v", first)
	}
}

func TestLoginsAtOnceAreOneAccount(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(20))
	const phone = "+16505550123"
	var mu sync.Mutex
	var users []ledger.User
	together(20, func(int) {
		u, err := l.Login(t.Context(), phone)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		users = append(users, u)
	})
	for _, u := range users {
		if u != users[0] {
			t.Fatalf("%+v and %+v", u, users[0])
		}
	}
	wantFurnished(t, l, users[0])
	if again := must[ledger.User](t)(l.User(t.Context(), users[0].AccountID)); again != users[0] || again.Phone != phone || again.DisplayCurrency != "USD" || again.Username != "" {
		t.Fatalf("%+v", again)
	}
	if other := must[ledger.User](t)(l.Login(t.Context(), "+16505550124")); other.AccountID == users[0].AccountID {
		t.Fatal("another phone is the same account")
	}
	for _, bad := range []string{"", "16505550123", "+0123456789", "+1", "+1650555012345678", "+1650555O123", "+16505550123\n", "alice"} {
		_, err := l.Login(t.Context(), bad)
		wantReason(t, err, payment.ReasonInvalidInput)
	}
}

func TestEnsureAccount(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(20))
	ctx := t.Context()
	account := uuid.New()
	together(20, func(int) {
		if _, err := l.EnsureAccount(ctx, account); err != nil {
			t.Error(err)
		}
	})
	u := must[ledger.User](t)(l.EnsureAccount(ctx, account))
	wantFurnished(t, l, u)
	if u.AccountID != account || u.Phone != "" {
		t.Fatalf("%+v", u)
	}

	// An account that the operator opened keeps its wallet, and gets what it lacks, once.
	known := ledgertest.Funded(t, l, 5*sat)
	together(20, func(int) {
		if _, err := l.EnsureAccount(ctx, known.AccountID); err != nil {
			t.Error(err)
		}
	})
	u = must[ledger.User](t)(l.EnsureAccount(ctx, known.AccountID))
	wantFurnished(t, l, u)
	if u.DefaultWalletID != known.ID {
		t.Fatal("its wallet is not the default")
	}
	_, err := l.EnsureAccount(ctx, uuid.Nil)
	wantReason(t, err, payment.ReasonInvalidInput)
}

func TestUsersWithoutAProfile(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	ctx := t.Context()
	_, err := l.User(ctx, uuid.New())
	wantReason(t, err, payment.ReasonAccountNotFound)
	_, err = l.UserByUsername(ctx, "nobody")
	wantReason(t, err, payment.ReasonAccountNotFound)
	bare := uuid.New()
	if err := l.OpenAccount(ctx, bare); err != nil {
		t.Fatal(err)
	}
	if u := must[ledger.User](t)(l.User(ctx, bare)); u.DefaultWalletID != uuid.Nil || u.DisplayCurrency != "USD" || u.CreatedAt.IsZero() {
		t.Fatalf("without wallets: %+v", u)
	}
	usd := must[ledger.Wallet](t)(l.OpenWallet(ctx, ledger.Wallet{ID: uuid.New(), AccountID: bare, Currency: payment.USD}))
	if u := must[ledger.User](t)(l.User(ctx, bare)); u.DefaultWalletID != usd.ID {
		t.Fatalf("with a USD wallet: %+v", u)
	}
	btc := must[ledger.Wallet](t)(l.OpenWallet(ctx, ledger.Wallet{ID: uuid.New(), AccountID: bare, Currency: payment.BTC}))
	if u := must[ledger.User](t)(l.User(ctx, bare)); u.DefaultWalletID != btc.ID {
		t.Fatalf("with a BTC wallet: %+v", u)
	}
}

func TestUsernames(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	ctx := t.Context()
	alice, bob := must[ledger.User](t)(l.Login(ctx, "+16505550001")), must[ledger.User](t)(l.Login(ctx, "+16505550002"))
	for _, bad := range []string{"", "al", "1alice", "_alice", "al ice", "al-ice", "älice", strings.Repeat("a", 51), "bc1qalice", "LNBC1alice", "alice\n"} {
		wantReason(t, l.SetUsername(ctx, alice.AccountID, bad), payment.ReasonInvalidInput)
	}
	for _, name := range []string{"Alice_1", "alice_1", "ALICE_1"} { // the same again is no error
		if err := l.SetUsername(ctx, alice.AccountID, name); err != nil {
			t.Fatal(err)
		}
	}
	err := l.SetUsername(ctx, bob.AccountID, "aLICE_1")
	wantReason(t, err, payment.ReasonInvalidInput)
	if !strings.Contains(err.Error(), "alice_1 is taken") {
		t.Errorf("taken: %v", err)
	}
	err = l.SetUsername(ctx, alice.AccountID, "alice_2")
	wantReason(t, err, payment.ReasonInvalidInput)
	if !strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("changed: %v", err)
	}
	wantReason(t, l.SetUsername(ctx, uuid.New(), "carol"), payment.ReasonAccountNotFound)
	for _, name := range []string{"alice_1", "ALICE_1"} {
		if u := must[ledger.User](t)(l.UserByUsername(ctx, name)); u.AccountID != alice.AccountID || u.Username != "alice_1" || u.DefaultWalletID != alice.DefaultWalletID {
			t.Fatalf("%+v", u)
		}
	}
}

func TestOneNameForTwenty(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(20))
	var mu sync.Mutex
	var got []payment.AccountID
	together(20, func(i int) {
		u, err := l.Login(t.Context(), fmt.Sprintf("+165055501%02d", i))
		if err != nil {
			t.Error(err)
			return
		}
		switch err := l.SetUsername(t.Context(), u.AccountID, "satoshi"); payment.ReasonOf(err) {
		case "":
			mu.Lock()
			got = append(got, u.AccountID)
			mu.Unlock()
		case payment.ReasonInvalidInput:
		default:
			t.Error(err)
		}
	})
	if len(got) != 1 || must[ledger.User](t)(l.UserByUsername(t.Context(), "satoshi")).AccountID != got[0] {
		t.Fatalf("%v have the name", got)
	}
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	ctx := t.Context()
	alice, bob := must[ledger.User](t)(l.Login(ctx, "+16505550001")), must[ledger.User](t)(l.Login(ctx, "+16505550002"))
	wallets := must[[]ledger.Wallet](t)(l.Wallets(ctx, alice.AccountID))
	usd := wallets[slices.IndexFunc(wallets, func(w ledger.Wallet) bool { return w.Currency == payment.USD })]
	for _, err := range []error{
		l.SetDisplayCurrency(ctx, alice.AccountID, "EUR"), l.SetLanguage(ctx, alice.AccountID, "pt-BR"), l.SetDefaultWallet(ctx, alice.AccountID, usd.ID),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := alice
	want.DisplayCurrency, want.Language, want.DefaultWalletID = "EUR", "pt-BR", usd.ID
	if got := must[ledger.User](t)(l.User(ctx, alice.AccountID)); got != want {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if got := must[ledger.User](t)(l.Login(ctx, alice.Phone)); got != want {
		t.Fatalf("the next login: %+v", got)
	}
	if got := must[ledger.User](t)(l.User(ctx, bob.AccountID)); got != bob {
		t.Fatalf("somebody else changed: %+v", got)
	}
	wantReason(t, l.SetDisplayCurrency(ctx, alice.AccountID, "euro"), payment.ReasonInvalidInput)
	wantReason(t, l.SetLanguage(ctx, alice.AccountID, "Português"), payment.ReasonInvalidInput)
	wantReason(t, l.SetDisplayCurrency(ctx, uuid.New(), "EUR"), payment.ReasonAccountNotFound)
	wantReason(t, l.SetLanguage(ctx, uuid.New(), "en"), payment.ReasonAccountNotFound)
	wantReason(t, l.SetDefaultWallet(ctx, alice.AccountID, bob.DefaultWalletID), payment.ReasonWalletNotFound)
	wantReason(t, l.SetDefaultWallet(ctx, alice.AccountID, uuid.New()), payment.ReasonWalletNotFound)
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(20))
	ctx := t.Context()
	alice, bob := must[ledger.User](t)(l.Login(ctx, "+16505550001")), must[ledger.User](t)(l.Login(ctx, "+16505550002"))
	var mu sync.Mutex
	added := 0
	together(20, func(i int) {
		switch _, err := l.AddCallback(ctx, alice.AccountID, fmt.Sprintf("https://shop.example/%d", i)); payment.ReasonOf(err) {
		case "":
			mu.Lock()
			added++
			mu.Unlock()
		case payment.ReasonInvalidInput:
			if !strings.Contains(err.Error(), "at most ten") {
				t.Error(err)
			}
		default:
			t.Error(err)
		}
	})
	all := must[[]ledger.Callback](t)(l.Callbacks(ctx, alice.AccountID))
	if added != 10 || len(all) != 10 {
		t.Fatalf("%d added, %d listed", added, len(all))
	}
	wantReason(t, l.DeleteCallback(ctx, bob.AccountID, all[0].ID), payment.ReasonInvalidInput)
	if err := l.DeleteCallback(ctx, alice.AccountID, all[0].ID); err != nil {
		t.Fatal(err)
	}
	wantReason(t, l.DeleteCallback(ctx, alice.AccountID, all[0].ID), payment.ReasonInvalidInput)
	mine := must[ledger.Callback](t)(l.AddCallback(ctx, alice.AccountID, "https://shop.example/again"))
	if all = must[[]ledger.Callback](t)(l.Callbacks(ctx, alice.AccountID)); len(all) != 10 || all[9] != mine {
		t.Fatalf("%+v", all)
	}
	if others := must[[]ledger.Callback](t)(l.Callbacks(ctx, bob.AccountID)); len(others) != 0 {
		t.Fatalf("somebody else has %+v", others)
	}
	_, err := l.AddCallback(ctx, uuid.New(), "https://shop.example")
	wantReason(t, err, payment.ReasonAccountNotFound)
	_, err = l.AddCallback(ctx, bob.AccountID, "https://"+strings.Repeat("x", 2000))
	wantReason(t, err, payment.ReasonInvalidInput)
}

func TestContactsAreCountedAsTransfersSettle(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	ctx := t.Context()
	payer := ledgertest.Funded(t, l, 1_000*sat)
	named, later, nameless := ledgertest.Funded(t, l, 0), ledgertest.Funded(t, l, 0), ledgertest.Funded(t, l, 0)
	name := func(w ledger.Wallet, name string) {
		t.Helper()
		if err := l.SetUsername(ctx, w.AccountID, name); err != nil {
			t.Fatal(err)
		}
	}
	name(named, "alice")
	name(later, "bob")
	own := must[ledger.Wallet](t)(l.OpenWallet(ctx, ledger.Wallet{ID: uuid.New(), AccountID: payer.AccountID, Currency: payment.BTC}))
	name(payer, "payer")
	once := intraledger(payer, named, uuid.Nil, sat)
	for range 3 { // retries of one transfer are one
		mustPayment(t, payment.Settled)(l.Transfer(ctx, once))
	}
	mustPayment(t, payment.Settled)(l.Transfer(ctx, intraledger(payer, named, uuid.Nil, sat)))
	held := intraledger(payer, later, uuid.Nil, sat) // reserved first, settled later
	mustPayment(t, payment.Reserved)(l.Reserve(ctx, held))
	if got := must[[]ledger.Contact](t)(l.Contacts(ctx, payer.AccountID)); len(got) != 1 {
		t.Fatalf("before it settled: %+v", got)
	}
	mustPayment(t, payment.Settled)(l.Settle(ctx, held.ID, 0))
	for _, w := range []ledger.Wallet{nameless, own} {
		mustPayment(t, payment.Settled)(l.Transfer(ctx, intraledger(payer, w, uuid.Nil, sat)))
	}
	mustPayment(t, payment.Refused)(l.Transfer(ctx, intraledger(payer, named, uuid.Nil, 5_000*sat)))
	failed := intraledger(payer, named, uuid.Nil, sat)
	mustPayment(t, payment.Reserved)(l.Reserve(ctx, failed))
	mustPayment(t, payment.Failed)(l.Void(ctx, failed, payment.Failure{Reason: payment.ReasonCanceled}, 0))

	got := must[[]ledger.Contact](t)(l.Contacts(ctx, payer.AccountID))
	if len(got) != 2 || got[0].Username != "bob" || got[0].Transactions != 1 || got[1].Username != "alice" || got[1].Transactions != 2 || got[1].AccountID != named.AccountID {
		t.Fatalf("%+v", got)
	}
	if got := must[[]ledger.Contact](t)(l.Contacts(ctx, named.AccountID)); len(got) != 0 {
		t.Fatalf("whoever was paid knows the payer: %+v", got)
	}
	ledgertest.Balanced(t, l)
}

// Two wallets of one account pay the same people at once: counted exactly, without a deadlock.
func TestContactsCountedAtOnce(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t, ledger.WithMaxConns(16))
	ctx := t.Context()
	first := ledgertest.Funded(t, l, 1_000*sat)
	second := must[ledger.Wallet](t)(l.OpenWallet(ctx, ledger.Wallet{ID: uuid.New(), AccountID: first.AccountID, Currency: payment.BTC}))
	ledgertest.Fund(t, l, second, 1_000*sat)
	people := []ledger.Wallet{ledgertest.Funded(t, l, 0), ledgertest.Funded(t, l, 0)}
	for i, w := range people {
		if err := l.SetUsername(ctx, w.AccountID, fmt.Sprintf("person_%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	together(40, func(i int) {
		if _, err := l.Transfer(ctx, intraledger([]ledger.Wallet{first, second}[i%2], people[i/2%2], uuid.Nil, sat)); err != nil {
			t.Error(err)
		}
	})
	for _, c := range must[[]ledger.Contact](t)(l.Contacts(ctx, first.AccountID)) {
		if c.Transactions != 20 {
			t.Errorf("%s: %d", c.Username, c.Transactions)
		}
	}
	ledgertest.Balanced(t, l)
}

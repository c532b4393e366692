package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// history reads the newest page of a wallet.
func history(t testing.TB, l *ledger.Ledger, w ledger.Wallet) []ledger.Transaction {
	t.Helper()
	return must[[]ledger.Transaction](t)(l.Transactions(t.Context(), ledger.TransactionFilter{AccountID: w.AccountID, WalletIDs: []payment.WalletID{w.ID}}))
}

// only is the single transaction of a wallet.
func only(t testing.TB, l *ledger.Ledger, w ledger.Wallet) ledger.Transaction {
	t.Helper()
	all := history(t, l, w)
	if len(all) != 1 {
		t.Fatalf("%d transactions: %+v", len(all), all)
	}
	return all[0]
}

func wantTransaction(t testing.TB, got ledger.Transaction, direction ledger.Direction, status ledger.TransactionStatus, amount, fee payment.Msat) {
	t.Helper()
	if got.Direction != direction || got.Status != status || got.Amount != amount || got.Fee != fee || got.Currency != payment.BTC {
		t.Fatalf("%s %s %v, fee %v; want %s %s %v, fee %v", got.Direction, got.Status, got.Amount, got.Fee, direction, status, amount, fee)
	}
}

// sender is a wallet with funds whose history begins here.
func sender(t testing.TB, l *ledger.Ledger) (from, to ledger.Wallet) {
	t.Helper()
	from, to = ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 0)
	return from, to
}

// newest is the wallet's newest transaction.
func newest(t testing.TB, l *ledger.Ledger, w ledger.Wallet) ledger.Transaction {
	t.Helper()
	return history(t, l, w)[0]
}

func TestTransactionOfALightningPayment(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, _ := sender(t, l)
	preimage := [32]byte(ledgertest.RandomHash())
	req := lightning(from, payment.KeyID{}, 100*sat, 5*sat)
	req.PaymentHash, req.Memo = sha256.Sum256(preimage[:]), "lunch"
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))

	got := newest(t, l, from)
	wantTransaction(t, got, ledger.DirectionSend, ledger.TransactionPending, -100*sat, 0)
	if got.ID != req.ID || got.PaymentID != req.ID || got.AccountID != from.AccountID || got.WalletID != from.ID || got.Memo != "lunch" || got.ExternalID != "" {
		t.Fatalf("%+v", got)
	}
	if got.Initiation != (ledger.Initiation{Kind: payment.Lightning, Invoice: req.Invoice, PaymentHash: req.PaymentHash}) ||
		got.Settlement.Kind != payment.Lightning || got.Settlement.Preimage != nil {
		t.Fatalf("%+v, %+v", got.Initiation, got.Settlement)
	}
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
	if err := l.RecordPreimage(t.Context(), req.ID, preimage); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 7*sat)) // 2 sat more than the reserve: the operator's
	got = newest(t, l, from)
	wantTransaction(t, got, ledger.DirectionSend, ledger.TransactionSuccess, -105*sat, 5*sat)
	if !bytes.Equal(got.Settlement.Preimage, preimage[:]) {
		t.Fatalf("preimage %x", got.Settlement.Preimage)
	}
}

// A failed payment is one row, a refused one none.
func TestTransactionOfWhatDidNotPay(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, _ := sender(t, l)
	before := len(history(t, l, from))
	refused := lightning(from, payment.KeyID{}, 5_000*sat, 0)
	mustPayment(t, payment.Refused)(l.Reserve(t.Context(), refused))
	tombstone := lightning(from, payment.KeyID{}, 5*sat, 0)
	mustPayment(t, payment.Refused)(l.Void(t.Context(), tombstone, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
	if got := len(history(t, l, from)); got != before {
		t.Fatalf("%d transactions of refused payments", got-before)
	}
	failed := lightning(from, payment.KeyID{}, 100*sat, 5*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), failed))
	mustPayment(t, payment.Failed)(l.Void(t.Context(), failed, payment.Failure{Reason: payment.ReasonNoRoute}, 0))
	all := history(t, l, from)
	if len(all) != before+1 {
		t.Fatalf("%d rows for one failed payment", len(all)-before)
	}
	wantTransaction(t, all[0], ledger.DirectionSend, ledger.TransactionFailure, -100*sat, 0)
	_, err := l.Transaction(t.Context(), from.AccountID, refused.ID)
	wantReason(t, err, payment.ReasonNotFound)
}

func TestTransactionsOfATransfer(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, to := sender(t, l)
	req := intraledger(from, to, payment.KeyID{}, 30*sat)
	req.Memo = "rent"
	if err := l.SetUsername(t.Context(), to.AccountID, "landlord"); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), req))
	sent, got := newest(t, l, from), only(t, l, to)
	wantTransaction(t, sent, ledger.DirectionSend, ledger.TransactionSuccess, -30*sat, 0)
	wantTransaction(t, got, ledger.DirectionReceive, ledger.TransactionSuccess, 30*sat, 0)
	for _, side := range []struct {
		of, other ledger.Wallet
		is        ledger.Transaction
		name      string
	}{{from, to, sent, "landlord"}, {to, from, got, ""}} {
		if side.is.Memo != "rent" || side.is.PaymentID != req.ID || side.is.AccountID != side.of.AccountID ||
			side.is.Initiation != (ledger.Initiation{Kind: payment.Intraledger, CounterpartyWalletID: side.other.ID, CounterpartyUsername: side.name}) ||
			side.is.Settlement.Kind != payment.Intraledger || side.is.Settlement.CounterpartyWalletID != side.other.ID || side.is.Settlement.CounterpartyUsername != side.name {
			t.Fatalf("%+v", side.is)
		}
		found := must[ledger.Transaction](t)(l.TransactionOfPayment(t.Context(), side.of.AccountID, side.of.ID, req.ID))
		if found.ID != side.is.ID {
			t.Fatalf("found %+v", found)
		}
		both := must[[]ledger.Transaction](t)(l.TransactionsByID(t.Context(), side.of.AccountID, []uuid.UUID{sent.ID, got.ID, uuid.New()}))
		if len(both) != 1 || !reflect.DeepEqual(both[0], side.is) { // the other side is another account's
			t.Fatalf("found %+v, want %+v", both, side.is)
		}
		_, err := l.TransactionOfPayment(t.Context(), side.of.AccountID, side.other.ID, req.ID)
		wantReason(t, err, payment.ReasonNotFound)
	}
}

// An own invoice is initiated by lightning and settled inside the ledger, for both sides.
func TestTransactionsOfAnOwnInvoice(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, to := sender(t, l)
	preimage := [32]byte(ledgertest.RandomHash())
	inv := ledger.Invoice{
		Hash: sha256.Sum256(preimage[:]), WalletID: to.ID, AccountID: to.AccountID, Node: "bank", Request: "lnbcrt1own", Amount: 40 * sat,
		Memo: "order 7", ExternalID: "order-7", PaymentSecret: preimage[:], ExpiresAt: time.Now().Add(time.Hour),
	}
	if err := l.AddInvoice(t.Context(), inv); err != nil {
		t.Fatal(err)
	}
	if err := l.RecordInvoicePreimage(t.Context(), inv.Hash, preimage); err != nil {
		t.Fatal(err)
	}
	req := intraledger(from, to, payment.KeyID{}, 40*sat)
	req.PaymentHash, req.Invoice = inv.Hash, inv.Request
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	if got := newest(t, l, from); got.Status != ledger.TransactionPending || got.Settlement.Preimage != nil {
		t.Fatalf("%+v", got)
	}
	if got := history(t, l, to); len(got) != 0 {
		t.Fatalf("the receiver has %+v before it settled", got)
	}
	if kept := must[ledger.Invoice](t)(l.Invoice(t.Context(), inv.Hash)); kept.Preimage != nil {
		t.Fatal("the preimage of an unpaid invoice is shown")
	}
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 0))
	sent, got := newest(t, l, from), only(t, l, to)
	for _, side := range []ledger.Transaction{sent, got} {
		if side.Initiation != (ledger.Initiation{Kind: payment.Lightning, Invoice: inv.Request, PaymentHash: inv.Hash}) ||
			side.Settlement.Kind != payment.Intraledger || side.Memo != "order 7" || !bytes.Equal(side.Settlement.Preimage, preimage[:]) {
			t.Fatalf("%+v", side)
		}
	}
	if sent.ExternalID != "" || got.ExternalID != "order-7" || sent.Settlement.CounterpartyWalletID != to.ID || got.Settlement.CounterpartyWalletID != from.ID {
		t.Fatalf("%+v, %+v", sent, got)
	}
	if kept := must[ledger.Invoice](t)(l.Invoice(t.Context(), inv.Hash)); !bytes.Equal(kept.Preimage, preimage[:]) || kept.ExternalID != "order-7" {
		t.Fatalf("%+v", kept)
	}
	// It is paid by lightning as well, in the moment before LND would cancel it: a receipt of its own.
	if credited, err := l.CreditInvoice(t.Context(), "bank", inv.Hash, 40*sat, 5); err != nil || !credited {
		t.Fatalf("%v, %v", credited, err)
	}
	twice := history(t, l, to)
	if len(twice) != 2 || twice[0].Settlement.Kind != payment.Lightning || twice[0].PaymentID != uuid.Nil || twice[0].ExternalID != "order-7" {
		t.Fatalf("%+v", twice)
	}
	ledgertest.Balanced(t, l)
}

func TestTransactionsOnChain(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, to := sender(t, l)
	if err := l.AddAddress(t.Context(), ledger.Address{Address: "bcrt1own", WalletID: to.ID, AccountID: to.AccountID, Node: "bank"}); err != nil {
		t.Fatal(err)
	}
	deposit := ledger.Deposit{TxID: strings.Repeat("ab", 32), Vout: 3, Address: "bcrt1own", Amount: 77}
	if err := l.SeeDeposit(t.Context(), "bank", deposit); err != nil {
		t.Fatal(err)
	}
	waiting := must[[]ledger.Transaction](t)(l.PendingReceives(t.Context(), to.AccountID, nil, ""))
	if len(waiting) != 1 || waiting[0].Settlement.TxID != deposit.TxID || *waiting[0].Settlement.Vout != 3 || waiting[0].Initiation.Address != "bcrt1own" {
		t.Fatalf("%+v", waiting)
	}
	wantTransaction(t, waiting[0], ledger.DirectionReceive, ledger.TransactionPending, 77*sat, 0)
	for name, none := range map[string]func() ([]ledger.Transaction, error){
		"another address": func() ([]ledger.Transaction, error) {
			return l.PendingReceives(t.Context(), to.AccountID, []payment.WalletID{to.ID}, "bcrt1x")
		},
		"another owner": func() ([]ledger.Transaction, error) {
			return l.PendingReceives(t.Context(), from.AccountID, []payment.WalletID{to.ID}, "")
		},
		"the history": func() ([]ledger.Transaction, error) {
			return l.Transactions(t.Context(), ledger.TransactionFilter{AccountID: to.AccountID})
		},
	} {
		if got := must[[]ledger.Transaction](t)(none()); len(got) != 0 {
			t.Fatalf("%s: %+v", name, got)
		}
	}
	deposit.BlockHeight = 9
	if credited, err := l.CreditDeposit(t.Context(), "bank", deposit); err != nil || !credited {
		t.Fatalf("%v, %v", credited, err)
	}
	got := only(t, l, to)
	wantTransaction(t, got, ledger.DirectionReceive, ledger.TransactionSuccess, 77*sat, 0)
	if got.ID != waiting[0].ID || got.Initiation.Kind != payment.Onchain || got.Settlement.TxID != deposit.TxID || *got.Settlement.Vout != 3 {
		t.Fatalf("%+v, waiting %+v", got, waiting[0])
	}
	if left := must[[]ledger.Transaction](t)(l.PendingReceives(t.Context(), to.AccountID, nil, "")); len(left) != 0 {
		t.Fatalf("%+v", left)
	}

	req := onchain(from, payment.KeyID{}, 100*sat, 9*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	wantTransaction(t, newest(t, l, from), ledger.DirectionSend, ledger.TransactionPending, -100*sat, 0)
	if err := l.RecordSigned(t.Context(), req.ID, ledger.Signed{TxID: "aa", Raw: []byte{1}, Amount: 100 * sat, Fee: 6 * sat}); err != nil {
		t.Fatal(err)
	}
	sent := newest(t, l, from)
	wantTransaction(t, sent, ledger.DirectionSend, ledger.TransactionPending, -106*sat, 6*sat) // the fee is known now
	if sent.Initiation != (ledger.Initiation{Kind: payment.Onchain, Address: req.Address}) || sent.Settlement.Kind != payment.Onchain || sent.Settlement.TxID != "aa" || sent.Settlement.Vout != nil {
		t.Fatalf("%+v", sent)
	}
	own := intraledger(from, to, payment.KeyID{}, 11*sat)
	own.Address = "bcrt1own"
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), own))
	if got := newest(t, l, to); got.Initiation.Kind != payment.Onchain || got.Initiation.Address != "bcrt1own" || got.Settlement.Kind != payment.Intraledger {
		t.Fatalf("%+v", got)
	}
	ledgertest.Balanced(t, l)
}

// A send-all learns what it sends when it is signed; the history says so.
func TestTransactionOfASendAll(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, _ := sender(t, l)
	req := onchain(from, payment.KeyID{}, 0, 100*sat)
	req.SendAll = true
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	if err := l.RecordSigned(t.Context(), req.ID, ledger.Signed{TxID: "aa", Raw: []byte{1}, Amount: 990 * sat, Fee: 10 * sat}); err != nil {
		t.Fatal(err)
	}
	wantTransaction(t, newest(t, l, from), ledger.DirectionSend, ledger.TransactionPending, -1_000*sat, 10*sat)
}

// Filters find what they name, in the wallets that they name, and nothing of another owner.
func TestTransactionFilters(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	from, to := sender(t, l)
	second := must[ledger.Wallet](t)(l.OpenWallet(t.Context(), ledger.Wallet{ID: uuid.New(), AccountID: from.AccountID, Name: "second", Currency: payment.BTC}))
	ln, chain := lightning(from, payment.KeyID{}, 10*sat, 0), onchain(from, payment.KeyID{}, 10*sat, sat)
	for _, req := range []payment.Request{ln, chain} {
		mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	}
	inside := intraledger(from, second, payment.KeyID{}, 3*sat)
	mustPayment(t, payment.Settled)(l.Transfer(t.Context(), inside))
	ids := func(wallets ...ledger.Wallet) (out []payment.WalletID) {
		for _, w := range wallets {
			out = append(out, w.ID)
		}
		return out
	}
	other := ledgertest.RandomHash()
	for name, c := range map[string]struct {
		filter ledger.TransactionFilter
		want   int
	}{
		"all of the account":     {ledger.TransactionFilter{}, 5},
		"one wallet":             {ledger.TransactionFilter{WalletIDs: ids(from)}, 4},
		"the other":              {ledger.TransactionFilter{WalletIDs: ids(second)}, 1},
		"both":                   {ledger.TransactionFilter{WalletIDs: ids(from, second)}, 5},
		"one twice":              {ledger.TransactionFilter{WalletIDs: ids(second, second)}, 1},
		"somebody else's wallet": {ledger.TransactionFilter{WalletIDs: ids(to)}, 0},
		"ours and his":           {ledger.TransactionFilter{WalletIDs: ids(second, to)}, 1},
		"a hash":                 {ledger.TransactionFilter{PaymentHash: &ln.PaymentHash}, 1},
		"a hash in its wallet":   {ledger.TransactionFilter{PaymentHash: &ln.PaymentHash, WalletIDs: ids(from)}, 1},
		"a hash in another":      {ledger.TransactionFilter{PaymentHash: &ln.PaymentHash, WalletIDs: ids(second)}, 0},
		"an unknown hash":        {ledger.TransactionFilter{PaymentHash: &other}, 0},
		"an invoice":             {ledger.TransactionFilter{Invoice: ln.Invoice}, 1},
		"in capitals":            {ledger.TransactionFilter{Invoice: strings.ToUpper(ln.Invoice)}, 1},
		"an address":             {ledger.TransactionFilter{Address: chain.Address}, 1},
		"address and hash":       {ledger.TransactionFilter{Address: chain.Address, PaymentHash: &ln.PaymentHash}, 0},
		"a limit":                {ledger.TransactionFilter{Limit: 2}, 2},
	} {
		c.filter.AccountID = from.AccountID
		if got := must[[]ledger.Transaction](t)(l.Transactions(t.Context(), c.filter)); len(got) != c.want {
			t.Errorf("%s: %d transactions, want %d", name, len(got), c.want)
		}
		c.filter.AccountID = to.AccountID
		if got := must[[]ledger.Transaction](t)(l.Transactions(t.Context(), c.filter)); len(got) != 0 {
			t.Errorf("%s, asked by another owner: %+v", name, got)
		}
	}
	_, err := l.Transactions(t.Context(), ledger.TransactionFilter{WalletIDs: ids(from)})
	wantReason(t, err, payment.ReasonInvalidInput)
	_, err = l.Transaction(t.Context(), to.AccountID, ln.ID)
	wantReason(t, err, payment.ReasonNotFound)
	if got := must[ledger.Transaction](t)(l.Transaction(t.Context(), from.AccountID, ln.ID)); got.ID != ln.ID {
		t.Fatalf("%+v", got)
	}
}

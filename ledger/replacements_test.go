package ledger_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

func fence(seen int) ledger.Fence { return ledger.Fence{Seen: seen, CallTimeout: time.Second} }

func replacement(txid string, fee payment.Msat) ledger.PaymentTransaction {
	return ledger.PaymentTransaction{TxID: txid, Raw: []byte(txid), Fee: fee, SatPerVByte: 9, Kind: ledger.ReplacementTransaction}
}

func rescue(txid string, fee payment.Msat) ledger.PaymentTransaction {
	tx := replacement(txid, fee)
	tx.Kind = ledger.RescueTransaction
	return tx
}

// broadcastPayment is an on-chain payment of 5,000 sat, 100 sat reserved, that has left with the transaction "original" at 90 sat.
func broadcastPayment(t testing.TB, l *ledger.Ledger, w ledger.Wallet, key payment.KeyID) payment.Request {
	t.Helper()
	req := onchain(w, key, 5_000*sat, 100*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	signed := ledger.Signed{TxID: "original", Raw: []byte("original"), Amount: req.Amount, Fee: 90 * sat, SatPerVByte: 2}
	if err := l.RecordSigned(t.Context(), req.ID, signed); err != nil {
		t.Fatal(err)
	}
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, fence(0)))
	if err := l.RecordPending(t.Context(), req.ID, 0); err != nil {
		t.Fatal(err)
	}
	return req
}

// replaced stores a transaction that must be granted.
func replaced(t testing.TB, l *ledger.Ledger, id payment.ID, seen int, tx ledger.PaymentTransaction) ledger.Payment {
	t.Helper()
	p := mustPayment(t, payment.Pending)(l.RecordReplacement(t.Context(), id, fence(seen), tx))
	if !p.Send.Granted || p.Send.Attempt != seen+1 {
		t.Fatalf("not granted: %+v", p.Send)
	}
	return p
}

func wantLive(t testing.TB, l *ledger.Ledger, id payment.ID, txids ...string) {
	t.Helper()
	for _, txid := range txids {
		p, err := l.LivePaymentByTxID(t.Context(), txid)
		if err != nil || p.ID != id {
			t.Errorf("by %s: %s, %v", txid, p.ID, err)
		}
	}
}

// Whichever transaction confirms, its fee is charged: what exceeds the reserve to the operator.
func TestSettleWithTheFeeOfTheTransactionThatConfirmed(t *testing.T) {
	t.Parallel()
	for confirmed, want := range map[string]struct{ fee, overage payment.Msat }{
		"original": {90 * sat, 0}, "second": {99 * sat, 0}, "third": {250 * sat, 150 * sat},
	} {
		t.Run(confirmed, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.New(t)
			w := ledgertest.Funded(t, l, 20_000*sat)
			key := ledgertest.NewKey(t, l, w.AccountID, nil)
			req := broadcastPayment(t, l, w, key.ID)
			replaced(t, l, req.ID, 1, replacement("second", 99*sat))
			p := replaced(t, l, req.ID, 2, replacement("third", 250*sat))
			if p.TxID != "third" || string(p.RawTx) != "third" || p.SignedFee != 250*sat || p.FeeReserve != 100*sat {
				t.Fatalf("%+v", p)
			}
			wantBalance(t, l, w.ID, 20_000*sat, 5_100*sat)
			wantSpent(t, l, key.ID, 5_100, 5_100)
			wantLive(t, l, req.ID, "original", "second", "third")
			for range 2 {
				if err := l.RecordConfirmed(t.Context(), req.ID, confirmed); err != nil {
					t.Fatal(err)
				}
			}
			p = mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, want.fee))
			if p.TxID != confirmed || p.FeeOverage != want.overage || p.SignedFee != want.fee {
				t.Fatalf("%+v", p)
			}
			charged := req.Amount + want.fee - want.overage
			wantBalance(t, l, w.ID, 20_000*sat-charged, 0)
			wantSpent(t, l, key.ID, charged.Ceil(), 0)
			if _, err := l.LivePaymentByTxID(t.Context(), confirmed); !payment.IsReason(err, payment.ReasonPaymentNotFound) {
				t.Errorf("a settled payment is live: %v", err)
			}
			ledgertest.Balanced(t, l)
		})
	}
}

// A bump may be stored after the word that the payment settles by: the fee of that word says which transaction confirmed.
func TestSettleNamesTheTransactionOfItsFee(t *testing.T) {
	t.Parallel()
	for confirmed, fee := range map[string]payment.Msat{"original": 90 * sat, "second": 150 * sat} {
		t.Run(confirmed, func(t *testing.T) {
			t.Parallel()
			l := ledgertest.New(t)
			req := broadcastPayment(t, l, ledgertest.Funded(t, l, 20_000*sat), uuid.Nil)
			replaced(t, l, req.ID, 1, replacement("second", 150*sat))
			if err := l.RecordConfirmed(t.Context(), req.ID, confirmed); err != nil {
				t.Fatal(err)
			}
			replaced(t, l, req.ID, 2, replacement("too late", 250*sat))
			replaced(t, l, req.ID, 3, rescue("too late as well", 300*sat))
			p := mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, fee))
			if p.TxID != confirmed || string(p.RawTx) != confirmed || p.SignedFee != fee || p.Fee != fee {
				t.Fatalf("%+v", p)
			}
			events := must[[]ledger.Event](t)(l.Timeline(t.Context(), req.ID))
			if last := events[len(events)-2]; last.Name != "confirmed" {
				t.Errorf("before the end: %+v", last)
			}
			ledgertest.Balanced(t, l)
		})
	}
}

func TestTransactionsAreKeptInOrder(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	req := broadcastPayment(t, l, ledgertest.Funded(t, l, 20_000*sat), uuid.Nil)
	replaced(t, l, req.ID, 1, replacement("second", 150*sat))
	p := replaced(t, l, req.ID, 2, rescue("back", 300*sat))
	if p.TxID != "second" {
		t.Fatalf("a rescue pays nobody, and the payment names %s", p.TxID)
	}
	list := must[[]ledger.PaymentTransaction](t)(l.PaymentTransactions(t.Context(), req.ID))
	var kinds []ledger.TransactionKind
	for _, tx := range list {
		kinds = append(kinds, tx.Kind)
		if string(tx.Raw) != tx.TxID || tx.CreatedAt.IsZero() || tx.Pays() == (tx.Kind == ledger.RescueTransaction) {
			t.Errorf("%+v", tx)
		}
	}
	if !slices.Equal(kinds, []ledger.TransactionKind{ledger.OriginalTransaction, ledger.ReplacementTransaction, ledger.RescueTransaction}) ||
		list[0].SatPerVByte != 2 || list[2].Fee != 300*sat {
		t.Fatalf("%+v", list)
	}
	wantLive(t, l, req.ID, "back")
	wantReason(t, l.RecordConfirmed(t.Context(), req.ID, "back"), payment.ReasonInternal)
	wantReason(t, l.RecordConfirmed(t.Context(), req.ID, "unknown"), payment.ReasonInternal)
	var names []string
	for _, event := range must[[]ledger.Event](t)(l.Timeline(t.Context(), req.ID)) {
		names = append(names, event.Name)
	}
	if !slices.Equal(names, []string{"reserved", "signed", "dispatched", "in_flight", "fee_bumped", "taking_back"}) {
		t.Errorf("timeline %v", names)
	}
}

// A rescue that has confirmed gives everything back; evidence from before it was stored does not.
func TestEvidenceFromBeforeAReplacementDoesNotVoid(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 20_000*sat)
	key := ledgertest.NewKey(t, l, w.AccountID, nil)
	req := broadcastPayment(t, l, w, key.ID)
	why := payment.Failure{Reason: payment.ReasonAbandoned, Message: "taken back"}
	replaced(t, l, req.ID, 1, replacement("second", 150*sat))
	mustPayment(t, payment.Pending)(l.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonPublishRejected}, 1))
	replaced(t, l, req.ID, 2, rescue("back", 300*sat))
	mustPayment(t, payment.Pending)(l.Void(t.Context(), req, why, 2))
	mustPayment(t, payment.Failed)(l.Void(t.Context(), req, why, 3))
	wantBalance(t, l, w.ID, 20_000*sat, 0)
	wantSpent(t, l, key.ID, 0, 0)
	if p, err := l.RecordReplacement(t.Context(), req.ID, fence(3), rescue("late", 400*sat)); err != nil || p.Send.Granted {
		t.Errorf("granted after the end: %+v, %v", p, err)
	}
	ledgertest.Balanced(t, l)
}

func TestReplacementsThatTheLedgerRefuses(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 50_000*sat)
	refused := func(req payment.Request, seen int, tx ledger.PaymentTransaction) {
		t.Helper()
		if _, err := l.RecordReplacement(t.Context(), req.ID, fence(seen), tx); !payment.IsReason(err, payment.ReasonInternal) {
			t.Errorf("%s at %v: %v", tx.TxID, tx.Fee, err)
		}
	}
	ungranted := func(req payment.Request, seen int) {
		t.Helper()
		if p, err := l.RecordReplacement(t.Context(), req.ID, fence(seen), replacement("x", 500*sat)); err != nil || p.Send.Granted {
			t.Errorf("granted: %+v, %v", p.Send, err)
		}
	}
	req := broadcastPayment(t, l, w, uuid.Nil)
	refused(req, 1, replacement("same fee", 90*sat))
	refused(req, 1, replacement("original", 500*sat))
	refused(req, 1, ledger.PaymentTransaction{TxID: "second original", Raw: []byte{1}, Fee: 500 * sat, Kind: ledger.OriginalTransaction})
	ungranted(req, 0)
	ungranted(req, 2)
	replaced(t, l, req.ID, 1, rescue("back", 300*sat))
	refused(req, 2, replacement("after all", 500*sat))
	replaced(t, l, req.ID, 2, rescue("back faster", 400*sat))

	reserved := onchain(w, uuid.Nil, 5_000*sat, 100*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), reserved))
	ungranted(reserved, 0)
	sent := lightning(w, uuid.Nil, 5_000*sat, 10*sat)
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), sent))
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), sent.ID, fence(0)))
	refused(sent, 1, replacement("of lightning", 500*sat))
	_, err := l.RecordReplacement(t.Context(), payment.NewID(), fence(1), replacement("x", 500*sat))
	wantReason(t, err, payment.ReasonPaymentNotFound)
	ledgertest.Balanced(t, l)
}

// Of many bumps at once one is granted.
func TestTwoReplacementsAtOnceStoreOne(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	req := broadcastPayment(t, l, ledgertest.Funded(t, l, 20_000*sat), uuid.Nil)
	var all sync.WaitGroup
	granted := make(chan bool, 10)
	for i := range cap(granted) {
		all.Go(func() {
			p, err := l.RecordReplacement(t.Context(), req.ID, fence(1), replacement(string(rune('a'+i)), payment.Msat(200+i)*sat))
			granted <- err == nil && p.Send.Granted
		})
	}
	all.Wait()
	count := 0
	for range cap(granted) {
		if <-granted {
			count++
		}
	}
	list := must[[]ledger.PaymentTransaction](t)(l.PaymentTransactions(t.Context(), req.ID))
	if count != 1 || len(list) != 2 {
		t.Fatalf("%d granted, %d stored", count, len(list))
	}
}

// TestReplacementRulesInSQL tries to break the rules of payment_transactions by raw SQL.
func TestReplacementRulesInSQL(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 50_000*sat)
	live, settled, plain := broadcastPayment(t, l, w, uuid.Nil), broadcastPayment(t, l, w, uuid.Nil), broadcastPayment(t, l, w, uuid.Nil)
	replaced(t, l, live.ID, 1, replacement("second", 150*sat))
	replaced(t, l, live.ID, 2, rescue("back", 300*sat))
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), settled.ID, 90*sat))
	const insert = `INSERT INTO payment_transactions (payment_id, txid, raw, fee, sat_per_vbyte, kind, created_at) VALUES ($1, `
	for _, try := range []struct {
		name, role, want, sql string
		on                    payment.ID
	}{
		{"a transaction changed", owner, appendOnly, `UPDATE payment_transactions SET fee = 1 WHERE payment_id = $1`, live.ID},
		{"a transaction deleted", owner, appendOnly, `DELETE FROM payment_transactions WHERE payment_id = $1`, live.ID},
		{"written by hand", app, notPermitted, insert + `'x', 'x', 900000, 9, 'replacement', now())`, plain.ID},
		{"changed by hand", app, notPermitted, `UPDATE payment_transactions SET fee = 1 WHERE payment_id = $1`, live.ID},
		{"stored without its row", app, notPermitted, `SELECT payment_record_signed($1, 'x', 'x', 1, 1, NULL)`, live.ID},
		{"a replacement after the rescue", owner, illegalMove, insert + `'x', 'x', 900000, 9, 'replacement', now())`, live.ID},
		{"a cheaper rescue", owner, illegalMove, insert + `'x', 'x', 100000, 9, 'rescue', now())`, live.ID},
		{"a second original", owner, illegalMove, insert + `'x', 'x', 900000, 9, 'original', now())`, plain.ID},
		{"a replacement of what has settled", owner, illegalMove, insert + `'x', 'x', 900000, 9, 'replacement', now())`, settled.ID},
		{"of no payment", owner, illegalMove, insert + `'x', 'x', 900000, 9, 'replacement', now())`, uuid.New()},
		{"without bytes", owner, checkFailed, insert + `'x', '', 900000, 9, 'replacement', now())`, plain.ID},
		{"of another kind", owner, checkFailed, insert + `'x', 'x', 900000, 9, 'child', now())`, plain.ID},
		{"twice", owner, notUnique, insert + `'original', 'x', 900000, 9, 'replacement', now())`, plain.ID},
		{"a payment that names what is not stored", owner, illegalMove, `UPDATE payments SET txid = 'x', raw_tx = 'x' WHERE id = $1`, plain.ID},
		{"a payment that names its rescue", owner, illegalMove,
			`UPDATE payments p SET txid = t.txid, raw_tx = t.raw, signed_fee = t.fee FROM payment_transactions t WHERE p.id = $1 AND t.payment_id = p.id AND t.kind = 'rescue'`, live.ID},
		{"a payment that names its transaction with another fee", owner, illegalMove,
			`UPDATE payments p SET txid = t.txid, raw_tx = t.raw, signed_fee = 1 FROM payment_transactions t WHERE p.id = $1 AND t.payment_id = p.id AND t.txid = 'original'`, live.ID},
		{"another fee alone", owner, illegalMove, `UPDATE payments SET signed_fee = 1 WHERE id = $1`, plain.ID},
		{"other bytes of a settled payment", owner, illegalMove, `UPDATE payments SET raw_tx = 'x' WHERE id = $1`, settled.ID},
		{"the fence taken back", owner, illegalMove, `UPDATE payments SET attempt = 1 WHERE id = $1`, live.ID},
		{"all deleted", owner, appendOnly, `TRUNCATE payment_transactions`, uuid.Nil},
	} {
		t.Run(try.name, func(t *testing.T) {
			t.Parallel()
			args := []any{try.on}
			if try.on == uuid.Nil {
				args = nil
			}
			if got := execAs(t, url, try.role, try.sql, args...); got != try.want {
				t.Fatalf("SQLSTATE %q, want %q", got, try.want)
			}
		})
	}
	t.Cleanup(func() { ledgertest.Balanced(t, l) })
}

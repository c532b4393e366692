package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// listener adds a callback endpoint to the wallet's account.
func listener(t testing.TB, l *ledger.Ledger, w ledger.Wallet) ledger.Callback {
	t.Helper()
	return must[ledger.Callback](t)(l.AddCallback(t.Context(), w.AccountID, "https://shop.example/"+uuid.NewString()))
}

// due lists what is to be started, with no bounds.
func due(t testing.TB, l *ledger.Ledger) []ledger.Delivery {
	t.Helper()
	return must[[]ledger.Delivery](t)(l.DeliveriesToStart(t.Context(), ledger.DeliveryBatch{PerLine: 1_000, Limit: 1_000}))
}

// events are those that are due, with how many endpoints each is told to.
func events(t testing.TB, l *ledger.Ledger) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, d := range due(t, l) {
		out[d.Event]++
	}
	return out
}

func ids(ds []ledger.Delivery) []uuid.UUID {
	out := make([]uuid.UUID, len(ds))
	for i, d := range ds {
		out[i] = d.ID
	}
	return out
}

func settleLightning(t testing.TB, l *ledger.Ledger, req payment.Request) {
	t.Helper()
	mustPayment(t, payment.Reserved)(l.Reserve(t.Context(), req))
	mustPayment(t, payment.Dispatched)(l.BeginSend(t.Context(), req.ID, ledger.Fence{CallTimeout: time.Second}))
	mustPayment(t, payment.Settled)(l.Settle(t.Context(), req.ID, 0))
}

// TestEventsAreWrittenWithTheMoney: one row per endpoint for every receipt and for every payment that ends, in the transaction
// that moves the money; none for what is refused or still under way, and none for who does not listen.
func TestEventsAreWrittenWithTheMoney(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	ctx := t.Context()
	w, deaf := ledgertest.Funded(t, l, 1_000*sat), ledgertest.Funded(t, l, 1_000*sat)
	a, b := listener(t, l, w), listener(t, l, w)
	if got := due(t, l); len(got) != 0 {
		t.Fatalf("before anything happened: %+v", got)
	}
	step := func(want map[string]int, do func()) {
		t.Helper()
		do()
		got := events(t, l)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("events %v, want %v", got, want)
		}
		for _, d := range due(t, l) {
			if d.AccountID != w.AccountID || d.EndpointID != a.ID && d.EndpointID != b.ID || d.State != ledger.DeliveryDue {
				t.Fatalf("%+v", d)
			}
			must[ledger.Transaction](t)(l.Transaction(ctx, d.AccountID, d.TransactionID))
			if err := l.RecordDelivery(ctx, d.ID, ledger.DeliveryDelivered, "", 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	none := map[string]int{}
	step(map[string]int{"receive.lightning": 2}, func() { ledgertest.Fund(t, l, w, 50*sat) })
	step(none, func() { ledgertest.Fund(t, l, deaf, 50*sat) })
	step(none, func() { mustPayment(t, payment.Reserved)(l.Reserve(ctx, lightning(w, uuid.Nil, 10*sat, sat))) })
	step(none, func() {
		mustPayment(t, payment.Refused)(l.Reserve(ctx, lightning(w, uuid.Nil, 1_000_000*sat, sat)))
	})
	step(map[string]int{"send.lightning": 2}, func() { settleLightning(t, l, lightning(w, uuid.Nil, 10*sat, sat)) })
	step(map[string]int{"send.lightning": 2}, func() { mustPayment(t, payment.Failed)(reserveAndVoid(t, l, lightning(w, uuid.Nil, 10*sat, sat))) })
	step(none, func() { settleLightning(t, l, lightning(deaf, uuid.Nil, 10*sat, sat)) })
	step(map[string]int{"send.intraledger": 2}, func() { mustPayment(t, payment.Settled)(l.Transfer(ctx, intraledger(w, deaf, uuid.Nil, 5*sat))) })
	step(map[string]int{"receive.intraledger": 2}, func() { mustPayment(t, payment.Settled)(l.Transfer(ctx, intraledger(deaf, w, uuid.Nil, 5*sat))) })
	step(map[string]int{"send.onchain": 2}, func() {
		mustPayment(t, payment.Failed)(reserveAndVoid(t, l, onchain(w, uuid.Nil, 10*sat, sat)))
	})
	step(map[string]int{"receive.onchain": 2}, func() {
		if err := l.AddAddress(ctx, ledger.Address{Address: "bcrt1ours", WalletID: w.ID, AccountID: w.AccountID, Node: "bank"}); err != nil {
			t.Fatal(err)
		}
		deposit := ledger.Deposit{TxID: "cc", Address: "bcrt1ours", Amount: 9, BlockHeight: 5}
		if err := l.SeeDeposit(ctx, "bank", deposit); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time nothing is credited
			must[bool](t)(l.CreditDeposit(ctx, "bank", deposit))
		}
	})
	var apart int
	queryRow(t, url, `SELECT count(*) FROM callback_deliveries d JOIN transactions t ON t.id = d.transaction_id
		WHERE d.created_at <> coalesce((SELECT resolved_at FROM payments WHERE id = t.payment_id), t.created_at)`)(&apart)
	if apart != 0 {
		t.Errorf("%d events have another time than the money", apart)
	}
	ledgertest.Balanced(t, l)
}

// TestEventsShareTheTransaction: what rolls the money back takes the event with it, and Postgres says that one transaction wrote both.
func TestEventsShareTheTransaction(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 1_000*sat)
	listener(t, l, w)
	req := lightning(w, uuid.Nil, 10*sat, sat)
	settleLightning(t, l, req)
	ledgertest.Fund(t, l, w, sat)
	var same, all int
	queryRow(t, url, `SELECT count(*) FILTER (WHERE d.xmin = CASE WHEN t.direction = 'send' THEN p.xmin ELSE t.xmin END), count(*)
		FROM callback_deliveries d JOIN transactions t ON t.id = d.transaction_id LEFT JOIN payments p ON p.id = t.payment_id`)(&same, &all)
	if same != 2 || all != 2 {
		t.Fatalf("%d of %d events were written by the transaction of their money", same, all)
	}
	// A commit that fails at the very end leaves neither.
	ledgertest.Exec(t, url, `CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''broken''; END'`)
	ledgertest.Exec(t, url, `CREATE CONSTRAINT TRIGGER broken AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION broken()`)
	hash := ledgertest.RandomHash()
	if err := l.AddInvoice(t.Context(), ledger.Invoice{Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: "bank", Request: "x", ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.CreditInvoice(t.Context(), "bank", hash, sat, 9); err == nil {
		t.Fatal("the credit was not broken")
	}
	queryRow(t, url, `SELECT count(*) FROM callback_deliveries`)(&all)
	if all != 2 {
		t.Errorf("%d events, want 2", all)
	}
}

// TestWebhooksOfInvoices: told like an endpoint, whoever the owner is and whatever he listens to.
func TestWebhooksOfInvoices(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	w := ledgertest.Funded(t, l, 0)
	hash := ledgertest.RandomHash()
	inv := ledger.Invoice{
		Hash: hash, WalletID: w.ID, AccountID: w.AccountID, Node: "bank", Request: "x", OnBehalf: true, WebhookURL: "https://till.example/paid?token=1",
		ExpiresAt: time.Now().Add(time.Hour),
	}
	if err := l.AddInvoice(t.Context(), inv); err != nil {
		t.Fatal(err)
	}
	if got := must[ledger.Invoice](t)(l.Invoice(t.Context(), hash)); got.WebhookURL != inv.WebhookURL {
		t.Errorf("kept %q", got.WebhookURL)
	}
	must[bool](t)(l.CreditInvoice(t.Context(), "bank", hash, sat, 1))
	all := due(t, l)
	if len(all) != 1 || all[0].Event != "receive.lightning" || all[0].EndpointID != uuid.Nil {
		t.Fatalf("%+v", all)
	}
	if d := must[ledger.Delivery](t)(l.Delivery(t.Context(), all[0].ID)); d.URL != inv.WebhookURL {
		t.Errorf("%+v", d)
	}
}

// lines is a ledger with two endpoints that wait to be told: ten messages for the busy one, one for the calm one.
type lines struct {
	t          *testing.T
	c          *clock
	l          *ledger.Ledger
	other      ledger.Wallet // of the calm endpoint
	busy, calm uuid.UUID
}

func newLines(t *testing.T) lines {
	t.Helper()
	n := lines{t: t, c: newClock()}
	n.l = ledgertest.Open(t, ledgertest.Database(t), ledger.WithClock(n.c.Now))
	w := ledgertest.Funded(t, n.l, 0)
	n.other = ledgertest.Funded(t, n.l, 0)
	n.busy, n.calm = listener(t, n.l, w).ID, listener(t, n.l, n.other).ID
	for range 10 {
		ledgertest.Fund(t, n.l, w, sat)
		n.c.Move(time.Second)
	}
	ledgertest.Fund(t, n.l, n.other, sat)
	return n
}

// looks expects so many of each line to be started, and answers those of the busy one.
func (n lines) looks(busy, calm int) (ofBusy []ledger.Delivery) {
	n.t.Helper()
	found := must[[]ledger.Delivery](n.t)(n.l.DeliveriesToStart(n.t.Context(), ledger.DeliveryBatch{PerLine: 3, Limit: 100}))
	for _, d := range found {
		if d.EndpointID == n.busy {
			ofBusy = append(ofBusy, d)
		}
	}
	if len(ofBusy) != busy || len(found)-len(ofBusy) != calm {
		n.t.Fatalf("%d of the busy line, %d of the calm one; want %d, %d", len(ofBusy), len(found)-len(ofBusy), busy, calm)
	}
	return ofBusy
}

func (n lines) take() {
	n.t.Helper()
	found := must[[]ledger.Delivery](n.t)(n.l.DeliveriesToStart(n.t.Context(), ledger.DeliveryBatch{PerLine: 3, Limit: 100}))
	if err := n.l.TakeDeliveries(n.t.Context(), ids(found), time.Hour); err != nil {
		n.t.Fatal(err)
	}
}

func (n lines) record(d ledger.Delivery, state ledger.DeliveryState, why string, takeFor time.Duration) {
	n.t.Helper()
	if err := n.l.RecordDelivery(n.t.Context(), d.ID, state, why, takeFor); err != nil {
		n.t.Fatal(err)
	}
}

// TestALineHoldsUpItselfAlone: no line has more under way than it may, the oldest go first, and the others go on.
func TestALineHoldsUpItselfAlone(t *testing.T) {
	t.Parallel()
	n := newLines(t)
	first := n.looks(3, 1)
	for i, d := range first[1:] {
		if !first[i].CreatedAt.Before(d.CreatedAt) {
			t.Errorf("not the oldest first: %v, %v", first[i].CreatedAt, d.CreatedAt)
		}
	}
	n.take()
	n.looks(0, 0)
	ledgertest.Fund(t, n.l, n.other, sat)
	n.looks(0, 1)
	n.record(first[0], ledger.DeliveryDelivered, "", time.Hour)
	n.looks(1, 1)
}

// TestLostDeliveriesAreFound: what has had no attempt for its time has lost its workflow.
func TestLostDeliveriesAreFound(t *testing.T) {
	t.Parallel()
	n := newLines(t)
	first := n.looks(3, 1)
	n.take()
	n.record(first[0], ledger.DeliveryDue, "it answered HTTP 500", 3*time.Hour)
	n.c.Move(time.Hour - time.Second)
	n.looks(0, 0)
	n.c.Move(2 * time.Second)
	n.looks(2, 1) // three may be under way, and one is
}

// TestLinesAreGoneRound: the next look begins after the line where the last one ended.
func TestLinesAreGoneRound(t *testing.T) {
	t.Parallel()
	n := newLines(t)
	order := []uuid.UUID{n.busy, n.calm}
	slices.SortFunc(order, func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) })
	look := func(after uuid.UUID, limit int) []ledger.Delivery {
		return must[[]ledger.Delivery](t)(n.l.DeliveriesToStart(t.Context(), ledger.DeliveryBatch{After: after, PerLine: 3, Limit: limit}))
	}
	if found := look(uuid.Nil, 1); len(found) != 1 || found[0].Line != order[0] {
		t.Errorf("of at most one: %+v", found)
	}
	if found := look(order[0], 100); len(found) == 0 || found[0].Line != order[1] {
		t.Errorf("after the first line: %+v", found)
	}
	if found := look(order[1], 100); len(found) != 0 {
		t.Errorf("after the last line: %+v", found)
	}
}

// TestDeliveriesEndOnce, are told where the endpoint is now, and are forgotten when they are old.
func TestDeliveriesEndOnce(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	c := newClock()
	l := ledgertest.Open(t, url, ledger.WithClock(c.Now))
	ctx := t.Context()
	w := ledgertest.Funded(t, l, 0)
	endpoint := listener(t, l, w)
	for range 3 {
		ledgertest.Fund(t, l, w, sat)
	}
	all := due(t, l)
	record := func(d ledger.Delivery, state ledger.DeliveryState, why string) ledger.Delivery {
		t.Helper()
		if err := l.RecordDelivery(ctx, d.ID, state, why, time.Hour); err != nil {
			t.Fatal(err)
		}
		return must[ledger.Delivery](t)(l.Delivery(ctx, d.ID))
	}
	if d := record(all[0], ledger.DeliveryDue, strings.Repeat("é", 600)); d.State != ledger.DeliveryDue || d.Attempts != 1 || len([]rune(d.LastError)) != 500 || d.URL != endpoint.URL {
		t.Errorf("%+v", d)
	}
	if d := record(all[0], ledger.DeliveryDelivered, ""); d.State != ledger.DeliveryDelivered || d.Attempts != 2 || d.LastError != "" || !d.ResolvedAt.Equal(c.Now()) {
		t.Errorf("%+v", d)
	}
	if d := record(all[0], ledger.DeliveryGivenUp, "late"); d.State != ledger.DeliveryDelivered || d.Attempts != 2 {
		t.Errorf("it ended twice: %+v", d)
	}
	record(all[1], ledger.DeliveryGivenUp, "gone")
	if err := l.DeleteCallback(ctx, w.AccountID, endpoint.ID); err != nil {
		t.Fatal(err)
	}
	if d := must[ledger.Delivery](t)(l.Delivery(ctx, all[2].ID)); d.URL != "" || d.State != ledger.DeliveryDue {
		t.Errorf("of a deleted endpoint: %+v", d)
	}
	ledgertest.Fund(t, l, w, sat)
	args := pgx.NamedArgs{"due": all[2].ID, "ended": all[0].ID}
	for _, try := range []struct{ name, role, want, sql string }{
		{"one that is due forgotten", app, appendOnly, `DELETE FROM callback_deliveries WHERE id = @due`},
		{"one that has ended due again", app, illegalMove, `UPDATE callback_deliveries SET state = 'due', resolved_at = NULL WHERE id = @ended`},
		{"attempts taken back", app, illegalMove, `UPDATE callback_deliveries SET attempts = attempts - 1 WHERE id = @ended`},
		{"given up without saying why", app, checkFailed, `UPDATE callback_deliveries SET state = 'given_up', resolved_at = now() WHERE id = @due`},
		{"an event written by hand", app, notPermitted, `INSERT INTO callback_deliveries SELECT * FROM callback_deliveries`},
		{"told to somebody else", app, notPermitted, `UPDATE callback_deliveries SET endpoint_id = gen_random_uuid() WHERE id = @due`},
		{"told to somebody else by the owner", owner, illegalMove, `UPDATE callback_deliveries SET endpoint_id = gen_random_uuid() WHERE id = @due`},
		{"all forgotten", owner, appendOnly, `TRUNCATE callback_deliveries`},
	} {
		if got := execAs(t, url, try.role, try.sql, args); got != try.want {
			t.Errorf("%s: SQLSTATE %q, want %q", try.name, got, try.want)
		}
	}
	c.Move(31 * day)
	if gone := must[int](t)(l.ForgetDeliveries(ctx, 32*day)); gone != 0 {
		t.Errorf("%d forgotten too early", gone)
	}
	if gone := must[int](t)(l.ForgetDeliveries(ctx, 30*day)); gone != 2 {
		t.Errorf("%d forgotten, want the two that have ended", gone)
	}
	_, err := l.Delivery(ctx, all[0].ID)
	wantReason(t, err, payment.ReasonNotFound)
}

// TestLookingCostsWhatIsFound: neither what has ended nor what waits in a busy line makes a look dearer.
func TestLookingCostsWhatIsFound(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	w := ledgertest.Funded(t, l, 0)
	ledgertest.Fund(t, l, w, sat)
	ledgertest.Exec(t, url, `INSERT INTO callback_deliveries (id, account_id, transaction_id, endpoint_id, line, event, state, taken_until, created_at, resolved_at)
		SELECT gen_random_uuid(), $1, (SELECT id FROM transactions LIMIT 1), line.id, line.id, 'receive.lightning', state, now() - interval '1 minute', now() - interval '1 minute',
		       CASE WHEN state <> 'due' THEN now() END
		  FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, 3)) line, unnest(ARRAY['due', 'delivered']) state, generate_series(1, 1000)`, w.AccountID)
	conn := connect(t, url)
	tx := must[pgx.Tx](t)(conn.Begin(t.Context()))
	defer func() { _ = tx.Rollback(t.Context()) }()
	var found int
	if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM callback_deliveries_to_start('00000000-0000-0000-0000-000000000000', 5, 100, NULL)`).Scan(&found); err != nil {
		t.Fatal(err)
	}
	if read := rowsRead(t, tx); found != 15 || read > 40 {
		t.Errorf("%d found, %d rows read", found, read)
	}
}

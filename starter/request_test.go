package starter

import (
	"math"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

func TestFeePolicy(t *testing.T) {
	t.Parallel()
	half := FeePolicy{PartsPerMillion: 5000, Floor: 10 * sat}
	for amount, want := range map[payment.Msat]payment.Msat{
		1:                         10 * sat, // the floor
		2_000 * sat:               10 * sat,
		2_001 * sat:               11 * sat, // 10.005, rounded up to whole sat
		1_000_000 * sat:           5000 * sat,
		payment.MaxSat.MustMsat(): payment.MaxSat.MustMsat() / 200, // does not overflow
	} {
		if got := half.Limit(amount); got != want {
			t.Errorf("limit of %v is %v, want %v", amount, got, want)
		}
	}
	if got := (FeePolicy{}).Limit(5 * sat); got != 0 {
		t.Errorf("no policy: %v", got)
	}
	if got := (FeePolicy{PartsPerMillion: 1}).Limit(1); got != 0 {
		t.Errorf("a share of nothing: %v", got)
	}
}

func TestOutsideInvoiceGoesThroughTheFirstNode(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	made := d.peer.MakeInvoice(4000)
	for _, text := range []string{made.Request, " lightning:" + made.Request + "\n"} {
		req, err := d.s.invoiceRequest(t.Context(), d.invoice(text))
		if err != nil || req.Kind != payment.Lightning || req.Node != bank || req.Amount != 4000*sat || req.FeeReserve != 20*sat ||
			req.PaymentHash != made.Hash || req.Invoice != made.Request || req.KeyID != d.key.ID || req.ID == (payment.ID{}) {
			t.Fatalf("%+v, %v", req, err)
		}
	}
	ask := d.invoice(d.peer.MakeInvoice(0).Request)
	ask.Amount, ask.MaxFee = 1234, new(payment.Msat(math.MaxInt64))
	if req, err := d.s.invoiceRequest(t.Context(), ask); err != nil || req.Amount != 1234 || req.FeeReserve != payment.MaxSat.MustMsat() {
		t.Fatalf("%+v, %v", req, err)
	}
	ask.MaxFee = new(payment.Msat(0))
	if req, err := d.s.invoiceRequest(t.Context(), ask); err != nil || req.FeeReserve != 0 {
		t.Fatalf("%+v, %v", req, err)
	}
}

func TestOwnInvoiceIsPaidInsideTheLedger(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := d.otherWallet()
	made := d.ownInvoice(other, 700)
	req, err := d.s.invoiceRequest(t.Context(), d.invoice(made.Request))
	if err != nil || req.Kind != payment.Intraledger || req.RecipientID != other.ID || req.Amount != 700*sat || req.FeeReserve != 0 ||
		req.Node != "spare" || req.PaymentHash != made.Hash {
		t.Fatalf("%+v, %v", req, err)
	}
	_, err = d.s.PayInvoice(t.Context(), d.invoice(d.ownInvoice(d.wallet, 700).Request))
	wantRefusal(t, err, payment.ReasonSelfPayment)
	d.untouched()
}

func TestOwnAddressIsPaidInsideTheLedger(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := d.otherWallet()
	req, err := d.s.addressRequest(t.Context(), d.address("bitcoin:"+d.ownAddress(other), 1)) // no dust inside
	if err != nil || req.Kind != payment.Intraledger || req.RecipientID != other.ID || req.Amount != sat || req.FeeReserve != 0 {
		t.Fatalf("%+v, %v", req, err)
	}
	_, err = d.s.PayAddress(t.Context(), d.address(d.ownAddress(d.wallet), 5000))
	wantRefusal(t, err, payment.ReasonSelfPayment)

	req, err = d.s.addressRequest(t.Context(), d.address(lndfake.OutsideAddress(), 1000))
	if err != nil || req.Kind != payment.Onchain || req.Node != bank || req.Amount != 1000*sat || req.Speed != payment.Fast || req.SendAll {
		t.Fatalf("%+v, %v", req, err)
	}
	all := d.address(lndfake.OutsideAddress(), 0)
	all.SendAll = true
	if req, err = d.s.addressRequest(t.Context(), all); err != nil || !req.SendAll || req.Amount != 0 {
		t.Fatalf("%+v, %v", req, err)
	}
	d.untouched()
}

// What only the ledger can tell is refused there, with its reason, and moves nothing.
func TestUnknownWalletKeyAndOwnerAreRefusedByTheLedger(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := d.otherWallet()
	foreignKey := ledgertest.NewKey(t, d.ledger, other.AccountID, nil)
	for name, c := range map[string]struct {
		change func(*PayInvoice)
		want   payment.Reason
	}{
		"unknown wallet":   {func(a *PayInvoice) { a.WalletID = newUUID() }, payment.ReasonWalletNotFound},
		"another's wallet": {func(a *PayInvoice) { a.WalletID = other.ID }, payment.ReasonWalletNotFound},
		"unknown key":      {func(a *PayInvoice) { a.KeyID = newUUID() }, payment.ReasonKeyNotFound},
		"another's key":    {func(a *PayInvoice) { a.KeyID = foreignKey.ID }, payment.ReasonKeyNotFound},
		"balance": {func(a *PayInvoice) { a.KeyID, a.Invoice = payment.KeyID{}, d.peer.MakeInvoice(2_000_000).Request },
			payment.ReasonInsufficientBalance},
		"budget": {func(a *PayInvoice) { a.Invoice = d.peer.MakeInvoice(10_001).Request }, payment.ReasonBudgetExceeded},
	} {
		ask := d.invoice(d.peer.MakeInvoice(500).Request)
		c.change(&ask)
		req, err := d.s.invoiceRequest(t.Context(), ask)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		row, err := d.ledger.Reserve(t.Context(), req)
		if err != nil || row.State != payment.Refused || row.Failure.Reason != c.want || row.Failure.Message == "" {
			t.Errorf("%s: %+v, %v", name, row.Failure, err)
		}
		// A second call of the same payment reads the row, without Temporal.
		if got, err := d.s.Start(t.Context(), req); err != nil || got.Failure == nil || got.Failure.Reason != c.want {
			t.Errorf("%s, asked again: %+v, %v", name, got.Failure, err)
		}
	}
	w, err := d.ledger.Wallet(t.Context(), d.wallet.ID)
	if err != nil || w.Held != 0 || w.Balance != 1_000_000*sat {
		t.Fatalf("%+v, %v", w, err)
	}
	ledgertest.Balanced(t, d.ledger)
}

// Invariant 2: same key and body, the first answer, also after the invoice has expired; another body, an error.
func TestSameKeySameBodySameAnswer(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	ask := d.invoice(d.peer.MakeInvoice(500).Request)
	ask.Caller = d.caller("order 17")
	req, err := d.s.invoiceRequest(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ledger.Reserve(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	failure := payment.Failure{Reason: payment.ReasonNoRoute, Message: "no route"}
	if _, err := d.ledger.Void(t.Context(), req, failure, 0); err != nil {
		t.Fatal(err)
	}
	d.s.now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	row, err := d.s.PayInvoice(t.Context(), ask)
	if err != nil || row.ID != req.ID || row.State != payment.Failed || row.Failure.Reason != payment.ReasonNoRoute {
		t.Fatalf("%+v, %v", row, err)
	}

	others := map[string]func(*PayInvoice){
		"memo":   func(a *PayInvoice) { a.Memo = "x" },
		"wallet": func(a *PayInvoice) { a.WalletID = newUUID() },
		"door":   func(a *PayInvoice) { a.Door = payment.DoorCLI },
	}
	for name, change := range others {
		other := ask
		change(&other)
		_, err := d.s.PayInvoice(t.Context(), other)
		if payment.ReasonOf(err) != payment.ReasonIdempotencyConflict {
			t.Errorf("another %s: %v", name, err)
		}
	}
	session := ask
	session.KeyID = payment.KeyID{} // an idempotency key is the account's
	if row, err := d.s.PayInvoice(t.Context(), session); err != nil || row.ID != req.ID || row.KeyID != ask.KeyID {
		t.Errorf("without the API key: %+v, %v", row, err)
	}
	_, err = d.s.PayAddress(t.Context(), PayAddress{Caller: ask.Caller, WalletID: d.wallet.ID, Address: lndfake.OutsideAddress(), Amount: 5000})
	wantRefusal(t, err, payment.ReasonIdempotencyConflict)
	stranger := ask
	stranger.AccountID = newUUID() // the same key of another account is another payment
	if other, err := d.s.invoiceRequest(t.Context(), stranger); payment.ReasonOf(err) != payment.ReasonInvoiceExpired || other.ID == req.ID {
		t.Fatalf("%v, %v", other.ID, err)
	}
}

// What a payment was sent to may have become our own since, or too small: its key still gets the first answer.
func TestSameKeyOfAnAddressThatHasChanged(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	ask := d.address(lndfake.OutsideAddress(), 5_000)
	ask.Caller = d.caller("order 19")
	req, err := d.s.addressRequest(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ledger.Reserve(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	failure := payment.Failure{Reason: payment.ReasonPublishRejected, Message: "refused by the network"}
	if _, err := d.ledger.Void(t.Context(), req, failure, 0); err != nil {
		t.Fatal(err)
	}
	d.s.cfg.Dust = 10_000
	if err := d.ledger.AddAddress(t.Context(), ledger.Address{Address: req.Address, WalletID: d.wallet.ID, AccountID: d.wallet.AccountID, Node: bank}); err != nil {
		t.Fatal(err)
	}
	row, err := d.s.PayAddress(t.Context(), ask)
	if err != nil || row.ID != req.ID || row.Failure == nil || row.Failure.Reason != payment.ReasonPublishRejected {
		t.Fatalf("%+v, %v", row, err)
	}
}

// A live payment of the key with another body is a conflict before Temporal is asked.
func TestAnotherBodyOfALivePaymentIsAConflict(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	ask := d.invoice(d.peer.MakeInvoice(500).Request)
	ask.Caller = d.caller("order 18")
	req, err := d.s.invoiceRequest(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ledger.Reserve(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	ask.Invoice = d.peer.MakeInvoice(501).Request
	_, err = d.s.PayInvoice(t.Context(), ask)
	wantRefusal(t, err, payment.ReasonIdempotencyConflict)
}

// Invariant 5.
func TestAnotherOwnersPaymentLooksAsIfItDidNotExist(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	req, err := d.s.invoiceRequest(t.Context(), d.invoice(d.peer.MakeInvoice(500).Request))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ledger.Reserve(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	_, err = d.s.Get(t.Context(), newUUID(), req.ID)
	wantRefusal(t, err, payment.ReasonPaymentNotFound)
	wantRefusal(t, d.s.Watch(t.Context(), newUUID(), req.ID, nil), payment.ReasonPaymentNotFound)
	for _, account := range []payment.AccountID{d.wallet.AccountID, {}} {
		if row, err := d.s.Get(t.Context(), account, req.ID); err != nil || row.ID != req.ID {
			t.Fatalf("%+v, %v", row, err)
		}
	}
	done := make(chan ledger.Payment, 1)
	go func() {
		row, err := d.s.Await(t.Context(), d.wallet.AccountID, req.ID)
		if err != nil {
			t.Error(err)
		}
		done <- row
	}()
	if _, err := d.ledger.Void(t.Context(), req, payment.Failure{Reason: payment.ReasonCanceled, Message: "m"}, 0); err != nil {
		t.Fatal(err)
	}
	if row := <-done; row.State != payment.Failed {
		t.Fatalf("awaited %s", row.State)
	}
	for _, steer := range []func() (ledger.Payment, error){
		func() (ledger.Payment, error) { return d.s.Recheck(t.Context(), req.ID) },
		func() (ledger.Payment, error) { return d.s.Abandon(t.Context(), req.ID) },
	} {
		if row, err := steer(); err != nil || row.State != payment.Failed { // over: Temporal is not asked
			t.Fatalf("%+v, %v", row, err)
		}
	}
}

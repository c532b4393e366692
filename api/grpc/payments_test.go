package grpcapi_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	paymentsv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	apikeysv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

// shop is a customer with a wallet and an API key, and a client that acts for him.
type shop struct {
	t testing.TB
	paymentsv1.PaymentsServiceClient
	wallet ledger.Wallet
	key    ledger.Key
}

func newShop(t testing.TB, limits map[payment.Window]payment.Sat, change ...func(*grpcapi.Config)) shop {
	t.Helper()
	wallet := ledgertest.Funded(t, house.ledger, 1_000_000*sat)
	return shop{
		t, paymentsv1.NewPaymentsServiceClient(serve(t, change...).dial(t)), wallet, ledgertest.NewKey(t, house.ledger, wallet.AccountID, limits),
	}
}

// request is what all payments of the shop share.
func (s shop) request(idempotencyKey string) *paymentsv1.StartRequest {
	return &paymentsv1.StartRequest{
		AccountId: s.wallet.AccountID.String(), WalletId: s.wallet.ID.String(), KeyId: s.key.ID.String(), IdempotencyKey: idempotencyKey, Memo: "tea",
	}
}

func (s shop) toWallet(to ledger.Wallet, amount payment.Msat, idempotencyKey string) *paymentsv1.StartRequest {
	req := s.request(idempotencyKey)
	req.Destination = &paymentsv1.StartRequest_Wallet_{Wallet: &paymentsv1.StartRequest_Wallet{WalletId: to.ID.String(), AmountMsat: int64(amount)}}
	return req
}

func (s shop) toInvoice(text string) *paymentsv1.StartRequest {
	req := s.request("")
	req.Destination = &paymentsv1.StartRequest_Invoice_{Invoice: &paymentsv1.StartRequest_Invoice{PaymentRequest: text, MaxFeeMsat: new(int64(5_000))}}
	return req
}

func (s shop) start(req *paymentsv1.StartRequest) *paymentsv1.Payment {
	s.t.Helper()
	answer, err := s.Start(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.GetPayment()
}

func (s shop) get(id string) *paymentsv1.Payment {
	s.t.Helper()
	answer, err := s.Get(s.t.Context(), &paymentsv1.GetRequest{Id: id, AccountId: s.wallet.AccountID.String()})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.GetPayment()
}

func (s shop) limits() *paymentsv1.Limits {
	s.t.Helper()
	answer, err := s.GetLimits(s.t.Context(), &paymentsv1.GetLimitsRequest{KeyId: s.key.ID.String()})
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.GetLimits()
}

func TestStartAndReplay(t *testing.T) {
	t.Parallel()
	s, friend := newShop(t, map[payment.Window]payment.Sat{payment.Daily: 10_000}), ledgertest.Funded(t, house.ledger, 0)
	req := s.toWallet(friend, 7_000*sat, uuid.NewString())
	first := s.start(req)
	if first.GetState() != paymentsv1.State_STATE_SETTLED || first.GetKind() != paymentsv1.Kind_KIND_INTRALEDGER || first.GetAmountMsat() != 7_000_000 ||
		first.GetMemo() != "tea" || first.GetRecipientWalletId() != friend.ID.String() || first.GetResolvedAt() == nil || first.GetKeyId() != s.key.ID.String() {
		t.Fatalf("%v", first)
	}
	if again := s.start(req); !proto.Equal(first, again) {
		t.Fatalf("asked again: %v, first %v", again, first)
	}
	if read := s.get(first.GetId()); !proto.Equal(first, read) {
		t.Fatalf("read: %v, first %v", read, first)
	}
	other := proto.CloneOf(req)
	other.Memo = "coffee"
	_, err := s.Start(t.Context(), other)
	wantCode(t, err, codes.AlreadyExists)

	refused := s.toWallet(friend, 3_001*sat, uuid.NewString())
	for range 2 { // sticky
		_, err = s.Start(t.Context(), refused)
		answer := wantCode(t, err, codes.FailedPrecondition)
		if !strings.HasSuffix(answer.Message(), "daily spending limit exceeded") {
			t.Errorf("%q", answer.Message())
		}
		wantShortfall(t, answer, &paymentsv1.BudgetShortfall{LimitSat: 10_000, SpentSat: 7_000, RemainingSat: 3_000, NeededSat: 3_001}, payment.Daily)
	}
	if s.limits().GetWindows()[0].GetSpentSat() != 7_000 {
		t.Errorf("%v", s.limits())
	}
}

func TestStartLightningAndOnchain(t *testing.T) {
	t.Parallel()
	s := newShop(t, nil)
	paid := s.start(s.toInvoice(house.peer.MakeInvoice(500).Request))
	if paid.GetState() != paymentsv1.State_STATE_SETTLED || paid.GetKind() != paymentsv1.Kind_KIND_LIGHTNING || len(paid.GetPreimage()) != 64 ||
		len(paid.GetPaymentHash()) != 64 || paid.GetNode() != bankName || paid.GetFeeReserveMsat() != 5_000 {
		t.Fatalf("%v", paid)
	}
	invoice := house.peer.MakeInvoice(300)
	house.bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonNoRoute))
	failed := s.start(s.toInvoice(invoice.Request)) // accepted, then failed: a result
	if failed.GetState() != paymentsv1.State_STATE_FAILED || failed.GetFailure().GetReason() != paymentsv1.Reason_REASON_NO_ROUTE || failed.GetFailure().GetMessage() == "" {
		t.Fatalf("%v", failed)
	}
	open := s.toInvoice(house.peer.MakeInvoice(0).Request)
	open.GetInvoice().AmountMsat = 1_234_000
	if p := s.start(open); p.GetAmountMsat() != 1_234_000 || p.GetState() != paymentsv1.State_STATE_SETTLED {
		t.Fatalf("%v", p)
	}
	_, err := s.Start(t.Context(), s.toInvoice(house.peer.MakeExpired(5).Request))
	wantCode(t, err, codes.FailedPrecondition)

	chain := s.request("")
	chain.Destination = &paymentsv1.StartRequest_Address_{Address: &paymentsv1.StartRequest_Address{Address: lndfake.OutsideAddress(), AmountSat: 999}}
	_, err = s.Start(t.Context(), chain)
	if answer := wantCode(t, err, codes.InvalidArgument); !strings.Contains(answer.Message(), "lightning") {
		t.Errorf("%q", answer.Message())
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	s, stranger := newShop(t, nil), ledgertest.Funded(t, house.ledger, 5*sat)
	friend := ledgertest.Funded(t, house.ledger, 0)
	change := func(change func(*paymentsv1.StartRequest)) *paymentsv1.StartRequest {
		req := s.toWallet(friend, 1_000, "")
		change(req)
		return req
	}
	for name, try := range map[string]struct {
		req  *paymentsv1.StartRequest
		want codes.Code
	}{
		"no destination":       {s.request(""), codes.InvalidArgument},
		"no account":           {change(func(r *paymentsv1.StartRequest) { r.AccountId = "" }), codes.InvalidArgument},
		"bad wallet":           {change(func(r *paymentsv1.StartRequest) { r.WalletId = "x" }), codes.InvalidArgument},
		"bad key":              {change(func(r *paymentsv1.StartRequest) { r.KeyId = "x" }), codes.InvalidArgument},
		"another's wallet":     {change(func(r *paymentsv1.StartRequest) { r.WalletId = stranger.ID.String() }), codes.NotFound},
		"unknown key":          {change(func(r *paymentsv1.StartRequest) { r.KeyId = uuid.NewString() }), codes.NotFound},
		"zero":                 {s.toWallet(friend, 0, ""), codes.InvalidArgument},
		"negative":             {s.toWallet(friend, -1, ""), codes.InvalidArgument},
		"to itself":            {s.toWallet(s.wallet, 1, ""), codes.InvalidArgument},
		"more than there is":   {s.toWallet(friend, 1_000_001*sat, ""), codes.FailedPrecondition},
		"a memo of 640 bytes":  {change(func(r *paymentsv1.StartRequest) { r.Memo = strings.Repeat("x", 640) }), codes.InvalidArgument},
		"an invoice that isnt": {s.toInvoice("lnbcrt1garbage"), codes.InvalidArgument},
		"an unknown speed": {change(func(r *paymentsv1.StartRequest) {
			r.Destination = &paymentsv1.StartRequest_Address_{Address: &paymentsv1.StartRequest_Address{Address: lndfake.OutsideAddress(), AmountSat: 9_000, Speed: 9}}
		}), codes.InvalidArgument},
	} {
		if _, err := s.Start(t.Context(), try.req); status.Code(err) != try.want {
			t.Errorf("%s: %v, want %v", name, err, try.want)
		}
	}
	for name, req := range map[string]*paymentsv1.GetRequest{
		"bad id": {Id: "x"}, "no id": {}, "unknown": {Id: uuid.NewString()},
		"another account": {Id: s.start(s.toWallet(friend, 1, "")).GetId(), AccountId: stranger.AccountID.String()},
	} {
		want := codes.NotFound
		if len(req.GetId()) != 36 {
			want = codes.InvalidArgument
		}
		if _, err := s.Get(t.Context(), req); status.Code(err) != want {
			t.Errorf("get, %s: %v", name, err)
		}
	}
}

// A key that was made for reading neither pays nor locks.
func TestReadKeyDoesNotSpend(t *testing.T) {
	t.Parallel()
	s, friend := newShop(t, nil), ledgertest.Funded(t, house.ledger, 0)
	reader, err := house.ledger.CreateKey(t.Context(), ledger.Key{
		ID: uuid.New(), AccountID: s.wallet.AccountID, Name: "reader", Scopes: []payment.Scope{payment.ScopeRead},
	}, ledgertest.RandomHash())
	must(t, err)
	s.key = reader
	_, err = s.Start(t.Context(), s.toWallet(friend, 1_000, ""))
	wantCode(t, err, codes.PermissionDenied)
	b := newBudgets(t, nil)
	_, err = b.CheckAndLockSpending(t.Context(), &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: reader.ID.String(), AmountSats: 1})
	wantCode(t, err, codes.PermissionDenied)
}

// Pages neither skip nor repeat a row while others are written.
func TestListPages(t *testing.T) {
	t.Parallel()
	s, friend := newShop(t, nil), ledgertest.Funded(t, house.ledger, 0)
	var want []string
	for i := range 7 {
		want = append([]string{s.start(s.toWallet(friend, payment.Msat(1_000*(i+1)), "")).GetId()}, want...)
	}
	var got []string
	req := &paymentsv1.ListRequest{AccountId: s.wallet.AccountID.String(), PageSize: 3}
	for page := 0; ; page++ {
		answer, err := s.List(t.Context(), req)
		must(t, err)
		for _, p := range answer.GetPayments() {
			got = append(got, p.GetId())
		}
		if answer.GetNextPageToken() == "" {
			break
		}
		req.PageToken = answer.GetNextPageToken()
		s.start(s.toWallet(friend, 1, ""))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %v\nwant %v", got, want)
	}
	count := func(req *paymentsv1.ListRequest) int {
		t.Helper()
		answer, err := s.List(t.Context(), req)
		must(t, err)
		return len(answer.GetPayments())
	}
	wallet := s.wallet.ID.String()
	settled := &paymentsv1.ListRequest{WalletId: wallet, States: []paymentsv1.State{paymentsv1.State_STATE_SETTLED}, Kind: paymentsv1.Kind_KIND_INTRALEDGER}
	if n := count(settled); n < 7 {
		t.Errorf("%d settled", n)
	}
	if n := count(&paymentsv1.ListRequest{WalletId: wallet, States: []paymentsv1.State{paymentsv1.State_STATE_FAILED}}); n != 0 {
		t.Errorf("%d failed", n)
	}
	if n := count(&paymentsv1.ListRequest{KeyId: s.key.ID.String(), PageSize: 1_000_000}); n < 7 {
		t.Errorf("%d of the key", n)
	}
	for name, bad := range map[string]*paymentsv1.ListRequest{
		"token": {PageToken: "bm9uc2Vuc2U"}, "token that is no base64": {PageToken: "%"}, "size": {PageSize: -1}, "account": {AccountId: "x"},
		"wallet": {WalletId: "x"}, "key": {KeyId: "x"}, "kind": {Kind: 9}, "state": {States: []paymentsv1.State{0}},
	} {
		if _, err := s.List(t.Context(), bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s, stranger := newShop(t, nil), newKey(t, nil)
	account, key := s.wallet.AccountID.String(), s.key.ID.String()
	for i, window := range []paymentsv1.Window{1, 2, 3, 4} {
		answer, err := s.SetLimit(t.Context(), &paymentsv1.SetLimitRequest{AccountId: account, KeyId: key, Window: window, LimitSat: int64(100 * (i + 1))})
		must(t, err)
		w := answer.GetLimits().GetWindows()
		if len(w) != 4 || w[i].GetWindow() != window || w[i].GetLimitSat() != int64(100*(i+1)) || w[i].GetRemainingSat() != int64(100*(i+1)) {
			t.Fatalf("%v", answer)
		}
	}
	for range 2 { // one that is not there is no error
		answer, err := s.RemoveLimit(t.Context(), &paymentsv1.RemoveLimitRequest{AccountId: account, KeyId: key, Window: paymentsv1.Window_WINDOW_WEEKLY})
		must(t, err)
		if w := answer.GetLimits().GetWindows()[1]; w.LimitSat != nil || w.RemainingSat != nil {
			t.Fatalf("%v", answer)
		}
	}
	for name, try := range map[string]struct {
		req  *paymentsv1.SetLimitRequest
		want codes.Code
	}{
		"zero":          {&paymentsv1.SetLimitRequest{AccountId: account, KeyId: key, Window: 1}, codes.InvalidArgument},
		"no window":     {&paymentsv1.SetLimitRequest{AccountId: account, KeyId: key, LimitSat: 1}, codes.InvalidArgument},
		"no account":    {&paymentsv1.SetLimitRequest{KeyId: key, Window: 1, LimitSat: 1}, codes.InvalidArgument},
		"another's key": {&paymentsv1.SetLimitRequest{AccountId: account, KeyId: stranger.ID.String(), Window: 1, LimitSat: 1}, codes.NotFound},
	} {
		if _, err := s.SetLimit(t.Context(), try.req); status.Code(err) != try.want {
			t.Errorf("%s: %v, want %v", name, err, try.want)
		}
	}
	_, err := s.RemoveLimit(t.Context(), &paymentsv1.RemoveLimitRequest{AccountId: stranger.AccountID.String(), KeyId: key, Window: 1})
	wantCode(t, err, codes.NotFound)
	_, err = s.GetLimits(t.Context(), &paymentsv1.GetLimitsRequest{AccountId: stranger.AccountID.String(), KeyId: key})
	wantCode(t, err, codes.NotFound)
	if s.limits().GetWindows()[0].GetLimitSat() != 100 {
		t.Errorf("%v", s.limits())
	}
}

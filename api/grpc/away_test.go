package grpcapi_test

import (
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	paymentsv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	apikeysv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/starter"
)

// Postgres does not answer: UNAVAILABLE, whatever is asked, and nothing of its driver.
func TestTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	key := newKey(t, nil)
	books, cut := wired(t)
	conn := serve(t, func(c *grpcapi.Config) {
		c.Ledger = books
		c.Starter = starter.New(house.temporal, books, starter.DefaultConfig(lndclient.Regtest, []string{bankName}), silent())
	}).dial(t)
	must(t, summaryOf(t.Context(), conn, key.ID.String()))
	cut()
	_, checked := apikeysv1.NewApiKeysServiceClient(conn).CheckSpendingLimit(t.Context(), &apikeysv1.CheckSpendingLimitRequest{ApiKeyId: key.ID.String(), AmountSats: 1})
	_, recorded := apikeysv1.NewApiKeysServiceClient(conn).RecordSpending(t.Context(),
		&apikeysv1.RecordSpendingRequest{ApiKeyId: key.ID.String(), AmountSats: 1, TransactionId: new("away " + key.ID.String())})
	_, got := paymentsv1.NewPaymentsServiceClient(conn).Get(t.Context(), &paymentsv1.GetRequest{Id: key.ID.String(), AccountId: key.AccountID.String()})
	_, listed := paymentsv1.NewPaymentsServiceClient(conn).List(t.Context(), &paymentsv1.ListRequest{AccountId: key.AccountID.String()})
	for name, err := range map[string]error{"summary": summaryOf(t.Context(), conn, key.ID.String()), "check": checked, "record": recorded, "get": got, "list": listed} {
		answer := status.Convert(err)
		if answer.Code() != codes.Unavailable || strings.Contains(answer.Proto().String(), "127.0.0.1") || strings.Contains(answer.Message(), "dial") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// wired opens the ledger over a wire that can be cut.
func wired(t *testing.T) (books *ledger.Ledger, cut func()) {
	t.Helper()
	at, err := url.Parse(house.database)
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var mu sync.Mutex
	ends, server := []net.Conn{}, at.Host
	cut = sync.OnceFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		_ = listener.Close()
		for _, end := range ends {
			_ = end.Close()
		}
		ends = nil
	})
	t.Cleanup(cut)
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", server)
			if err != nil {
				_ = from.Close()
				continue
			}
			mu.Lock()
			ends = append(ends, from, to)
			mu.Unlock()
			go func() { _, _ = io.Copy(from, to); _ = from.Close() }()
			go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		}
	}()
	at.Host = listener.Addr().String()
	books, err = ledger.Open(t.Context(), at.String(), ledger.WithMaxConns(2))
	must(t, err)
	t.Cleanup(books.Close)
	return books, cut
}

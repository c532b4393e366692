package grpcapi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	grpcapi "github.com/holdfast-pay/holdfast/api/grpc"
	paymentsv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/holdfast/payments/v1"
	apikeysv1 "github.com/holdfast-pay/holdfast/api/grpc/gen/services/api_keys/v1"
	"github.com/holdfast-pay/holdfast/api/limit"
	"github.com/holdfast-pay/holdfast/payment"
)

const token = "0123456789abcdef0123456789abcdef"

// certificate makes files of a self-signed one for 127.0.0.1, and the pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "holdfast test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write := func(name, kind string, content []byte) string {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
		return path
	}
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(der)
	must(t, err)
	pool.AddCert(parsed)
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", secret), pool
}

// production is a server with TLS and a token, and how to trust it.
func production(t *testing.T, change ...func(*grpcapi.Config)) (running, grpc.DialOption) {
	t.Helper()
	certFile, keyFile, pool := certificate(t)
	return secured(t, certFile, keyFile, change...), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool}))
}

func secured(t *testing.T, certFile, keyFile string, change ...func(*grpcapi.Config)) running {
	t.Helper()
	secure := func(c *grpcapi.Config) { c.Development, c.Token, c.TLSCert, c.TLSKey = false, token, certFile, keyFile }
	return serve(t, append([]func(*grpcapi.Config){secure}, change...)...)
}

func withAuthorization(ctx context.Context, value string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", value)
}

func summaryOf(ctx context.Context, conn *grpc.ClientConn, key string, options ...grpc.CallOption) error {
	_, err := apikeysv1.NewApiKeysServiceClient(conn).GetSpendingSummary(ctx, &apikeysv1.GetSpendingSummaryRequest{ApiKeyId: key}, options...)
	return err
}

func TestTLSAndToken(t *testing.T) {
	t.Parallel()
	server, trusted := production(t)
	conn, key := server.dial(t, trusted), newKey(t, nil).ID.String()
	must(t, summaryOf(withAuthorization(t.Context(), "Bearer "+token), conn, key))
	must(t, summaryOf(withAuthorization(t.Context(), "bearer "+token), conn, key))
	for name, given := range map[string][]string{
		"none": nil, "empty": {""}, "wrong": {"Bearer " + strings.Repeat("f", 32)}, "part of it": {"Bearer " + token[:31]}, "more": {"Bearer " + token + "0"},
		"without scheme": {token}, "another scheme": {"Basic " + token}, "twice": {"Bearer " + token, "Bearer " + token}, "no token": {"Bearer "},
	} {
		ctx := t.Context()
		for _, value := range given {
			ctx = withAuthorization(ctx, value)
		}
		if err := summaryOf(ctx, conn, key); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: %v", name, err)
		}
		stream, err := paymentsv1.NewPaymentsServiceClient(conn).Watch(ctx, &paymentsv1.WatchRequest{Id: key})
		must(t, err)
		if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
			t.Errorf("%s: a stream: %v", name, err)
		}
	}
	wantCode(t, summaryOf(withAuthorization(t.Context(), "Bearer "+token), server.dial(t), key), codes.Unavailable) // in the clear
	untrusting := server.dial(t, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: x509.NewCertPool()})))
	wantCode(t, summaryOf(withAuthorization(t.Context(), "Bearer "+token), untrusting, key), codes.Unavailable)
}

// Probes have no token; reflection is for development only.
func TestHealthAndReflection(t *testing.T) {
	t.Parallel()
	stopping, stop := context.WithCancel(t.Context())
	defer stop()
	server, trusted := production(t, func(c *grpcapi.Config) { c.Stopping = stopping })
	conn := server.dial(t, trusted)
	probe := healthv1.NewHealthClient(conn)
	for _, service := range []string{"", "services.api_keys.v1.ApiKeysService", "holdfast.payments.v1.PaymentsService"} {
		answer, err := probe.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", service, answer, err)
		}
	}
	watch, err := probe.Watch(t.Context(), &healthv1.HealthCheckRequest{})
	must(t, err)
	if first, err := watch.Recv(); err != nil || first.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", first, err)
	}
	reflects := func(conn *grpc.ClientConn) error {
		stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(withAuthorization(t.Context(), "Bearer "+token))
		must(t, err)
		_ = stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}}) // Recv tells why not
		_, err = stream.Recv()
		return err
	}
	wantCode(t, reflects(conn), codes.Unimplemented)
	must(t, reflects(serve(t).dial(t)))

	stop()
	soon(t, "health says that it stops", func() bool {
		answer, err := probe.Check(t.Context(), &healthv1.HealthCheckRequest{})
		must(t, err)
		return answer.GetStatus() == healthv1.HealthCheckResponse_NOT_SERVING
	})
	for err == nil { // the watch of health ends too
		_, err = watch.Recv()
	}
	wantCode(t, err, codes.Unavailable)
}

// A call of which the client says no deadline ends by ours, as does one whose client has endless patience.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	key := newKey(t, nil)
	b := budgets{t, apikeysv1.NewApiKeysServiceClient(serve(t, func(c *grpcapi.Config) {
		c.Deadlines = grpcapi.Deadlines{Default: 150 * time.Millisecond, Most: 300 * time.Millisecond}
	}).dial(t)), key}
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, house.database)
	must(t, err)
	t.Cleanup(func() { conn.Close(context.Background()) })
	tx, err := conn.Begin(ctx) // somebody holds the key's budget
	must(t, err)
	_, err = tx.Exec(ctx, "SELECT FROM budgets WHERE key_id = $1 FOR UPDATE", key.ID)
	must(t, err)
	for name, patience := range map[string]time.Duration{"none given": 0, "an hour": time.Hour} {
		callCtx, cancel := ctx, context.CancelFunc(func() {})
		if patience > 0 {
			callCtx, cancel = context.WithTimeout(ctx, patience)
		}
		began := time.Now()
		_, err := b.RecordSpending(callCtx, &apikeysv1.RecordSpendingRequest{ApiKeyId: key.ID.String(), AmountSats: 1, TransactionId: new(name)})
		cancel()
		answer := wantCode(t, err, codes.DeadlineExceeded)
		if took := time.Since(began); took > 4*time.Second || !strings.Contains(answer.Message(), "repeat the call") {
			t.Errorf("%s: %v after %v", name, err, took)
		}
	}
	must(t, tx.Rollback(ctx))
	must(t, b.record(1, "free again", ""))
}

func TestOversizeMessage(t *testing.T) {
	t.Parallel()
	conn := serve(t).dial(t)
	wantCode(t, summaryOf(t.Context(), conn, strings.Repeat("x", 65<<10)), codes.ResourceExhausted)
	must(t, summaryOf(t.Context(), conn, newKey(t, nil).ID.String())) // the connection goes on
	huge := metadata.AppendToOutgoingContext(t.Context(), "x-filler", strings.Repeat("x", 20<<10))
	if err := summaryOf(huge, conn, newKey(t, nil).ID.String()); err == nil {
		t.Error("20 KiB of metadata were taken")
	}
}

// lines is a log that a test reads.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.SplitSeq(l.text.String(), "\n") {
		found := true
		for _, part := range parts {
			found = found && strings.Contains(line, part)
		}
		if found {
			return true
		}
	}
	return false
}

func TestRequestIDAndLog(t *testing.T) {
	t.Parallel()
	log := &lines{}
	b := newBudgets(t, map[payment.Window]payment.Sat{payment.Daily: 1}, func(c *grpcapi.Config) {
		c.Token, c.Log = token, slog.New(slog.NewJSONHandler(log, nil))
	})
	call := func(ctx context.Context, amount int64) (id string, err error) {
		var header metadata.MD
		_, err = b.CheckAndLockSpending(withAuthorization(ctx, "Bearer "+token),
			&apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: b.key.ID.String(), AmountSats: amount}, grpc.Header(&header))
		return strings.Join(header.Get("x-request-id"), ","), err
	}
	named := metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "order-17")
	id, err := call(named, 2)
	wantCode(t, err, codes.FailedPrecondition)
	if id != "order-17" {
		t.Errorf("answered the id %q", id)
	}
	if !log.has(`"level":"INFO"`, `"request_id":"order-17"`, `"code":"FailedPrecondition"`, `"reason":"BUDGET_EXCEEDED"`, "CheckAndLockSpending") {
		t.Errorf("log:\n%s", log.text.String())
	}
	for _, ctx := range []context.Context{t.Context(), metadata.AppendToOutgoingContext(t.Context(), "x-request-id", "a b\"c")} {
		if id, _ := call(ctx, 2); len(id) != 36 {
			t.Errorf("made the id %q", id)
		}
	}
	if log.has(token) || log.has(token[:20]) {
		t.Error("the token is in the log")
	}
}

// A panic ends one call; its text goes to the log only.
func TestPanicIsInternal(t *testing.T) {
	t.Parallel()
	log := &lines{}
	conn := serve(t, func(c *grpcapi.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, nil))
		c.Options = []grpc.ServerOption{grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if r, ok := req.(*apikeysv1.GetSpendingSummaryRequest); ok && r.GetApiKeyId() == "panic" {
				panic("the secret of the house")
			}
			return next(ctx, req)
		})}
	}).dial(t)
	answer := wantCode(t, summaryOf(t.Context(), conn, "panic"), codes.Internal)
	if strings.Contains(answer.Proto().String(), "secret") || !log.has("the secret of the house", "gate_test.go") {
		t.Errorf("told %v", answer)
	}
	must(t, summaryOf(t.Context(), conn, newKey(t, nil).ID.String()))
}

// scripted is a limiter that refuses some subjects, and notes all.
type scripted struct {
	mu      sync.Mutex
	refuses string
	asked   []string
}

func (s *scripted) Allow(_ context.Context, class, subject string) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, class+" "+subject)
	return 1500 * time.Millisecond, class+" "+subject != s.refuses
}

func (*scripted) Peek(context.Context, string, string) (time.Duration, bool) { return 0, true }

func (s *scripted) refuse(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses, s.asked = what, nil
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	limiter := &scripted{}
	conn := serve(t, func(c *grpcapi.Config) { c.Limiter, c.Token = limiter, token }).dial(t)
	key := newKey(t, nil)
	ctx, id, account := withAuthorization(t.Context(), "Bearer "+token), key.ID.String(), key.AccountID.String()
	budget, payments := apikeysv1.NewApiKeysServiceClient(conn), paymentsv1.NewPaymentsServiceClient(conn)
	watch := func() error {
		stream, err := payments.Watch(ctx, &paymentsv1.WatchRequest{Id: id, AccountId: account})
		must(t, err)
		_, err = stream.Recv()
		return err
	}
	for name, try := range map[string]struct {
		refuses string
		call    func() error
	}{
		"lock": {limit.Payments + " " + limit.Key(id), func() error {
			_, err := budget.CheckAndLockSpending(ctx, &apikeysv1.CheckAndLockSpendingRequest{ApiKeyId: strings.ToUpper(id), AmountSats: 1})
			return err
		}},
		"summary": {limit.Reads + " " + limit.Key(id), func() error { return summaryOf(ctx, conn, id) }},
		"start": {limit.Payments + " " + limit.Account(account), func() error {
			_, err := payments.Start(ctx, &paymentsv1.StartRequest{AccountId: account, WalletId: id})
			return err
		}},
		"watch": {limit.Reads + " " + limit.Account(account), watch},
		"wrong token": {limit.Credentials + " " + limit.Address("127.0.0.1"), func() error {
			return summaryOf(withAuthorization(t.Context(), "Bearer "+token+"0"), conn, id)
		}},
		"two tokens": {limit.Credentials + " " + limit.Address("127.0.0.1"), func() error {
			return summaryOf(withAuthorization(ctx, "Bearer "+token), conn, id)
		}},
		"no token": {limit.Anonymous + " " + limit.Address("127.0.0.1"), func() error { return summaryOf(t.Context(), conn, id) }},
	} {
		limiter.refuse(try.refuses)
		answer := wantCode(t, try.call(), codes.ResourceExhausted)
		var wait time.Duration
		for _, detail := range answer.Details() {
			if info, ok := detail.(*errdetails.RetryInfo); ok {
				wait = info.GetRetryDelay().AsDuration()
			}
		}
		if wait != 1500*time.Millisecond {
			t.Errorf("%s: retry in %v: %v", name, wait, answer)
		}
	}
	limiter.refuse("")
	_, err := budget.RecordSpending(ctx, &apikeysv1.RecordSpendingRequest{ApiKeyId: id, AmountSats: 1, TransactionId: new("tx " + id)})
	must(t, err)
	_, err = budget.ReverseSpending(ctx, &apikeysv1.ReverseSpendingRequest{TransactionId: "tx " + id})
	must(t, err)
	if len(limiter.asked) != 0 {
		t.Errorf("what has happened was limited: %q", limiter.asked)
	}
}

func TestConfigNamesEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := grpcapi.New(grpcapi.Config{Token: "short", TLSCert: "cert.pem"})
	for _, part := range []string{"starter", "shorter than 20", "both needed"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	_, err = grpcapi.New(grpcapi.Config{Starter: newStarter(house.temporal, 0), Ledger: house.ledger})
	for _, part := range []string{"no token", "no TLS"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	_, err = grpcapi.New(grpcapi.Config{Starter: newStarter(house.temporal, 0), Ledger: house.ledger, Token: token, TLSCert: "/nowhere", TLSKey: "/nowhere"})
	if err == nil || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("%v", err)
	}
}

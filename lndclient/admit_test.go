package lndclient_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/lndclient/lndfake"
	"github.com/holdfast-pay/holdfast/payment"
)

const (
	fitting = "0.21.3-beta commit=v0.21.3-beta"
	tooOld  = "0.17.5-beta commit=v0.17.5-beta"
)

// stub is a node that says who it is, and counts what else it is asked.
type stub struct {
	lnrpc.UnimplementedLightningServer
	routerrpc.UnimplementedRouterServer

	t       *testing.T
	cert    tls.Certificate
	address string
	server  *grpc.Server

	version, network atomic.Value
	asked, reached   atomic.Int32
}

func (s *stub) GetInfo(context.Context, *lnrpc.GetInfoRequest) (*lnrpc.GetInfoResponse, error) {
	s.asked.Add(1)
	network, _ := s.network.Load().(string)
	version, _ := s.version.Load().(string)
	return &lnrpc.GetInfoResponse{Version: version, Chains: []*lnrpc.Chain{{Chain: "bitcoin", Network: network}}}, nil
}

func (s *stub) NewAddress(context.Context, *lnrpc.NewAddressRequest) (*lnrpc.NewAddressResponse, error) {
	s.reached.Add(1)
	return &lnrpc.NewAddressResponse{Address: "bcrt1q"}, nil
}

func (s *stub) SendPaymentV2(*routerrpc.SendPaymentRequest, routerrpc.Router_SendPaymentV2Server) error {
	s.reached.Add(1)
	return status.Error(codes.AlreadyExists, "payment is in transition")
}

// newStub makes a node and a client of it; the node is away until it starts.
func newStub(t *testing.T) (*stub, *lndclient.Client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stub{t: t, address: listener.Addr().String()}
	_ = listener.Close()
	path := filepath.Join(t.TempDir(), "tls.cert")
	s.cert = selfSigned(t, path)
	client, err := lndclient.New(lndclient.Config{
		Name: "bank", Address: s.address, TLSCertPath: path, Macaroon: []byte("secret"), Network: lndclient.Regtest,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	t.Cleanup(s.stop)
	return s, client
}

// start brings the node up, or another one to its address.
func (s *stub) start(version, network string) {
	s.t.Helper()
	s.stop()
	s.version.Store(version)
	s.network.Store(network)
	s.asked.Store(0)
	s.reached.Store(0)
	listener, err := (&net.ListenConfig{}).Listen(s.t.Context(), "tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&s.cert)))
	lnrpc.RegisterLightningServer(s.server, s)
	routerrpc.RegisterRouterServer(s.server, s)
	go func() { _ = s.server.Serve(listener) }()
}

func (s *stub) stop() {
	if s.server != nil {
		s.server.Stop()
	}
}

func selfSigned(t *testing.T, path string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// until calls until the node that has just started was asked who it is, and gives the last call's error. A call that asks while
// its own connection to the node before is already lost is refused by that, and says nothing of the new one.
func (s *stub) until(call func() error) error {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for {
		err := call()
		if s.asked.Load() > 0 && (err == nil || !strings.Contains(err.Error(), "connected anew")) {
			return err
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("the node was never asked: %v", err)
		}
	}
}

func address(t *testing.T, client *lndclient.Client) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := client.NewAddress(ctx)
		return err
	}
}

// Invariant 8: nothing is sent to a node that does not fit, whether it is there first or takes the place of one that fits.
func TestNothingReachesANodeThatDoesNotFit(t *testing.T) {
	t.Parallel()
	order := lndclient.SendPayment{Invoice: lndfake.New().AddNode("peer").MakeInvoice(1000).Request, PathfindingTimeout: time.Second}
	for name, c := range map[string]struct{ version, network, says string }{
		"too old":         {tooOld, lndclient.Regtest, "0.17.5"},
		"another network": {fitting, lndclient.Mainnet, "mainnet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			node, client := newStub(t)
			newAddress := address(t, client)
			refused := func() {
				t.Helper()
				node.start(c.version, c.network)
				_ = node.until(newAddress)
				_, send := client.SendPayment(t.Context(), order)
				for call, err := range map[string]error{"unary": newAddress(), "stream": send} {
					if !errors.Is(err, lndclient.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
						t.Errorf("%s: %v", call, err)
					}
				}
				if err := client.Check(t.Context()); !payment.IsReason(err, payment.ReasonInvalidInput) {
					t.Errorf("check: %v", err)
				}
				if n := node.reached.Load(); n != 0 {
					t.Errorf("%d calls reached the node", n)
				}
			}
			refused()
			node.start(fitting, lndclient.Regtest)
			if err := node.until(newAddress); err != nil || node.reached.Load() != 1 {
				t.Fatalf("the node fits now: %v, %d calls reached it", err, node.reached.Load())
			}
			if _, err := client.SendPayment(t.Context(), order); !errors.Is(err, lndclient.ErrAlreadyExists) {
				t.Errorf("the node's own answer: %v", err)
			}
			refused()
		})
	}
}

// Many calls on a new connection ask once, and none of them is held up by the others' end.
func TestNodeIsAskedOncePerConnection(t *testing.T) {
	t.Parallel()
	node, client := newStub(t)
	node.start(fitting, lndclient.Regtest)
	newAddress := address(t, client)
	var calls sync.WaitGroup
	for range 20 {
		calls.Go(func() {
			if err := newAddress(); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if asked, reached := node.asked.Load(), node.reached.Load(); asked != 1 || reached != 20 {
		t.Errorf("asked %d times, reached by %d calls", asked, reached)
	}
	node.start(fitting, lndclient.Regtest)
	if err := node.until(newAddress); err != nil || node.asked.Load() != 1 {
		t.Errorf("after a restart: %v, asked %d times", err, node.asked.Load())
	}
}

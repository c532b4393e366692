package settings_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// cloud stands for Temporal Cloud: it wants TLS, and of the client a certificate or an API key for its namespace.
type cloud struct {
	workflowservice.UnimplementedWorkflowServiceServer
	key string // empty: a certificate
}

func (c *cloud) GetSystemInfo(ctx context.Context, _ *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	sent, _ := metadata.FromIncomingContext(ctx)
	if c.key != "" && strings.Join(sent.Get("authorization"), "") != "Bearer "+c.key {
		return nil, status.Error(codes.PermissionDenied, "Request unauthorized.")
	}
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (c *cloud) DescribeNamespace(_ context.Context, asked *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	if asked.GetNamespace() != "payments.a1b2c" {
		return nil, status.Error(codes.NotFound, "Namespace "+asked.GetNamespace()+" is not found.")
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

// serve answers at an address of this machine with the certificate of "temporal.example".
func (c *cloud) serve(t *testing.T, ca *authority) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(ca.issue("temporal.example"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.key == "" {
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		config.ClientCAs.AddCert(ca.cert)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	workflowservice.RegisterWorkflowServiceServer(server, c)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// hangsUp refuses every client by ending the connection once it is secured, as a server may that does not want its certificate.
func hangsUp(t *testing.T, ca *authority) string {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(ca.issue("temporal.example"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	}()
	return listener.Addr().String()
}

// authority signs certificates and writes them to files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.issue("ca")
	return a
}

func (a *authority) file() string { return filepath.Join(a.dir, "ca.pem") }

// issue signs a certificate for a name and gives the files of certificate and key. The first one is the authority's own.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{name}}
	parent, signer := a.cert, a.key
	if parent == nil {
		template.IsCA, template.BasicConstraintsValid, parent, signer = true, true, template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
		a.key = key
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// reach connects by the settings and asks for the namespace; the error is what the user is told.
func reach(t *testing.T, s settings.Settings) error {
	t.Helper()
	options, err := s.Temporal()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	temporal, err := client.DialContext(ctx, options)
	if err != nil {
		return settings.TemporalAway(options, err)
	}
	defer temporal.Close()
	_, err = temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: options.Namespace})
	return err
}

func TestReachesTemporalCloud(t *testing.T) {
	t.Parallel()
	ca, stranger := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("client")
	strangeCert, strangeKey := stranger.issue("client")
	mtls := (&cloud{}).serve(t, ca)
	withKey := (&cloud{key: "s3cret-key"}).serve(t, ca)
	for name, c := range map[string]struct {
		address string
		set     map[string]string
		says    string // empty: it is reached
	}{
		"certificate": {mtls, map[string]string{"CLIENT_CERT_PATH": cert, "CLIENT_KEY_PATH": key}, ""},
		"API key":     {withKey, map[string]string{"TEMPORAL_API_KEY": "s3cret-key"}, ""},
		"of no authority that it knows": {
			mtls, map[string]string{"CLIENT_CERT_PATH": strangeCert, "CLIENT_KEY_PATH": strangeKey}, "TEMPORAL_TLS_CLIENT_CERT_PATH",
		},
		"no certificate":        {mtls, nil, "TEMPORAL_TLS_CLIENT_CERT_PATH"},
		"refused without words": {hangsUp(t, ca), map[string]string{"CLIENT_CERT_PATH": cert, "CLIENT_KEY_PATH": key}, "TEMPORAL_TLS_CLIENT_CERT_PATH"},
		"another authority":     {withKey, map[string]string{"TEMPORAL_API_KEY": "s3cret-key", "SERVER_CA_CERT_PATH": stranger.file()}, "TEMPORAL_TLS_SERVER_CA_CERT_PATH"},
		"another name":          {withKey, map[string]string{"TEMPORAL_API_KEY": "s3cret-key", "SERVER_NAME": "other.example"}, "TEMPORAL_TLS_SERVER_NAME"},
		"wrong key":             {withKey, map[string]string{"TEMPORAL_API_KEY": "wr0ng-key"}, "TEMPORAL_API_KEY"},
		"a namespace not there": {withKey, map[string]string{"TEMPORAL_API_KEY": "s3cret-key", "TEMPORAL_NAMESPACE": "other"}, "Namespace other is not found"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{
				"TEMPORAL_ADDRESS": c.address, "TEMPORAL_NAMESPACE": "payments.a1b2c",
				"TEMPORAL_TLS_SERVER_CA_CERT_PATH": ca.file(), "TEMPORAL_TLS_SERVER_NAME": "temporal.example",
			}
			for setting, value := range c.set {
				if !strings.HasPrefix(setting, "TEMPORAL_") {
					setting = "TEMPORAL_TLS_" + setting
				}
				env[setting] = value
			}
			err := reach(t, with(env))
			switch {
			case c.says == "" && err != nil:
				t.Error(err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v, want it to say %q", err, c.says)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "wr0ng")) {
				t.Errorf("the API key is told: %v", err)
			}
		})
	}
}

// Every mistake is named by its setting, whichever process finds it, and no secret is shown.
func TestMistakesOfTemporal(t *testing.T) {
	t.Parallel()
	ca, other := newAuthority(t), newAuthority(t)
	cert, key := ca.issue("client")
	_, otherKey := other.issue("client")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		set  map[string]string
		says []string
	}{
		"no CA file":          {map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/nowhere"}, []string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "/nowhere"}},
		"a CA without PEM":    {map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": empty}, []string{"holds no certificate"}},
		"a cert without key":  {map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": cert}, []string{"TEMPORAL_TLS_CLIENT_KEY_PATH", "belong together"}},
		"a key of another":    {map[string]string{"TEMPORAL_TLS_CLIENT_CERT_PATH": cert, "TEMPORAL_TLS_CLIENT_KEY_PATH": otherKey}, []string{"certificate and key of it"}},
		"a key in the clear":  {map[string]string{"TEMPORAL_TLS": "false", "TEMPORAL_API_KEY": "s3cret-key"}, []string{"TEMPORAL_TLS", "TEMPORAL_API_KEY"}},
		"TLS off with a cert": {map[string]string{"TEMPORAL_TLS": "f", "TEMPORAL_TLS_CLIENT_CERT_PATH": cert, "TEMPORAL_TLS_CLIENT_KEY_PATH": key}, []string{"2 settings", "needs TLS"}},
		"no word for it":      {map[string]string{"TEMPORAL_TLS": "maybe"}, []string{"TEMPORAL_TLS", "true or false"}},
	} {
		s := with(c.set)
		_, temporal := s.Temporal()
		_, api := s.ForAPI()
		_, worker := s.ForWorker()
		for process, err := range map[string]error{"any command": temporal, "api": api, "worker": worker} {
			for _, part := range c.says {
				if process == "worker" {
					part = strings.TrimPrefix(part, "2 settings") // its nodes are missing as well
				}
				if !payment.IsReason(err, payment.ReasonInvalidInput) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%s, %s: got %v, want it to say %q", name, process, err, part)
				}
			}
		}
	}
	if options, err := with(nil).Temporal(); err != nil || options.Namespace != "default" || options.ConnectionOptions.TLS != nil || options.Credentials != nil {
		t.Errorf("nothing is set: %+v, %v", options, err)
	}
	if options, err := with(map[string]string{"TEMPORAL_TLS": "T"}).Temporal(); err != nil || options.ConnectionOptions.TLS == nil {
		t.Errorf("TLS by the system's authorities: %+v, %v", options, err)
	}
}

// What an operator is told to create is what payments are started with, names and types.
func TestSearchAttributesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]string{}
	for _, found := range regexp.MustCompile(`search-attribute create .*--name (\w+) +--type (\w+)`).FindAllStringSubmatch(string(text), -1) {
		told[found[1]] = found[2]
	}
	if want := workflows.SearchAttributeTypes(); !maps.Equal(told, want) {
		t.Errorf("docs/operations.md says\n%v, want\n%v", told, want)
	}
}

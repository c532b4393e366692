package lndclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/chainrpc"
	"github.com/lightningnetwork/lnd/lnrpc/invoicesrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"
	"github.com/lightningnetwork/lnd/lnrpc/walletrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"

	"github.com/holdfast-pay/holdfast/payment"
)

// Config says how to reach one LND node. The macaroon is given by path or by bytes.
type Config struct {
	Name         string // ours, for messages and logs
	Address      string // host:port of LND's gRPC
	TLSCertPath  string // LND's tls.cert; the connection trusts this certificate only
	MacaroonPath string
	Macaroon     []byte // raw; used where set
	Network      string // mainnet, testnet, testnet4, signet or regtest; anything else is refused
	// Observe is added to how the connection is made: interceptors and handlers that measure and trace calls.
	Observe []grpc.DialOption
}

// How a broken connection is noticed and mended.
const (
	// keepaliveTime is the least that grpc-go allows; LND takes a ping every 5 s. Data that a dead peer does not
	// acknowledge is noticed after keepaliveTimeout, also without pings (TCP_USER_TIMEOUT).
	keepaliveTime    = 10 * time.Second
	keepaliveTimeout = 5 * time.Second
	// maxReconnectDelay bounds the wait between dials, so that a restarted node is in use again within seconds.
	maxReconnectDelay = 2 * time.Second
	minDialTime       = 3 * time.Second
	// maxAnswer is the largest message that lncli takes as well; lists of payments are big.
	maxAnswer = 200 << 20
)

// minMajor and minMinor: from lnd 0.18 on, PublishTransaction tests mempool acceptance before it broadcasts, and
// FundPsbt takes our lock id. Both carry the on-chain saga.
const minMajor, minMinor = 0, 18

// Client is a Node over gRPC. It connects by itself when it is used, and again after each restart of LND.
type Client struct {
	name    string
	network string
	conn    *grpc.ClientConn

	lightning lnrpc.LightningClient
	router    routerrpc.RouterClient
	wallet    walletrpc.WalletKitClient
	invoices  invoicesrpc.InvoicesClient
	notifier  chainrpc.ChainNotifierClient
}

var _ Node = (*Client)(nil)

// New prepares a Client. It reads the files and does no network I/O, so that a worker can start while its node is
// away. Each new connection is asked who the node is before the first call goes to it: while that does not fit, calls are refused
// as ErrUnavailable, and nothing of them has left. Errors are *payment.Error with ReasonInvalidInput.
func New(cfg Config) (*Client, error) {
	if _, err := networkParams(cfg.Network); err != nil {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "Node %q: %s.", cfg.Name, err)
	}
	creds, err := readTLS(cfg)
	if err != nil {
		return nil, err
	}
	token, err := readMacaroon(cfg)
	if err != nil {
		return nil, err
	}
	client := &Client{name: cfg.Name, network: cfg.Network}
	conn, err := grpc.NewClient("passthrough:///"+cfg.Address, append(slices.Clone(cfg.Observe),
		grpc.WithTransportCredentials(connecting{creds}),
		grpc.WithPerRPCCredentials(&admission{macaroon: token, client: client}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: maxReconnectDelay},
			MinConnectTimeout: minDialTime,
		}),
		// A send must reach LND once: no retries behind our back, none from a service config either.
		grpc.WithDisableRetry(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
	)...)
	if err != nil {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "Node %q: the address %q cannot be used. Give host:port of LND's gRPC.", cfg.Name, cfg.Address).Because(err)
	}
	client.conn = conn
	client.lightning = lnrpc.NewLightningClient(conn)
	client.router = routerrpc.NewRouterClient(conn)
	client.wallet = walletrpc.NewWalletKitClient(conn)
	client.invoices = invoicesrpc.NewInvoicesClient(conn)
	client.notifier = chainrpc.NewChainNotifierClient(conn)
	return client, nil
}

// Check asks the node who it is and refuses one that is too old or on another network. Errors are *payment.Error:
// ReasonNodeOffline where it does not answer, ReasonInvalidInput where it does not fit.
func (c *Client) Check(ctx context.Context) error {
	info, answered, err := c.askInfo(ctx)
	if err != nil {
		return payment.Errorf(payment.ReasonNodeOffline,
			"Node %q at %s does not answer. Check that lnd runs and is unlocked, and that address, tls.cert and macaroon belong to it.",
			c.name, c.conn.CanonicalTarget()).Because(err)
	}
	return c.judge(info, answered)
}

func (c *Client) fits(info Info) error {
	major, minor, ok := parseVersion(info.Version)
	if !ok || major < minMajor || (major == minMajor && minor < minMinor) {
		return payment.Errorf(payment.ReasonInvalidInput,
			"Node %q runs lnd %q, but lnd %d.%d or newer is needed. Upgrade lnd.", c.name, info.Version, minMajor, minMinor)
	}
	if info.Network != c.network {
		return payment.Errorf(payment.ReasonInvalidInput,
			"Node %q is on %s, but %s is configured. Correct the network or the address.", c.name, info.Network, c.network)
	}
	return nil
}

// parseVersion reads "0.21.3-beta commit=v0.21.3-beta".
func parseVersion(text string) (major, minor int, ok bool) {
	parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
	if len(parts) < 2 {
		return 0, 0, false
	}
	major, errMajor := strconv.Atoi(parts[0])
	minorText, _, _ := strings.Cut(parts[1], "-")
	minor, errMinor := strconv.Atoi(minorText)
	return major, minor, errMajor == nil && errMinor == nil
}

// Name is ours for the node.
func (c *Client) Name() string { return c.name }

// Close ends the connection. Calls that run answer ErrUnknown.
func (c *Client) Close() error { return c.conn.Close() }

// Info says who the node is (lnrpc.GetInfo).
func (c *Client) Info(ctx context.Context) (Info, error) {
	info, _, err := c.askInfo(ctx)
	return info, err
}

// askInfo also tells which connection has answered.
func (c *Client) askInfo(ctx context.Context) (Info, *connection, error) {
	var from peer.Peer
	answer, err := c.lightning.GetInfo(ctx, &lnrpc.GetInfoRequest{}, grpc.Peer(&from))
	if err != nil {
		return Info{}, nil, classify(ctx, callGetInfo, err)
	}
	answered, _ := from.AuthInfo.(*connection)
	info := Info{
		Alias: answer.GetAlias(), Pubkey: answer.GetIdentityPubkey(), Version: answer.GetVersion(),
		BlockHeight: int32(answer.GetBlockHeight()), SyncedToChain: answer.GetSyncedToChain(), //nolint:gosec // a block height
	}
	if chains := answer.GetChains(); len(chains) > 0 {
		info.Network = chains[0].GetNetwork()
	}
	return info, answered, nil
}

func readTLS(cfg Config) (credentials.TransportCredentials, error) {
	pem, err := os.ReadFile(cfg.TLSCertPath)
	if err != nil {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "Node %q: the TLS certificate cannot be read. Give the path of LND's tls.cert.", cfg.Name).Because(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, payment.Errorf(payment.ReasonInvalidInput, "Node %q: %s holds no PEM certificate. Give the path of LND's tls.cert.", cfg.Name, cfg.TLSCertPath)
	}
	return credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}), nil
}

func readMacaroon(cfg Config) (macaroon, error) {
	raw := cfg.Macaroon
	if len(raw) == 0 {
		read, err := os.ReadFile(cfg.MacaroonPath)
		if err != nil {
			return "", payment.Errorf(payment.ReasonInvalidInput, "Node %q: the macaroon cannot be read. Give the path of a macaroon of LND.", cfg.Name).Because(err)
		}
		raw = read
	}
	if len(raw) == 0 {
		return "", payment.Errorf(payment.ReasonInvalidInput, "Node %q: the macaroon is empty.", cfg.Name)
	}
	return macaroon(hex.EncodeToString(raw)), nil
}

// macaroon is sent with each call, over TLS only. It prints as nothing.
type macaroon string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (m macaroon) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"macaroon": string(m)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (m macaroon) RequireTransportSecurity() bool { return true }

// String keeps the secret out of logs.
func (m macaroon) String() string { return "macaroon" }

// Format keeps the secret out of every verb.
func (m macaroon) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("macaroon")) }

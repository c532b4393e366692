package lnd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/invoicesrpc"
	"github.com/lightningnetwork/lnd/lnrpc/routerrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// Client calls one lnd. The generated services are there for what it does not wrap.
type Client struct {
	Lightning lnrpc.LightningClient
	Router    routerrpc.RouterClient
	Invoices  invoicesrpc.InvoicesClient
	state     lnrpc.StateClient
	conn      *grpc.ClientConn
}

// macaroon sends the credential with every call. The file is read when it is
// used, because lnd writes it during its first start.
type macaroon string

func (m macaroon) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	raw, err := os.ReadFile(string(m))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // the state service needs none
	}
	return map[string]string{"macaroon": hex.EncodeToString(raw)}, err
}

func (macaroon) RequireTransportSecurity() bool { return true }

// Dial prepares a client of the node at address (host:port). The TLS certificate
// must exist; nothing is sent yet.
func Dial(address, tlsPath, macaroonPath string) (*Client, error) {
	pem, err := os.ReadFile(tlsPath)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", tlsPath)
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12})),
		grpc.WithPerRPCCredentials(macaroon(macaroonPath)))
	if err != nil {
		return nil, err
	}
	return &Client{
		Lightning: lnrpc.NewLightningClient(conn), Router: routerrpc.NewRouterClient(conn),
		Invoices: invoicesrpc.NewInvoicesClient(conn), state: lnrpc.NewStateClient(conn), conn: conn,
	}, nil
}

// Close ends the connection.
func (c *Client) Close() error { return c.conn.Close() }

// Serving reports an error until all of the node's services answer.
func (c *Client) Serving(ctx context.Context) error {
	state, err := c.state.GetState(ctx, &lnrpc.GetStateRequest{})
	if err != nil {
		return err
	}
	if state.GetState() != lnrpc.WalletState_SERVER_ACTIVE {
		return errors.New("state is " + state.GetState().String())
	}
	return nil
}

// Synced reports an error until the node has processed the block at height.
func (c *Client) Synced(ctx context.Context, height int) error {
	info, err := c.Lightning.GetInfo(ctx, &lnrpc.GetInfoRequest{})
	if err != nil {
		return err
	}
	if int(info.GetBlockHeight()) < height || !info.GetSyncedToChain() {
		return fmt.Errorf("at block %d of %d, synced: %t", info.GetBlockHeight(), height, info.GetSyncedToChain())
	}
	return nil
}

// Down tells that an error means "no node answers there".
func Down(err error) bool { return status.Code(err) == codes.Unavailable }

// PublicKey is the node's identity, in hex.
func (c *Client) PublicKey(ctx context.Context) (string, error) {
	info, err := c.Lightning.GetInfo(ctx, &lnrpc.GetInfoRequest{})
	return info.GetIdentityPubkey(), err
}

// Connect makes the node a peer of another one; being one already is fine.
func (c *Client) Connect(ctx context.Context, publicKey, host string) error {
	peers, err := c.Lightning.ListPeers(ctx, &lnrpc.ListPeersRequest{})
	if err != nil {
		return err
	}
	for _, peer := range peers.GetPeers() {
		if peer.GetPubKey() == publicKey {
			return nil
		}
	}
	_, err = c.Lightning.ConnectPeer(ctx, &lnrpc.ConnectPeerRequest{
		Addr: &lnrpc.LightningAddress{Pubkey: publicKey, Host: host}, Timeout: 5,
	})
	return err
}

// Disconnect ends the connection to a peer, so that the next one begins their channel's protocol anew.
func (c *Client) Disconnect(ctx context.Context, publicKey string) error {
	_, err := c.Lightning.DisconnectPeer(ctx, &lnrpc.DisconnectPeerRequest{PubKey: publicKey})
	return err
}

// OpenChannel starts a channel of capacity sat, push of them on the other side,
// and returns when its funding transaction is broadcast.
func (c *Client) OpenChannel(ctx context.Context, publicKey string, capacity, push int64) error {
	key, err := hex.DecodeString(publicKey)
	if err != nil {
		return err
	}
	_, err = c.Lightning.OpenChannelSync(ctx, &lnrpc.OpenChannelRequest{
		NodePubkey: key, LocalFundingAmount: capacity, PushSat: push, SatPerVbyte: 2, SpendUnconfirmed: true,
	})
	return err
}

// ActiveChannels reports an error until n channels can carry payments.
func (c *Client) ActiveChannels(ctx context.Context, n int) error {
	list, err := c.Lightning.ListChannels(ctx, &lnrpc.ListChannelsRequest{ActiveOnly: true})
	if err != nil {
		return err
	}
	if have := len(list.GetChannels()); have < n {
		return fmt.Errorf("%d of %d channels are active", have, n)
	}
	return nil
}

// KnowsChannels reports an error until the node's graph holds n channels whose
// two directions are both usable.
func (c *Client) KnowsChannels(ctx context.Context, n int) error {
	graph, err := c.Lightning.DescribeGraph(ctx, &lnrpc.ChannelGraphRequest{IncludeUnannounced: true})
	if err != nil {
		return err
	}
	usable := 0
	for _, edge := range graph.GetEdges() {
		one, two := edge.GetNode1Policy(), edge.GetNode2Policy()
		if one != nil && two != nil && !one.GetDisabled() && !two.GetDisabled() {
			usable++
		}
	}
	if usable < n {
		return fmt.Errorf("%d of %d channels are usable in the graph", usable, n)
	}
	return nil
}

// ChannelCount is the number of open and pending channels.
func (c *Client) ChannelCount(ctx context.Context) (int, error) {
	pending, err := c.Lightning.PendingChannels(ctx, &lnrpc.PendingChannelsRequest{})
	if err != nil {
		return 0, err
	}
	open, err := c.Lightning.ListChannels(ctx, &lnrpc.ListChannelsRequest{})
	if err != nil {
		return 0, err
	}
	return len(open.GetChannels()) + len(pending.GetPendingOpenChannels()), nil
}

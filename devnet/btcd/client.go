package btcd

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/btcsuite/btcd/wire"
)

// Client calls one btcd.
type Client struct {
	url, user, password string
	http                *http.Client
}

// Dial prepares a client of the node at address (host:port), whose certificate
// is in certPath. Nothing is sent yet.
func Dial(address, user, password, certPath string) (*Client, error) {
	pem, err := os.ReadFile(certPath)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", certPath)
	}
	return &Client{
		url: "https://" + address, user: user, password: password,
		http: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}},
	}, nil
}

// Close gives idle connections back.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) call(ctx context.Context, result any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "1.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(c.user, c.password)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("btcd: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Result json.RawMessage
		Error  *struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return fmt.Errorf("btcd %s answers %s: %w", method, resp.Status, err)
	}
	if answer.Error != nil {
		return errors.New("btcd " + method + ": " + answer.Error.Message)
	}
	return json.Unmarshal(answer.Result, result)
}

// Height is the number of blocks on the best chain (getblockcount).
func (c *Client) Height(ctx context.Context) (height int, err error) {
	return height, c.call(ctx, &height, "getblockcount")
}

// Mine mines n blocks to the miner's address (generate) and returns their hashes.
func (c *Client) Mine(ctx context.Context, n int) (hashes []string, err error) {
	return hashes, c.call(ctx, &hashes, "generate", n)
}

// TipTime is the timestamp of the newest block.
func (c *Client) TipTime(ctx context.Context) (time.Time, error) {
	var hash string
	if err := c.call(ctx, &hash, "getbestblockhash"); err != nil {
		return time.Time{}, err
	}
	var block struct{ Time int64 }
	if err := c.call(ctx, &block, "getblock", hash, 1); err != nil {
		return time.Time{}, err
	}
	return time.Unix(block.Time, 0), nil
}

// Mempool lists the ids of the transactions that wait for a block.
func (c *Client) Mempool(ctx context.Context) (txids []string, err error) {
	return txids, c.call(ctx, &txids, "getrawmempool")
}

// block reads a whole block by height.
func (c *Client) block(ctx context.Context, height int) (*wire.MsgBlock, error) {
	var hash, raw string
	if err := c.call(ctx, &hash, "getblockhash", height); err != nil {
		return nil, err
	}
	if err := c.call(ctx, &raw, "getblock", hash, 0); err != nil {
		return nil, err
	}
	data, err := hex.DecodeString(raw)
	if err != nil {
		return nil, err
	}
	block := &wire.MsgBlock{}
	return block, block.Deserialize(bytes.NewReader(data))
}

// publish broadcasts a transaction and returns its id.
func (c *Client) publish(ctx context.Context, tx *wire.MsgTx) (txid string, err error) {
	var raw bytes.Buffer
	if err := tx.Serialize(&raw); err != nil {
		return "", err
	}
	return txid, c.call(ctx, &txid, "sendrawtransaction", hex.EncodeToString(raw.Bytes()))
}

package lnd

import (
	"context"
	"fmt"

	"github.com/lightningnetwork/lnd/lnrpc"
)

// NewAddress makes a fresh native segwit address of the node's wallet.
func (c *Client) NewAddress(ctx context.Context) (string, error) {
	resp, err := c.Lightning.NewAddress(ctx, &lnrpc.NewAddressRequest{Type: lnrpc.AddressType_WITNESS_PUBKEY_HASH})
	return resp.GetAddress(), err
}

// Send pays sat on-chain from the node's wallet and returns the transaction id.
func (c *Client) Send(ctx context.Context, address string, sat int64) (string, error) {
	resp, err := c.Lightning.SendCoins(ctx, &lnrpc.SendCoinsRequest{Addr: address, Amount: sat, SatPerVbyte: 2, SpendUnconfirmed: true})
	return resp.GetTxid(), err
}

// HasConfirmed reports an error until the wallet's confirmed balance is at least sat.
func (c *Client) HasConfirmed(ctx context.Context, sat int64) error {
	balance, err := c.Lightning.WalletBalance(ctx, &lnrpc.WalletBalanceRequest{})
	if err != nil {
		return err
	}
	if balance.GetConfirmedBalance() < sat {
		return fmt.Errorf("%d of %d sat are confirmed", balance.GetConfirmedBalance(), sat)
	}
	return nil
}

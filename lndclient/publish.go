package lndclient

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/lightningnetwork/lnd/lnrpc/walletrpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-pay/holdfast/payment"
)

// maxLabel is LND's limit for a transaction label in bytes (wtxmgr.TxLabelLimit).
const maxLabel = 500

// Publish broadcasts (walletrpc.PublishTransaction). What LND does (lnwallet/btcwallet.PublishTransaction, lnd 0.18+):
//
//   - It asks the backend's testmempoolaccept. A transaction that fails goes no further: nothing is broadcast and the
//     wallet's records stay as they are. Exceptions are "already in mempool", "already known" and "already
//     confirmed", for which it publishes again and answers success.
//   - A transaction that passes is written to the wallet, then sent to the backend. If the backend refuses it after
//     all, the wallet forgets it again.
//   - Missing inputs and a mempool conflict both become ErrDoubleSpend, "transaction rejected: output already spent".
//     That is said of a transaction whose inputs somebody else spent, and of one that is confirmed already and whose
//     outputs are spent, while this wallet has not processed the block. So it proves nothing by itself.
//   - Errors of the connection between LND and the backend come through as text of their own ("undefined: ...").
//
// Hence, on an error: a transaction that the wallet knows as confirmed is published. One that it knows as unconfirmed
// was broadcast before, so that a "no" now proves nothing: Unknown. One that it does not know is Refused if LND's
// words are the mempool's and the wallet is synced with the chain, else Unknown.
func (c *Client) Publish(ctx context.Context, rawTx []byte, label string) error {
	txid, err := txidOf(rawTx)
	if err != nil {
		return refusal(callPublish, payment.ReasonPublishRejected, err)
	}
	// Look before shouting: what is in a block needs no broadcast.
	if known, err := c.LookupTransaction(ctx, txid); err == nil && known.Confirmations > 0 {
		return nil
	}
	_, err = c.wallet.PublishTransaction(ctx, &walletrpc.Transaction{TxHex: rawTx, Label: label[:min(len(label), maxLabel)]})
	if err == nil {
		return nil
	}
	classified := classify(ctx, callPublish, err)
	if classified.Kind == KindUnavailable || ctx.Err() != nil {
		return classified
	}
	known, lookupErr := c.LookupTransaction(ctx, txid)
	switch {
	case lookupErr == nil && known.Confirmations > 0:
		return nil
	case errors.Is(lookupErr, ErrNotFound) && mempoolSaidNo(err) && c.synced(ctx):
		// Once more, now that the wallet is known to have processed the best block.
		if _, err := c.LookupTransaction(ctx, txid); errors.Is(err, ErrNotFound) {
			classified.Kind, classified.Why = KindRefused, payment.ReasonPublishRejected
		}
	}
	return classified
}

func (c *Client) synced(ctx context.Context) bool {
	info, err := c.Info(ctx)
	return err == nil && info.SyncedToChain
}

// mempoolSaidNo reports whether LND's words are a verdict of the backend's mempool about this transaction.
func mempoolSaidNo(err error) bool {
	said, ok := status.FromError(err)
	if !ok || said.Code() != codes.Unknown {
		return false
	}
	text := said.Message()
	if strings.HasPrefix(text, "transaction rejected") { // lnwallet.ErrDoubleSpend, ErrMempoolFee
		return true
	}
	return slices.Contains(verdicts(), text)
}

// verdicts are the texts of btcwallet's chain.RPCErr, to which lnd maps what bitcoind's and btcd's mempool say. Left
// out are those about a transaction that is known already, and everything that is not a verdict.
func verdicts() []string {
	return []string{
		"bad txns inputs missingorspent", "max fee exceeded", "max feerate exceeded", "txn mempool conflict",
		"replacement adds unconfirmed", "insufficient fee", "too many potential replacements",
		"mempool min fee not met", "min relay fee not met", "too long mempool chain", "TRUC violation", "mempool full",
		"bad txns spends conflicting tx", "bad txns vout empty", "bad txns vin empty", "tx size small",
		"bad txns inputs duplicate", "bad txns prevout null", "bad txns in belowout", "bad txns vout negative",
		"bad txns vout toolarge", "bad txns txouttotal toolarge", "mandatory script verify flag failed",
		"bad txns too many sigops", "disabled opcode", "missing inputs", "bad txns oversize", "coinbase", "version",
		"scriptpubkey", "bare multisig", "scriptsig not pushonly", "scriptsig size", "tx size", "dust",
		"multi op return", "non final", "non BIP68 final", "non mandatory script verify flag",
		"bip125 replacement disallowed", "bad txns nonstandard inputs", "bad witness nonstandard",
	}
}

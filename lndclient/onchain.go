package lndclient

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/btcsuite/btcd/btcutil/psbt"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/lightningnetwork/lnd/lnrpc"
	"github.com/lightningnetwork/lnd/lnrpc/walletrpc"

	"github.com/holdfast-pay/holdfast/payment"
)

// NewAddress gives a fresh taproot address (lnrpc.NewAddress).
func (c *Client) NewAddress(ctx context.Context) (string, error) {
	made, err := c.lightning.NewAddress(ctx, &lnrpc.NewAddressRequest{Type: lnrpc.AddressType_TAPROOT_PUBKEY})
	if err != nil {
		return "", classify(ctx, callNewAddress, err)
	}
	return made.GetAddress(), nil
}

// EstimateFee asks what a payment of the amount would cost now (lnrpc.EstimateFee).
func (c *Client) EstimateFee(ctx context.Context, address string, amount payment.Sat, targetBlocks int32) (FeeEstimate, error) {
	estimated, err := c.lightning.EstimateFee(ctx, &lnrpc.EstimateFeeRequest{
		AddrToAmount: map[string]int64{address: int64(amount)}, TargetConf: targetBlocks,
	})
	if err != nil {
		return FeeEstimate{}, classify(ctx, callEstimateFee, err)
	}
	return FeeEstimate{Fee: payment.Sat(estimated.GetFeeSat()), SatPerVByte: estimated.GetSatPerVbyte()}, nil
}

// FundPSBT selects and leases inputs for one output, change to taproot (walletrpc.FundPsbt); they signal that the
// transaction may be replaced. Calling it again with the same LockID leases other inputs: release first.
func (c *Client) FundPSBT(ctx context.Context, fund FundPSBT) (FundedPSBT, error) {
	if fund.Amount <= 0 || fund.SatPerVByte == 0 {
		return FundedPSBT{}, refusal(callFundPsbt, payment.ReasonInvalidAmount, errors.New("amount and fee rate must be positive"))
	}
	funded, err := c.wallet.FundPsbt(ctx, &walletrpc.FundPsbtRequest{
		Template: &walletrpc.FundPsbtRequest_Raw{Raw: &walletrpc.TxTemplate{
			Outputs: map[string]uint64{fund.Address: uint64(fund.Amount)},
		}},
		Fees:                  &walletrpc.FundPsbtRequest_SatPerVbyte{SatPerVbyte: fund.SatPerVByte},
		MinConfs:              fund.MinConfs,
		SpendUnconfirmed:      fund.MinConfs == 0,
		ChangeType:            walletrpc.ChangeAddressType_CHANGE_ADDRESS_TYPE_P2TR,
		CustomLockId:          fund.LockID[:],
		LockExpirationSeconds: uint64(min(max(fund.LockFor/time.Second, 0), math.MaxInt32)), //nolint:gosec // clamped
	})
	if err != nil {
		return FundedPSBT{}, classify(ctx, callFundPsbt, err)
	}
	packet, err := psbt.NewFromRawBytes(bytes.NewReader(funded.GetFundedPsbt()), false)
	if err != nil {
		return FundedPSBT{}, &Error{Kind: KindUnknown, Call: callFundPsbt, Cause: err}
	}
	fee, err := packet.GetTxFee()
	if err != nil {
		return FundedPSBT{}, &Error{Kind: KindUnknown, Call: callFundPsbt, Cause: err}
	}
	raw, err := replaceable(packet)
	if err != nil {
		return FundedPSBT{}, &Error{Kind: KindUnknown, Call: callFundPsbt, Cause: err}
	}
	return FundedPSBT{PSBT: raw, Fee: payment.Sat(fee)}, nil
}

// SignPSBT signs and finalizes (walletrpc.FinalizePsbt). Nothing is broadcast and nothing is recorded in the wallet.
func (c *Client) SignPSBT(ctx context.Context, raw []byte) (SignedTx, error) {
	signed, err := c.wallet.FinalizePsbt(ctx, &walletrpc.FinalizePsbtRequest{FundedPsbt: raw})
	if err != nil {
		return SignedTx{}, classify(ctx, callFinalizePsbt, err)
	}
	txid, err := txidOf(signed.GetRawFinalTx())
	if err != nil {
		return SignedTx{}, &Error{Kind: KindUnknown, Call: callFinalizePsbt, Cause: err}
	}
	return SignedTx{Raw: signed.GetRawFinalTx(), TxID: txid}, nil
}

func txidOf(raw []byte) (string, error) {
	tx, err := parse(raw)
	if err != nil {
		return "", err
	}
	return tx.TxHash().String(), nil
}

// ReleaseLeases frees what is leased under the id (walletrpc.ListLeases, ReleaseOutput). A lease that ends by itself
// between the two calls is no error: LND releases what is not leased without complaint.
func (c *Client) ReleaseLeases(ctx context.Context, lockID [32]byte) error {
	listed, err := c.wallet.ListLeases(ctx, &walletrpc.ListLeasesRequest{})
	if err != nil {
		return classify(ctx, callListLeases, err)
	}
	for _, lease := range listed.GetLockedUtxos() {
		if !bytes.Equal(lease.GetId(), lockID[:]) {
			continue
		}
		_, err := c.wallet.ReleaseOutput(ctx, &walletrpc.ReleaseOutputRequest{Id: lockID[:], Outpoint: lease.GetOutpoint()})
		if err != nil {
			return classify(ctx, callReleaseOutput, err)
		}
	}
	return nil
}

// LookupTransaction reads a transaction of the node's wallet (walletrpc.GetTransaction).
func (c *Client) LookupTransaction(ctx context.Context, txid string) (Transaction, error) {
	if _, err := chainhash.NewHashFromStr(txid); err != nil || len(txid) != 2*chainhash.HashSize {
		return Transaction{}, refusal(callGetTransaction, payment.ReasonInvalidInput, errors.New("a txid has 64 hexadecimal digits"))
	}
	found, err := c.wallet.GetTransaction(ctx, &walletrpc.GetTransactionRequest{Txid: txid})
	if err != nil {
		return Transaction{}, classify(ctx, callGetTransaction, err)
	}
	return readTransaction(callGetTransaction, found)
}

// ListTransactions lists the wallet's transactions from a height on, unconfirmed ones included (lnrpc.GetTransactions).
func (c *Client) ListTransactions(ctx context.Context, fromHeight int32) ([]Transaction, error) {
	listed, err := c.lightning.GetTransactions(ctx, &lnrpc.GetTransactionsRequest{StartHeight: fromHeight, EndHeight: -1})
	if err != nil {
		return nil, classify(ctx, callGetTransactions, err)
	}
	list := make([]Transaction, 0, len(listed.GetTransactions()))
	for _, found := range listed.GetTransactions() {
		read, err := readTransaction(callGetTransactions, found)
		if err != nil {
			return nil, err
		}
		list = append(list, read)
	}
	return list, nil
}

// Balance adds up the wallet and the channels (lnrpc.WalletBalance, ChannelBalance). Leased coins are still ours, so
// they count as confirmed.
func (c *Client) Balance(ctx context.Context) (Balance, error) {
	onchain, err := c.lightning.WalletBalance(ctx, &lnrpc.WalletBalanceRequest{})
	if err != nil {
		return Balance{}, classify(ctx, callWalletBalance, err)
	}
	channels, err := c.lightning.ChannelBalance(ctx, &lnrpc.ChannelBalanceRequest{})
	if err != nil {
		return Balance{}, classify(ctx, callChannelBalance, err)
	}
	return Balance{
		OnchainConfirmed:   payment.Sat(onchain.GetConfirmedBalance() + onchain.GetLockedBalance()),
		OnchainUnconfirmed: payment.Sat(onchain.GetUnconfirmedBalance()),
		ChannelLocal:       payment.Msat(channels.GetLocalBalance().GetMsat()),            //nolint:gosec // bounded by 21 M BTC
		ChannelPending:     payment.Msat(channels.GetPendingOpenLocalBalance().GetMsat()), //nolint:gosec // bounded by 21 M BTC
		// LND calls HTLCs that we offered the remote side's unsettled balance: they will be theirs if they settle.
		HTLCsOut: payment.Msat(channels.GetUnsettledRemoteBalance().GetMsat()), //nolint:gosec // bounded by 21 M BTC
	}, nil
}

func readTransaction(call string, found *lnrpc.Transaction) (Transaction, error) {
	raw, err := hex.DecodeString(found.GetRawTxHex())
	if err != nil {
		return Transaction{}, &Error{Kind: KindUnknown, Call: call, Cause: err}
	}
	read := Transaction{
		TxID:          found.GetTxHash(),
		Raw:           raw,
		Confirmations: max(found.GetNumConfirmations(), 0),
		BlockHeight:   max(found.GetBlockHeight(), 0),
		Label:         found.GetLabel(),
		Fee:           payment.Sat(found.GetTotalFees()),
	}
	for _, out := range found.GetOutputDetails() {
		read.Outputs = append(read.Outputs, TxOutput{
			Index: uint32(out.GetOutputIndex()), Address: out.GetAddress(), //nolint:gosec // an output index
			Amount: payment.Sat(out.GetAmount()), Ours: out.GetIsOurAddress(),
		})
	}
	for _, in := range found.GetPreviousOutpoints() {
		txid, index, ok := strings.Cut(in.GetOutpoint(), ":")
		vout, err := strconv.ParseUint(index, 10, 32)
		if !ok || err != nil {
			return Transaction{}, &Error{Kind: KindUnknown, Call: call, Cause: errors.New("not an outpoint: " + in.GetOutpoint())}
		}
		read.Inputs = append(read.Inputs, TxInput{TxID: txid, Vout: uint32(vout), Ours: in.GetIsOurOutput()})
	}
	return read, nil
}

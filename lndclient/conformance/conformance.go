package conformance

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// World is a regtest network around the node under test. Its node has channels with at least 1,000,000 sat on both
// sides, and at least two confirmed coins of 1,000,000 sat or more on-chain.
type World interface {
	// Node is the node under test. It stays the same over restarts.
	Node() lndclient.Node
	// Mine makes blocks and waits until the node has seen them.
	Mine(t *testing.T, blocks int)
	// PeerInvoice is an invoice of a direct peer, paid at once; 0 leaves the amount to the payer.
	PeerInvoice(t *testing.T, amount payment.Sat) string
	// DearInvoice is an invoice whose cheapest route costs something.
	DearInvoice(t *testing.T, amount payment.Sat) string
	// ExpiredInvoice is a peer's invoice that has expired.
	ExpiredInvoice(t *testing.T) string
	// PeerHold is a hold invoice of a direct peer.
	PeerHold(t *testing.T, amount payment.Sat) string
	// PeerHolds waits until the HTLC of a hold invoice has arrived at the peer. The node calls it in flight earlier:
	// before it is on the channel, even. An lnd that dies in between leaves it in flight for ever (lnd issue 5152).
	PeerHolds(t *testing.T, hash payment.Hash)
	// PeerSettle and PeerCancel end a hold invoice whose HTLC has arrived.
	PeerSettle(t *testing.T, hash payment.Hash)
	PeerCancel(t *testing.T, hash payment.Hash)
	// PeerPays lets the peer pay an invoice of the node, and does not wait for the end.
	PeerPays(t *testing.T, request string)
	// OutsideAddress is an address that is not the node's.
	OutsideAddress(t *testing.T) string
	// Deposit sends to an address of the node from outside, unconfirmed, and gives the txid.
	Deposit(t *testing.T, address string, amount payment.Sat) string
	// Stop and Kill end the node, gracefully or not; Start starts it again and returns when it answers.
	Stop(t *testing.T)
	Kill(t *testing.T)
	Start(t *testing.T)
}

// Run checks every claim against worlds from the factory. It calls the factory once per group, so a factory may give
// the same world each time.
func Run(t *testing.T, factory func(t *testing.T) World) {
	t.Helper()
	groups := []struct {
		name   string
		checks func(t *testing.T, w World)
	}{
		{"Payments", checkPayments},
		{"Refusals", checkRefusals},
		{"Routes", checkRoutes},
		{"Invoices", checkInvoices},
		{"Onchain", checkOnchain},
		{"Watch", checkWatch},
		{"Restart", checkRestart},
	}
	for _, group := range groups {
		t.Run(group.name, func(t *testing.T) { group.checks(t, factory(t)) })
	}
}

// patience bounds every wait. Real nodes need seconds to reconnect after a restart.
const patience = 90 * time.Second

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := ask()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s; last error: %v", what, err)
		}
	}
}

// send pays with room for fees.
func send(t *testing.T, node lndclient.Node, request string) (lndclient.Payment, error) {
	t.Helper()
	return node.SendPayment(t.Context(), lndclient.SendPayment{
		Invoice: request, FeeLimit: 100_000, PathfindingTimeout: 20 * time.Second,
	})
}

func mustSend(t *testing.T, node lndclient.Node, request string) lndclient.Payment {
	t.Helper()
	sent, err := send(t, node, request)
	if err != nil {
		t.Fatalf("send: %v", err)
	}
	return sent
}

// finish follows a payment to its end.
func finish(t *testing.T, node lndclient.Node, hash payment.Hash) lndclient.Payment {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended, err := node.FollowPayment(ctx, hash)
	if err != nil || !ended.Terminal() {
		t.Fatalf("follow: %+v, %v", ended, err)
	}
	return ended
}

// held waits until the payment has its HTLC out.
func held(t *testing.T, node lndclient.Node, hash payment.Hash) lndclient.Payment {
	t.Helper()
	var seen lndclient.Payment
	eventually(t, "an HTLC in flight", func() (bool, error) {
		var err error
		seen, err = node.LookupPayment(t.Context(), hash)
		return err == nil && seen.Status == lndclient.InFlight && seen.HTLCs > 0, err
	})
	return seen
}

func decode(t *testing.T, request string) lndclient.DecodedInvoice {
	t.Helper()
	decoded, err := lndclient.DecodeInvoice(request, lndclient.Regtest)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}

func wantKind(t *testing.T, what string, err error, want *lndclient.Error, why payment.Reason) {
	t.Helper()
	if !errors.Is(err, want) || lndclient.WhyRefused(err) != why {
		t.Errorf("%s: got %v, want %s %s", what, err, want.Kind, why)
	}
}

func randomHash() (h payment.Hash) {
	_, _ = rand.Read(h[:]) // never fails (crypto/rand)
	return h
}

// strayInvoice is a valid invoice of a node that is not in the graph.
func strayInvoice(t *testing.T, amount payment.Sat) string {
	t.Helper()
	key, err := btcec.NewPrivateKey()
	if err != nil {
		t.Fatal(err)
	}
	features := lnwire.NewFeatureVector(lnwire.NewRawFeatureVector(
		lnwire.TLVOnionPayloadRequired, lnwire.PaymentAddrRequired, lnwire.MPPOptional), lnwire.Features)
	preimage := randomHash()
	invoice, err := zpay32.NewInvoice(&chaincfg.RegressionNetParams, sha256.Sum256(preimage[:]), time.Now(),
		zpay32.Description("nobody"), zpay32.PaymentAddr(randomHash()), zpay32.Features(features),
		zpay32.Amount(lnwire.MilliSatoshi(amount.MustMsat())), zpay32.CLTVExpiry(80))
	if err != nil {
		t.Fatal(err)
	}
	request, err := invoice.Encode(zpay32.MessageSigner{SignCompact: func(msg []byte) ([]byte, error) {
		return ecdsa.SignCompact(key, chainhash.HashB(msg), true), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

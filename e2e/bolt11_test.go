package e2e_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/zpay32"
)

// invoiceOption changes an invoice before it is signed.
type invoiceOption = func(*zpay32.Invoice)

func regtest() *chaincfg.Params { return &chaincfg.RegressionNetParams }

// secret is the payment secret (BOLT 11, field s) and the feature that announces it.
func secret() invoiceOption {
	return func(i *zpay32.Invoice) {
		var addr [32]byte
		rand.Read(addr[:])
		zpay32.PaymentAddr(addr)(i)
		bits := lnwire.NewRawFeatureVector(lnwire.TLVOnionPayloadRequired, lnwire.PaymentAddrRequired)
		zpay32.Features(lnwire.NewFeatureVector(bits, lnwire.Features))(i)
	}
}

func msat(amount uint64) invoiceOption { return zpay32.Amount(lnwire.MilliSatoshi(amount)) }

// made is an invoice of a node that nobody has heard of, signed by a fresh key.
func made(t testing.TB, params *chaincfg.Params, options ...invoiceOption) string {
	t.Helper()
	key, err := btcec.NewPrivateKey()
	must(t, err)
	options = append([]invoiceOption{zpay32.Description("e2e")}, options...)
	invoice, err := zpay32.NewInvoice(params, randomHash(), time.Now(), options...)
	must(t, err)
	request, err := invoice.Encode(zpay32.MessageSigner{SignCompact: func(msg []byte) ([]byte, error) {
		return ecdsa.SignCompact(key, chainhash.HashB(msg), true), nil
	}})
	must(t, err)
	return request
}

package lndclient_test

import (
	"strings"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/btcutil/bech32"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// invoiceOption changes an invoice before it is signed.
type invoiceOption = func(*zpay32.Invoice)

var invoiceTime = time.Unix(1_790_000_000, 0).UTC()

func secret() invoiceOption { return zpay32.PaymentAddr([32]byte{9}) }

func msat(amount uint64) invoiceOption { return zpay32.Amount(lnwire.MilliSatoshi(amount)) }

func features(bits ...lnwire.FeatureBit) invoiceOption {
	return zpay32.Features(lnwire.NewFeatureVector(lnwire.NewRawFeatureVector(bits...), lnwire.Features))
}

// invoice makes a signed invoice by a fixed key.
func invoice(t testing.TB, params *chaincfg.Params, options ...invoiceOption) string {
	t.Helper()
	key, _ := btcec.PrivKeyFromBytes([]byte{1, 2, 3})
	options = append([]invoiceOption{zpay32.Description("coffee")}, options...)
	made, err := zpay32.NewInvoice(params, [32]byte{7}, invoiceTime, options...)
	if err != nil {
		t.Fatal(err)
	}
	request, err := made.Encode(zpay32.MessageSigner{SignCompact: func(msg []byte) ([]byte, error) {
		return ecdsa.SignCompact(key, chainhash.HashB(msg), true), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// withAmount replaces the amount of an invoice and signs it anew, so that only the amount is wrong.
func withAmount(t testing.TB, request, amount string) string {
	t.Helper()
	_, data, err := bech32.DecodeNoLimit(request)
	if err != nil {
		t.Fatal(err)
	}
	const network = "lnbcrt"
	hrp := network + amount
	body := data[:len(data)-104]
	packed, err := bech32.ConvertBits(body, 5, 8, true)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := btcec.PrivKeyFromBytes([]byte{1, 2, 3})
	compact := ecdsa.SignCompact(key, chainhash.HashB(append([]byte(hrp), packed...)), true)
	sig, err := bech32.ConvertBits(append(compact[1:], compact[0]-27-4), 8, 5, true)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := bech32.Encode(hrp, append(append([]byte{}, body...), sig...))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func regtest() *chaincfg.Params { return &chaincfg.RegressionNetParams }

func TestDecodeInvoice(t *testing.T) {
	t.Parallel()
	request := invoice(t, regtest(), secret(), msat(1_234_567), zpay32.Expiry(10*time.Minute), zpay32.CLTVExpiry(40),
		features(lnwire.TLVOnionPayloadRequired, lnwire.PaymentAddrRequired))
	got, err := lndclient.DecodeInvoice(request, lndclient.Regtest)
	if err != nil {
		t.Fatal(err)
	}
	if got.Request != request || got.Amount != 1_234_567 || got.Hash != (payment.Hash{7}) || got.Description != "coffee" ||
		got.MinFinalCLTV != 40 || !got.HasSecret || len(got.Destination) != 66 ||
		!got.CreatedAt.Equal(invoiceTime) || !got.ExpiresAt.Equal(invoiceTime.Add(10*time.Minute)) {
		t.Errorf("decoded: %+v", got)
	}
	if got.Expired(got.ExpiresAt) || !got.Expired(got.ExpiresAt.Add(time.Second)) {
		t.Error("expiry is wrong by more than it may be")
	}
	for _, form := range []string{
		" " + request + "\n", "lightning:" + request, "LIGHTNING:" + strings.ToUpper(request), strings.ToUpper(request), "lightning://" + request,
	} {
		again, err := lndclient.DecodeInvoice(form, lndclient.Regtest)
		if err != nil || again.Request != request {
			t.Errorf("%.30q: %v, %v", form, again.Request, err)
		}
	}
	free, err := lndclient.DecodeInvoice(invoice(t, regtest(), secret()), lndclient.Regtest)
	if err != nil || free.Amount != 0 {
		t.Errorf("no amount: %v, %v", free.Amount, err)
	}
	small, err := lndclient.DecodeInvoice(invoice(t, regtest(), secret(), msat(1)), lndclient.Regtest)
	if err != nil || small.Amount != 1 {
		t.Errorf("1 msat: %v, %v", small.Amount, err)
	}
}

func TestDecodeInvoiceOfEachNetwork(t *testing.T) {
	t.Parallel()
	params := map[string]*chaincfg.Params{
		lndclient.Mainnet: &chaincfg.MainNetParams, lndclient.Testnet: &chaincfg.TestNet3Params,
		lndclient.Signet: &chaincfg.SigNetParams, lndclient.Regtest: regtest(),
	}
	for made, net := range params {
		request := invoice(t, net, secret(), msat(1000))
		for asked := range params {
			got, err := lndclient.DecodeInvoice(request, asked)
			if made == asked {
				if err != nil || got.Amount != 1000 {
					t.Errorf("%s on %s: %v", made, asked, err)
				}
				continue
			}
			if !payment.IsReason(err, payment.ReasonInvoiceInvalid) || !strings.Contains(err.Error(), made) || !strings.Contains(err.Error(), asked) {
				t.Errorf("%s on %s: %v", made, asked, err)
			}
		}
	}
}

func TestDecodeInvoiceRefuses(t *testing.T) {
	t.Parallel()
	good := invoice(t, regtest(), secret(), msat(1000))
	rows := map[string]struct{ request, says string }{
		"empty":             {"", "empty"},
		"white space":       {" \n\t", "empty"},
		"prefix only":       {"lightning:", "empty"},
		"garbage":           {"hello world", "not a lightning invoice"},
		"address":           {"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", "not a lightning invoice"},
		"truncated":         {good[:len(good)/2], "Copy it again"},
		"one letter off":    {good[:60] + flip(good[60]) + good[61:], "Copy it again"},
		"last letter gone":  {good[:len(good)-1], "Copy it again"},
		"mixed case":        {good[:20] + strings.ToUpper(good[20:]), "Copy it again"},
		"unknown network":   {"lnxx1" + good[8:], "not known here"},
		"no payment secret": {invoice(t, regtest(), msat(1000)), "payment secret"},
		"AMP":               {invoice(t, regtest(), secret(), msat(1000), features(lnwire.AMPRequired)), "AMP"},
		"unknown feature":   {invoice(t, regtest(), secret(), features(lnwire.FeatureBit(2000))), "feature"},
		"long lock":         {invoice(t, regtest(), secret(), zpay32.CLTVExpiry(100_000)), "2016 blocks"},
		// Each of these is well signed. zpay32 reads the first one as 1,384 BTC or so: 2^64 wraps around.
		"amount that wraps":        {withAmount(t, good, "184467454"), "amount"},
		"amount that wraps in m":   {withAmount(t, good, "184467440738m"), "amount"},
		"amount over 2^64":         {withAmount(t, good, "99999999999999999999999"), "amount"},
		"amount zero":              {withAmount(t, good, "0"), "amount"},
		"amount finer than a msat": {withAmount(t, good, "11p"), "amount"},
		"amount without digits":    {withAmount(t, good, "m"), "amount"},
	}
	for name, row := range rows {
		_, err := lndclient.DecodeInvoice(row.request, lndclient.Regtest)
		if !payment.IsReason(err, payment.ReasonInvoiceInvalid) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	over := withAmount(t, good, "100001") // payment.MaxSat is 100,000 BTC
	if _, err := lndclient.DecodeInvoice(over, lndclient.Regtest); !payment.IsReason(err, payment.ReasonInvoiceInvalid) {
		t.Errorf("more than MaxSat: %v", err)
	}
	if most, err := lndclient.DecodeInvoice(withAmount(t, good, "100000"), lndclient.Regtest); err != nil || most.Amount != payment.MaxSat.MustMsat() {
		t.Errorf("MaxSat: %v, %v", most.Amount, err)
	}
}

func flip(letter byte) string {
	if letter == 'q' {
		return "p"
	}
	return "q"
}

const (
	segwit  = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
	taproot = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
)

func TestDecodeAddress(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		segwit:                                segwit,
		" " + segwit + "\n":                   segwit,
		strings.ToUpper(segwit):               segwit,
		"bitcoin:" + segwit:                   segwit,
		"BITCOIN:" + strings.ToUpper(segwit):  segwit,
		taproot:                               taproot,
		"mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn":  "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn",
		"2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc": "2MzQwSSnBHWHqSAqtTVQ6v47XtaisrJa1Vc",
	} {
		got, err := lndclient.DecodeAddress(given, lndclient.Regtest)
		if err != nil || got != want {
			t.Errorf("%q: %q, %v", given, got, err)
		}
	}
}

func TestDecodeAddressRefuses(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ address, says string }{
		"empty":               {"", "empty"},
		"garbage":             {"not an address", "not a Bitcoin address"},
		"mainnet segwit":      {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "for mainnet"},
		"mainnet base58":      {"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "for mainnet"},
		"testnet segwit":      {"tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "for testnet or testnet4 or signet"},
		"truncated":           {segwit[:20], "Copy it again"},
		"one letter off":      {segwit[:20] + flip(segwit[20]) + segwit[21:], "Copy it again"},
		"public key":          {"0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798", "public key"},
		"uncompressed key":    {"0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8", "public key"},
		"BIP 21 amount":       {"bitcoin:" + segwit + "?amount=0.1", "parameters"},
		"invoice":             {"lnbcrt1pvjluezpp5", "lightning invoice"},
		"later witness":       {laterWitness(t), "not supported"},
		"taproot off curve":   {offCurve(t), "does not exist"},
		"segwit with bech32m": {wrongChecksum(t), "Copy it again"},
	} {
		_, err := lndclient.DecodeAddress(row.address, lndclient.Regtest)
		if !payment.IsReason(err, payment.ReasonInvalidAddress) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s (%s): %v", name, row.address, err)
		}
	}
}

func witness(t testing.TB, version byte, program []byte, encode func(string, []byte) (string, error)) string {
	t.Helper()
	bits, err := bech32.ConvertBits(program, 8, 5, true)
	if err != nil {
		t.Fatal(err)
	}
	address, err := encode("bcrt", append([]byte{version}, bits...))
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func laterWitness(t testing.TB) string { return witness(t, 2, make([]byte, 32), bech32.EncodeM) }

// offCurve: x = 5 is no coordinate of a point of secp256k1.
func offCurve(t testing.TB) string {
	program := make([]byte, 32)
	program[31] = 5
	return witness(t, 1, program, bech32.EncodeM)
}

func wrongChecksum(t testing.TB) string { return witness(t, 0, make([]byte, 20), bech32.EncodeM) }

// Invariant 6: no input makes it panic, every error is for the user, and what is accepted decodes to itself.
func FuzzDecodeInvoice(f *testing.F) {
	good := invoice(f, regtest(), secret(), msat(1_234_567))
	for _, seed := range []string{
		good, strings.ToUpper(good), "lightning:" + good, good[:50], withAmount(f, good, "184467454"), withAmount(f, good, "11p"),
		invoice(f, regtest(), secret(), zpay32.CLTVExpiry(9), zpay32.Expiry(time.Second)), invoice(f, regtest()),
		invoice(f, &chaincfg.MainNetParams, secret()), "ln", "ln1", "lnbcrt1", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, network := range []string{lndclient.Regtest, lndclient.Mainnet, lndclient.Testnet, lndclient.Signet} {
			got, err := lndclient.DecodeInvoice(text, network)
			if err != nil {
				if !payment.IsReason(err, payment.ReasonInvoiceInvalid) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if got.Amount < 0 || got.Amount > payment.MaxSat.MustMsat() || got.Hash.IsZero() && got.Destination == "" || got.ExpiresAt.Before(got.CreatedAt) {
				t.Fatalf("%q: %+v", text, got)
			}
			again, err := lndclient.DecodeInvoice(got.Request, network)
			if err != nil || again.Request != got.Request || again.Hash != got.Hash || again.Amount != got.Amount || again.Destination != got.Destination {
				t.Fatalf("%q is not stable: %+v, %v", text, again, err)
			}
		}
	})
}

func FuzzDecodeAddress(f *testing.F) {
	for _, seed := range []string{
		segwit, taproot, strings.ToUpper(segwit), "bitcoin:" + segwit, "bitcoin:" + segwit + "?amount=1", laterWitness(f), offCurve(f),
		wrongChecksum(f), "mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "bcrt1", "1", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, network := range []string{lndclient.Regtest, lndclient.Mainnet, lndclient.Testnet, lndclient.Signet} {
			canonical, err := lndclient.DecodeAddress(text, network)
			if err != nil {
				if !payment.IsReason(err, payment.ReasonInvalidAddress) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			if again, err := lndclient.DecodeAddress(canonical, network); err != nil || again != canonical {
				t.Fatalf("%q: canonical %q decodes to %q, %v", text, canonical, again, err)
			}
		}
	})
}

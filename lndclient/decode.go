package lndclient

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/payment"
)

// maxFinalCLTV is the longest lock in blocks that an invoice may ask for at the last hop. LND refuses a payment whose
// total lock exceeds 2016 blocks (two weeks, its max-cltv-expiry), and reads the field into 16 bits.
const maxFinalCLTV = 2016

// DecodedInvoice is what a BOLT 11 invoice says.
type DecodedInvoice struct {
	Request         string // canonical: lower case, no prefix, no white space
	Hash            payment.Hash
	Amount          payment.Msat // 0: the payer chooses
	Destination     string       // pubkey, 33 bytes in hex
	Description     string
	DescriptionHash []byte // 32 bytes, or nil
	CreatedAt       time.Time
	ExpiresAt       time.Time
	MinFinalCLTV    uint64 // blocks
	HasSecret       bool   // a payment secret; without one there are blinded paths
	Secret          []byte // the payment secret, 32 bytes, or nil
}

// Expired reports whether LND would refuse the invoice at this time.
func (d DecodedInvoice) Expired(now time.Time) bool { return now.After(d.ExpiresAt) }

// DecodeInvoice reads a BOLT 11 invoice that a user gave. It takes white space around it, a "lightning:" prefix and
// upper case. Errors are *payment.Error with ReasonInvoiceInvalid. An expired invoice decodes: ask Expired.
func DecodeInvoice(bolt11, network string) (DecodedInvoice, error) {
	params, err := networkParams(network)
	if err != nil {
		return DecodedInvoice{}, payment.Errorf(payment.ReasonInternal, "%s", err)
	}
	request := canonicalInvoice(bolt11)
	if err := checkInvoicePrefix(request, network); err != nil {
		return DecodedInvoice{}, err
	}
	parsed, err := zpay32.Decode(request, params, zpay32.WithErrorOnUnknownFeatureBit())
	if err != nil {
		return DecodedInvoice{}, invalidInvoice(
			"The invoice cannot be read: it is damaged, cut off, or needs a feature that is not known here. Copy it again in full, or ask the receiver for a new one.").Because(err)
	}
	if err := checkPayable(parsed); err != nil {
		return DecodedInvoice{}, err
	}
	return describeInvoice(parsed, request), nil
}

// canonicalInvoice strips what wallets and QR codes put around an invoice. Mixed case stays: bech32 forbids it.
func canonicalInvoice(bolt11 string) string {
	text := strings.TrimSpace(bolt11)
	const scheme = "lightning:"
	if len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		text = strings.TrimSpace(strings.TrimPrefix(text[len(scheme):], "//"))
	}
	if text == strings.ToUpper(text) {
		text = strings.ToLower(text)
	}
	return text
}

// checkInvoicePrefix reads "ln" + network + amount (BOLT 11, human-readable part). The amount is checked here because
// zpay32 multiplies it in 64 bits without looking: a huge amount would wrap into a small one.
func checkInvoicePrefix(request, network string) error {
	if request == "" {
		return invalidInvoice("The invoice is empty. Paste a BOLT 11 invoice, which starts with \"ln\".")
	}
	end := strings.LastIndexByte(request, '1')
	if end < 0 || !strings.HasPrefix(request, "ln") {
		return invalidInvoice("This is not a lightning invoice. A BOLT 11 invoice starts with \"ln\"; copy it again in full.")
	}
	named, amount := splitInvoicePrefix(request[2:end])
	if named == "" {
		return invalidInvoice("The invoice is for a network that is not known here. Ask for an invoice on %s.", network)
	}
	if !sameInvoicePrefix(named, network) {
		return invalidInvoice("The invoice is for %s, but this wallet is on %s. Ask the receiver for an invoice on %s.", named, network, network)
	}
	if amount == "" {
		return nil
	}
	if msat, ok := invoiceAmount(amount); !ok || msat == 0 {
		return invalidInvoice("The invoice asks for an amount that cannot be paid. Ask the receiver for a new one.")
	}
	return nil
}

// splitInvoicePrefix tells the network of a human-readable part without "ln", and what follows it. Longer prefixes
// come first: "bcrt" begins with "bc", "tbs" with "tb".
func splitInvoicePrefix(part string) (network, amount string) {
	for _, known := range []struct{ prefix, network string }{
		{"bcrt", Regtest}, {"bc", Mainnet}, {"tbs", Signet}, {"tb", Testnet},
	} {
		if rest, ok := strings.CutPrefix(part, known.prefix); ok {
			return known.network, rest
		}
	}
	return "", ""
}

// sameInvoicePrefix: testnet 3 and 4 share "lntb".
func sameInvoicePrefix(named, network string) bool {
	return named == network || (named == Testnet && network == Testnet4)
}

// invoiceAmount reads an amount in BTC with the multipliers of BOLT 11; false where it is malformed, finer than a
// millisatoshi, or more than payment.MaxSat.
func invoiceAmount(text string) (payment.Msat, bool) {
	var scale uint64 = 100_000_000_000 // msat per BTC
	digits := text
	pico := false
	switch text[len(text)-1] {
	case 'm':
		scale, digits = 100_000_000, text[:len(text)-1]
	case 'u':
		scale, digits = 100_000, text[:len(text)-1]
	case 'n':
		scale, digits = 100, text[:len(text)-1]
	case 'p':
		scale, digits, pico = 1, text[:len(text)-1], true
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return 0, false
	}
	if pico {
		if n%10 != 0 {
			return 0, false
		}
		n /= 10
	}
	if n > uint64(math.MaxInt64)/scale || payment.Msat(n*scale) > payment.MaxSat.MustMsat() {
		return 0, false
	}
	return payment.Msat(n * scale), true
}

// checkPayable refuses what decodes but what LND cannot or must not pay.
func checkPayable(parsed *zpay32.Invoice) error {
	switch {
	case parsed.PaymentAddr.IsNone() && len(parsed.BlindedPaymentPaths) == 0:
		return invalidInvoice("The invoice has no payment secret, so a node on the way could take the payment. Ask the receiver for a new invoice from an up-to-date wallet.")
	case parsed.Features.HasFeature(lnwire.AMPOptional):
		return invalidInvoice("The invoice is an AMP invoice, which can be paid many times and is not supported. Ask the receiver for a normal invoice.")
	case parsed.MinFinalCLTVExpiry() > maxFinalCLTV:
		return invalidInvoice("The invoice would lock the funds for more than %d blocks. Ask the receiver for a new one.", maxFinalCLTV)
	case parsed.Expiry() < 0:
		return invalidInvoice("The invoice has an expiry time that cannot be read. Ask the receiver for a new one.")
	default:
		return nil
	}
}

func describeInvoice(parsed *zpay32.Invoice, request string) DecodedInvoice {
	decoded := DecodedInvoice{
		Request:      request,
		Hash:         payment.Hash(*parsed.PaymentHash),
		Destination:  hex.EncodeToString(parsed.Destination.SerializeCompressed()),
		CreatedAt:    parsed.Timestamp.UTC(),
		ExpiresAt:    parsed.Timestamp.Add(parsed.Expiry()).UTC(),
		MinFinalCLTV: parsed.MinFinalCLTVExpiry(),
		HasSecret:    parsed.PaymentAddr.IsSome(),
	}
	parsed.PaymentAddr.WhenSome(func(secret [32]byte) { decoded.Secret = secret[:] })
	if parsed.MilliSat != nil {
		decoded.Amount = payment.Msat(*parsed.MilliSat)
	}
	if parsed.Description != nil {
		decoded.Description = *parsed.Description
	}
	if parsed.DescriptionHash != nil {
		decoded.DescriptionHash = parsed.DescriptionHash[:]
	}
	return decoded
}

func invalidInvoice(format string, args ...any) *payment.Error {
	return payment.Errorf(payment.ReasonInvoiceInvalid, format, args...)
}

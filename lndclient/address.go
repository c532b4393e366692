package lndclient

import (
	"errors"
	"strings"

	"github.com/btcsuite/btcd/btcec/v2/schnorr"
	"github.com/btcsuite/btcd/btcutil"
	"github.com/btcsuite/btcd/chaincfg"

	"github.com/holdfast-pay/holdfast/payment"
)

// DecodeAddress checks an on-chain address that a user gave and returns its canonical form. It takes white space, upper
// case bech32, and a "bitcoin:" prefix without parameters. Errors are *payment.Error with ReasonInvalidAddress.
func DecodeAddress(address, network string) (string, error) {
	parsed, err := parseAddress(address, network)
	if err != nil {
		return "", err
	}
	return parsed.EncodeAddress(), nil
}

func parseAddress(address, network string) (btcutil.Address, error) {
	params, err := networkParams(network)
	if err != nil {
		return nil, payment.Errorf(payment.ReasonInternal, "%s", err)
	}
	text := strings.TrimSpace(address)
	const scheme = "bitcoin:"
	if len(text) >= len(scheme) && strings.EqualFold(text[:len(scheme)], scheme) {
		text = strings.TrimSpace(text[len(scheme):])
	}
	switch {
	case text == "":
		return nil, invalidAddress("The address is empty. Paste a Bitcoin address for %s.", network)
	case strings.ContainsAny(text, "?&="):
		return nil, invalidAddress("The address carries parameters. Give the address alone, without what follows the question mark, and the amount in its own field.")
	case strings.HasPrefix(strings.ToLower(text), "ln"):
		return nil, invalidAddress("This is a lightning invoice, not an on-chain address. Pay it as an invoice.")
	}
	parsed, err := btcutil.DecodeAddress(text, params)
	if err != nil {
		return nil, whyNotAddress(text, network, err)
	}
	if !parsed.IsForNet(params) {
		return nil, whyNotAddress(text, network, nil)
	}
	return parsed, checkSpendable(parsed)
}

// whyNotAddress tells an address of another network from one that no network can read.
func whyNotAddress(text, network string, cause error) *payment.Error {
	for _, other := range allNetworks() {
		params, err := networkParams(other)
		if err != nil {
			continue
		}
		if parsed, err := btcutil.DecodeAddress(text, params); err == nil && parsed.IsForNet(params) {
			return invalidAddress("The address is for %s, but this wallet is on %s. Ask the receiver for an address on %s.",
				addressNetworks(parsed), network, network).Because(cause)
		}
	}
	_, version := errors.AsType[btcutil.UnsupportedWitnessVerError](cause)
	_, length := errors.AsType[btcutil.UnsupportedWitnessProgLenError](cause)
	if version || length {
		return invalidAddress("The address is of a kind that is not supported. Ask the receiver for a SegWit (%s1q…) or Taproot (%s1p…) address.",
			hrpOf(network), hrpOf(network)).Because(cause)
	}
	return invalidAddress("This is not a Bitcoin address: it is damaged or cut off. Copy it again in full.").Because(cause)
}

// checkSpendable refuses what decodes but is no standard address, or what nobody could ever spend.
func checkSpendable(parsed btcutil.Address) error {
	switch known := parsed.(type) {
	case *btcutil.AddressPubKeyHash, *btcutil.AddressScriptHash, *btcutil.AddressWitnessPubKeyHash, *btcutil.AddressWitnessScriptHash:
		return nil
	case *btcutil.AddressTaproot:
		// BIP 341: the program is an x coordinate. One that is not on the curve has no key and no script.
		if _, err := schnorr.ParsePubKey(known.WitnessProgram()); err != nil {
			return invalidAddress("Nobody could spend what is sent to this address: its key does not exist. Ask the receiver for another one.").Because(err)
		}
		return nil
	default: // btcutil reads a bare public key as an address
		return invalidAddress("This is a public key, not an address. Ask the receiver for an address.")
	}
}

func addressNetworks(parsed btcutil.Address) string {
	var names []string
	for _, network := range allNetworks() {
		if params, err := networkParams(network); err == nil && parsed.IsForNet(params) {
			names = append(names, network)
		}
	}
	return strings.Join(names, " or ")
}

func hrpOf(network string) string {
	params, err := networkParams(network)
	if err != nil {
		return chaincfg.MainNetParams.Bech32HRPSegwit
	}
	return params.Bech32HRPSegwit
}

func invalidAddress(format string, args ...any) *payment.Error {
	return payment.Errorf(payment.ReasonInvalidAddress, format, args...)
}

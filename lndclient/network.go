package lndclient

import (
	"fmt"
	"strings"

	"github.com/btcsuite/btcd/chaincfg"
)

// Networks that a node can be on, as lnrpc.GetInfo names them.
const (
	Mainnet  = "mainnet"
	Testnet  = "testnet"
	Testnet4 = "testnet4"
	Signet   = "signet"
	Regtest  = "regtest"
)

// networkParams gives the chain parameters of a network by its lnrpc name.
func networkParams(network string) (*chaincfg.Params, error) {
	switch network {
	case Mainnet:
		return &chaincfg.MainNetParams, nil
	case Testnet:
		return &chaincfg.TestNet3Params, nil
	case Testnet4:
		return &chaincfg.TestNet4Params, nil
	case Signet:
		return &chaincfg.SigNetParams, nil
	case Regtest:
		return &chaincfg.RegressionNetParams, nil
	default:
		return nil, fmt.Errorf("unknown network %q: use %s", network, strings.Join(allNetworks(), ", "))
	}
}

func allNetworks() []string { return []string{Mainnet, Testnet, Testnet4, Signet, Regtest} }

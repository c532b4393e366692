// Package btcd speaks to the development network's Bitcoin node: JSON-RPC over
// TLS, and a miner's key whose coins pay for the network.
//
// It must not be used outside of a private regtest chain: the miner's key is public.
package btcd

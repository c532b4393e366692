// Package access joins who is asking (identity) with what is known of them (ledger), for every door alike.
//
// It owns no rules: identity judges credentials, the ledger keeps keys and accounts.
//
// Invariants:
//
//  1. Keys are read from the ledger on every request.
//  2. An account that an identity provider vouches for exists, with its wallets, before a door sees it.
package access

// Package identity owns what proves who calls: the secrets of API keys. Sessions, scopes and JWTs follow.
//
// It must not store anything, know a transport, or decide what a caller may spend: keys and their budgets are rows of
// the ledger.
//
// Invariants:
//
//  1. A secret is `<prefix>_` and 64 alphanumerics, each drawn uniformly from a cryptographic source (381 bits).
//  2. Only its SHA-256 is stored. A secret of this strength needs no slow hash: there is no list of likely ones to try.
//  3. Secrets are compared by their hashes in constant time.
//  4. A secret is shown once, by the call that made it, and never appears in an error or a log.
package identity

// Package identity owns who is asking: the secrets of API keys, the tokens (JWTs) of an identity provider, and the Principal
// that either becomes. The doors ask the Principal for scopes and hand it on in the context.
//
// It must not store anything, know a transport beyond the names of headers, or decide what a caller may spend: keys, their
// budgets and profiles are rows of the ledger, which it sees as KeyStore and KeyToucher.
//
//	credentials ──┬─ API key ── SHA-256 ── KeyBySecretHash ─────────────────┬─► Principal {account, key or none, scopes}
//	              └─ token ──── issuer's keys ─┬─ api_key_id ── KeyByID ─────┤
//	                                           └─ none: the owner's session ─┘
//
// Invariants:
//
//  1. A secret is `<prefix>_` and 64 alphanumerics, each drawn uniformly from a cryptographic source (381 bits).
//  2. Only its SHA-256 is stored. A secret of this strength needs no slow hash: there is no list of likely ones to try.
//  3. Secrets are compared by their hashes in constant time.
//  4. A secret is shown once, by the call that made it, and neither secrets nor tokens appear in an error or a log.
//  5. A token is believed only by a pinned issuer, audience and asymmetric algorithm, within its time, which must end.
//  6. A key is looked up on every request, also where a gateway vouches for it: it ends at once, belongs to its owner, and
//     the scopes are those that both the token and the key have.
//  7. What cannot be checked now (the store or the issuer is away) lets nobody in. Keys of the issuer that are known stay
//     known while it is away; it is asked at most every half minute because of key ids that are unknown.
//  8. When keys are used is gathered in bounded memory and written in batches: no request waits for a write.
package identity

// Package callback is what is said to the callback endpoints of accounts, and how: the message, its signature by the Standard
// Webhooks specification, and an HTTP client that may be pointed at any URL a stranger names.
//
// It must not read or write the ledger, and it decides nothing about retries: that is activities/callback.go.
//
// Invariants:
//
//  1. A message holds no preimage, no payment secret and nothing of another account but the id of a counterparty's wallet.
//  2. Secrets are derived from the master secret and the endpoint's id: none is stored, none is logged.
//  3. Outside development nothing but https to public addresses is reached; the address is checked when it is dialled, whatever a
//     name resolved to before. Redirects are not followed, no proxy is used.
//  4. A call ends within Timeout, and reads at most 64 KiB of the answer.
package callback

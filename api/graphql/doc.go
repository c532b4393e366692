// Package graphqlapi is the GraphQL door: docs/api.md, over HTTP and WebSockets.
//
// It owns the schema (schema/, schema first), how scalars are read (scalar/), who may ask for which field, and in what words
// an answer or an error leaves. generated/ is gqlgen's and never edited: go generate ./api/graphql.
//
// It must not decide about money: what is allowed, reserved or paid is the starter's and the ledger's word. It must not know
// headers or tokens: who calls is the Principal in the context, put there by the frame (package api) or, for a WebSocket, by
// the Authenticate that the configuration gives.
//
// Three classes of failure, and clients depend on the difference (errors.go): business in the payload, with a code; a
// malformed value in the payload, without; authentication, scopes and key management at the top, one error per operation.
//
// Invariants:
//
//  1. Every field of the three root types says in the schema who may ask for it: @needs, @owner or @open. It is checked
//     before anything of the operation runs, and a refused operation has exactly one error and no data.
//     What a mutation answers beyond its own doing, accounts, wallets and histories, needs READ as well.
//  2. Account and key of a payment come from the credentials, through caller(), in every one of the eleven mutations.
//  3. Another owner's wallet, key, payment or invoice answers as one that does not exist.
//  4. An error's text is a *payment.Error's message or gqlgen's about the request; the text of a driver is for the log.
//  5. What an operation may cost is bounded before it is validated or kept: its length, tokens, depth, fields, root fields,
//     fragments and the comparisons that validation will make; before it runs its complexity; while it runs, a query's time.
//     It reads each thing from the ledger once, however many aliases want it (readings.go).
//  6. A secret is answered once, by the mutation that made it, and is never logged.
//  7. A subscription ends with its connection, holds no rows but the last few it has told about, and a client that does not
//     read is dropped.
//  8. Credentials of a WebSocket are looked at again for every operation, and before a running subscription that needs them
//     tells anything. When they are no longer good the connection is closed with 4403.
//  9. Mutations are served over HTTP only: a socket has no X-Idempotency-Key, and one that was cut would be paid twice.
//  10. Every root field takes from an allowance, over HTTP and WebSockets alike (charges.go); every upgrade and every message
//     that asks for something too, also one that is refused.
//  11. Of an operation whose caller's credentials cannot be checked now nothing runs, unless all of it is open: it is answered in
//     its own shape, with UNKNOWN_CLIENT_ERROR, and a WebSocket is closed with a code that clients retry (unchecked.go).
package graphqlapi

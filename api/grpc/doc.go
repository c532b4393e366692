// Package grpcapi serves gRPC: services.api_keys.v1 for core APIs that only want our budgets, and holdfast.payments.v1 to
// start, read, watch and steer payments.
//
// It owns the services on top of starter and of what the ledger reads and knows of keys, their errors, credentials and bounds. It must not
// see a workflow, an activity or a node, and it keeps nothing: any number of processes may serve.
//
// The code in gen is written from ../../proto by `go generate`, and never edited.
//
// Invariants:
//
//  1. services.api_keys.v1 is wire-compatible with the clients of others: numbers and types never change.
//  2. Without TLS and a token there is no server, except in development. Health alone needs no token.
//  3. Every call has a deadline, ours if the client gives none; a message has a largest size.
//  4. What a client is told comes from a *payment.Error, by one table (status.go). Anything else is INTERNAL, and its text
//     goes to the log only.
//  5. A stream ends with its client, with its deadline and with the server.
//  6. The caller is a core API: it may name any account. What it says has been spent is always recorded.
package grpcapi

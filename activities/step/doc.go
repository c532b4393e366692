// Package step is the contract between the workflows and the activities: the name, input and result of every step
// that a saga can take. It has no I/O, so that workflows can import it without touching a database or a client.
//
// Invariants:
//
//  1. Everything here is stored in Temporal's history: no preimage, no macaroon, no secret.
//  2. A business outcome is a result, never an error: an error means "ask again".
//  3. Names and fields only grow: recorded histories are replayed against them.
package step

// Package payment holds the words that every other package shares: identifiers,
// amounts, kinds, states, requests, outcomes and failure reasons.
//
// It owns meaning only: no I/O, no clock, no import of another package of ours.
//
// Invariants:
//
//  1. Money is an integer with its unit in the type; arithmetic that would
//     overflow answers false and never wraps.
//  2. The table of states and allowed moves is data (Moves). The database
//     enforces the same table; the diagram in ARCHITECTURE.md is generated from it.
//  3. A Request is fixed before anything happens. Two requests with the same
//     fingerprint ask for the same payment.
//  4. An Error's message is written for the user; its cause is for the log and
//     is never sent to a client.
package payment

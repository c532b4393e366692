// Command holdfast is Holdfast's one binary: the operator's command line, the worker, and the private network for
// development. Each command is a struct with its flags beside its Run; run.go parses, connects, and turns errors into
// exit codes.
//
// It owns the words of the command line and nothing else: payments start at the starter, money and budgets are the
// ledger's, answers are printed by show, and settings are found by settings.
//
// Invariants:
//
//  1. The operator's tool: the account of a payment is its wallet's. It never goes around the rules of the ledger.
//  2. Every command ends with one of the documented codes, and what went wrong is one line that says what to do.
//  3. Ctrl-C ends every command; one that has started a network takes it down first.
//  4. Connections open when they are needed: what only reads the ledger works while Temporal and LND are away.
package main

// Package e2e has no code: its tests drive the whole of Holdfast on real nodes. They start payments through starter, in
// the tests' process, against a worker of cmd/holdfast that is a process of its own and can be killed, real Postgres,
// Temporal, btcd and three lnds (devnet).
//
// It must not reach around the product to make a payment move: it starts and steers through starter, reads the ledger,
// and acts otherwise only as the outside world does (receivers, miners, operators, crashes).
//
// Invariants:
//
//  1. A test has an account, wallets and keys of its own, and expects balances to the msat and budgets to the sat.
//  2. A test ends with every check of the ledger ok, and with the node comparison ok.
//  3. Waiting is for a state, with a deadline; never for time to pass.
//  4. A test that stops or kills a process runs alone (no t.Parallel) and starts it again.
//  5. Money moves outside only as often as inside: what a receiver was paid is asked of the receiver.
package e2e

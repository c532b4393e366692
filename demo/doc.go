// Package demo shows that Holdfast keeps its promises, on a private network and in front of your eyes: each step says
// what it expects, does it for real through LND, Temporal and Postgres, and says what it saw.
//
// It must not reach around the product: payments start at the starter and are read from the ledger. The outside world
// (alice, the miners, the worker's process) is moved through devnet.
//
// Invariants:
//
//  1. What was seen is read after the fact from where it is recorded, never assumed.
//  2. A difference between expected and seen fails the program.
//  3. It can run again and again on one network: every run opens an account of its own.
//  4. Waiting is for a state, with a deadline; never for time to pass.
package demo

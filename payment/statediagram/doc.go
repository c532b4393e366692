// Command statediagram writes the state diagram of a payment, drawn from payment.Moves, between the two marker lines of
// the Markdown file that it is given. It touches nothing else of that file.
//
// Invariants:
//
//  1. The picture has exactly the moves of payment.Moves; CI fails when it is stale.
package main

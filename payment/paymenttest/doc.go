// Package paymenttest is what tests ask of every message that a client is shown. It must not be linked into the product.
//
// Invariants:
//
//  1. There is one notion of a message for users. Tests of all packages share it.
package paymenttest

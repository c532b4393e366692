// Package lndclient is the only place that knows lnrpc: LND over gRPC, its errors sorted by what they prove, and
// the decoding of what users give (invoices and addresses).
//
// It must not: decide what a payment's state becomes (the sagas do), retry a call that may have had an effect, keep
// state of its own, or let gRPC text reach a user.
//
// Invariants:
//
//  1. Unknown is not failed. Refused, NotFound and AlreadyExists are given only for answers that LND sends before
//     it has an effect or instead of one; everything else is Unavailable or Unknown (errmap.go holds the one table).
//  2. Unavailable and Unknown mean the same for money: the call may have had its effect.
//  3. Closing a stream never cancels a payment: SendPaymentV2 is called with cancelable = false.
//  4. A payment is Failed only when LND says so and no HTLC of it is in flight.
//  5. Publish answers success only for a transaction that the wallet or the mempool has, and Refused only where
//     LND's mempool said no to it.
//  6. What Decode accepts is stable: the canonical form decodes to itself. Amounts never wrap.
//  7. A Client survives restarts of its node: no call needs a new Client.
//  8. A node that is too old or on another network is sent nothing but the question who it is, also where it has taken the place
//     of one that fits (admit.go).
//  9. Macaroons, preimages and certificates never appear in an error or a log.
package lndclient

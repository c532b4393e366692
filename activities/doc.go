// Package activities holds the side effects that workflows call, grouped by what they touch: the ledger, lightning,
// on-chain, fees, receives, the watcher of a node, callback endpoints, and the upkeep of the house. Names, inputs and results are in
// activities/step.
//
// An activity is either one SQL transaction guarded by the payment's row, or one outside call that looks before it acts.
//
// Invariants:
//
//  1. Idempotent by payment id: an activity may run twice, also at the same time, also late.
//  2. Before anything leaves, the row is fenced (ledger.BeginSend). A terminal row is never sent.
//  3. NotPaid after a fence needs LND's or the chain's terminal answer. Silence, NOT_FOUND while an earlier call may
//     still arrive, and errors that we do not understand are all "in flight, unknown".
//  4. A payment that LND reports is ours only if its index is above the baseline stored before the first send.
//  5. Only the transaction that is stored is broadcast.
//  6. Business outcomes are results; an error means "ask again" and carries no secret.
package activities

// Package worker joins workflows and activities to Temporal: registration, task queues, slots, and the watchers.
//
// A worker process is stateless: any number of them serve the same queues. One queue carries the sagas and their
// transactions in the ledger; each LND node has one for what needs its credentials; one is for watchers and chores, one for
// calling the callback endpoints of accounts.
//
// Invariants:
//
//  1. Names are registered explicitly and without aliases, so that a rename in Go cannot orphan a running saga.
//  2. A panic in a workflow blocks it until a fixed build arrives; it never fails a payment.
//  3. A worker starts while LND is away: sagas wait, and nothing is refused that was not asked.
//  4. A stopping worker finishes the activities that it runs, up to 30 seconds.
//  5. A worker of a build gets what belongs to it, and new work only once it is promoted (deployment.go). What may wait for
//     days follows the promotion, everything else stays on the build it began on.
//  6. What strangers' servers do takes no slot of a payment.
package worker

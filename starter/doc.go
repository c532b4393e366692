// Package starter starts, awaits, reads and steers payments: the only door to Temporal for a core API.
//
// It validates what can be told without I/O, chooses the kind of payment, and starts the saga by Update-with-Start. It
// writes nothing itself, and it never decides what became of a payment: answers come from the payment's row. The one
// exception are budget locks (locks.go): that money was spent elsewhere is recorded, or reversed, as it is told.
//
// Invariants:
//
//  1. Workflow id = payment id. With an idempotency key the id is derived from account and key, so that calls at the same
//     time meet in one workflow, and later ones find the row (rule 8).
//  2. A second call with another body is an error and has no effect, whether the first still runs or not.
//  3. A refusal by validation changes nothing: no row, no workflow.
//  4. "Pending" is an answer: a caller's patience never changes a payment. Behind it is a workflow that runs, or a row for
//     which reconcile starts it again; one that somebody ended before there was a row is started again by the next call.
//  5. Another owner's wallet, payment, invoice or key looks as if it did not exist.
//  6. Chores (invoices, addresses, fee probes, cancels) answer within seconds, whoever is away: ReasonNodeOffline when the node
//     or its workers are, ReasonUnavailable when Temporal or all workers are. A probe sends nothing.
package starter

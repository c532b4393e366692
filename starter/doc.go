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
//  6. Questions to a node (invoices, addresses, fee probes, cancels) answer within seconds, whoever is away: ReasonNodeOffline
//     when the node or its workers are, ReasonUnavailable when Temporal or all workers are. A probe sends nothing.
//
// # Answers and errors
//
// Errors are *payment.Error: switch on payment.ReasonOf(err), show Message, log Cause. Others are of a context that ended,
// which says nothing about the payment: ask again with the same idempotency key.
//
// What starts a payment (PayInvoice, PayAddress, PayWallet, Start) answers with a row and no error wherever there is a payment,
// whatever became of it. Look at its State:
//
//   - Settled, Failed: the end, funds and budget included. Failure says why it failed.
//   - Refused: the ledger said no, and nothing moved: a limit, the balance, a wallet or key that is not this account's or has ended, an
//     invoice that is paid already. Failure says which, with the numbers of the limit. It stays the answer for its idempotency key.
//   - Pending, and Reserved or Dispatched where Config.Wait was over sooner: under way. Watch, Await or Get its ID. A pending row
//     may not be in the ledger yet: Get then answers ReasonPaymentNotFound for some moments.
//
// Their errors mean that there is no payment, with one exception:
//
//   - ReasonInvalidInput, ReasonInvalidAmount, ReasonInvalidAddress, ReasonDust, ReasonInvoiceInvalid, ReasonInvoiceExpired,
//     ReasonSelfPayment: validation. What was asked cannot be done; ask for something else.
//   - ReasonIdempotencyConflict: the key belongs to a payment with another body, which goes on.
//   - ReasonUnavailable: the ledger is away, and nothing was started. ReasonNodeNotFound: no node is configured.
//   - ReasonOutcomeUnknown: it is not known whether the payment was started. Do not refund, and do not pay in another way: repeat the call
//     with the same idempotency key until it answers. Without a key nothing can be repeated, so give one to every call.
//
// Get, List, Watch and Await read rows: ReasonPaymentNotFound, also for another owner's; ReasonUnavailable while the ledger is away.
//
// Recheck, Abandon and BumpFee steer, for operators, and answer the row as it is then; one that has ended is no error.
// ReasonPaymentNotFound; ReasonPaymentInFlight: an abandon that would not be safe, with the reason in words, and the payment goes on;
// ReasonUnavailable: Temporal or the payment's workflow is away, or ctx has ended, and the wish may still be heard. Without a worker
// they wait for one until ctx ends: give it a deadline.
//
// CreateInvoice, CreateAddress, CurrentAddress, CancelInvoice and the fee probes ask a node (invariant 6): besides what they refuse for
// its input, ReasonNodeOffline and ReasonUnavailable. An invoice or address that was made and not answered credits nobody: ask again.
package starter

// Package workflows holds the durable processes: one file per kind of payment, each readable as the business process,
// and the processes that receive, ask for fees, watch, reconcile and tell callback endpoints.
//
// It imports payment and activities/step, never a database or a client: what touches the world is an activity.
//
// Invariants:
//
//  1. Workflow id = payment id. The first line of a saga registers its door, so that no caller can arrive too early.
//  2. Nothing leaves before Reserve has committed (rule 1 of ARCHITECTURE.md).
//  3. A saga ends only when its payment's row is terminal. There is no execution timeout; a history that has become long
//     goes on in a new run.
//  4. Void follows only a terminal word; "unknown" waits and asks again (rule 2).
//  5. Steps run in a disconnected context: a cancelled workflow compensates if nothing has left, and otherwise goes on.
//  6. A business outcome is a result; a Failed workflow is a bug.
//  7. A signal is a hint to ask, never an answer.
//  8. Histories recorded from every kind replay; a change of the order of steps goes through workflow.GetVersion.
package workflows

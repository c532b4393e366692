// Package ledger is the only door to money: accounts, wallets, transfers, holds, API-key budgets, payment records and
// receives, in Postgres.
//
// It owns the schema (migrations/, schema.sql), its functions and every statement against it. It must not call LND or Temporal,
// and decides nothing in memory: any number of processes may use one database.
//
// The steps that move money are SQL functions: one round trip, one short transaction. Read them in schema.sql, which lists what
// all migrations together have made (generated, and tested): a migration says why, and a later one may have replaced it.
// The connection acts as the role holdfast_app, which may call them and read, and may not write a transfer, an event, a
// spend, a balance or a cursor by itself. Locks are always taken in this order: payment row, invoice of ours, budget rows by
// id, wallets by id, then new rows, a system account made at its first use among them.
//
// Reserve calls of one API key (without a key: one wallet) that arrive while one is under way go as one batch of at most
// 64 (batch.go, reserve.go, payment_reserve_batch): the same verdicts, one after the other, in one transaction that takes
// all its locks first. A call that arrives alone goes at once. In memory is only the queue of calls whose callers wait.
//
// Invariants; the numbers of the rules are those of ARCHITECTURE.md:
//
//  1. Rule 1: a payment row exists only together with its hold (or transfer) and its spend.
//  2. Rule 4: a hold is posted or voided at most once (index transfers_resolve_once).
//  3. Rule 5: credits posted - debits posted - debits pending of a wallet is never negative (check on its row), and
//     its columns change only with a transfer (trigger transfer_apply).
//  4. Rule 6: a key's running sums, its spends and the payments change in one transaction. A spend at t counts in
//     window w while now < t + w, with times that strictly increase per key and are taken after the lock.
//  5. Rule 7: at most one payment per payment hash is neither refused nor failed (index payments_one_per_hash).
//  6. Rule 8: one payment per account and idempotency key; another fingerprint is an error.
//  7. Rule 9: an on-chain payment is not dispatched before its signed transaction is stored. Every transaction of it is kept
//     (payment_transactions); a replacement is stored under a new fence, is dearer, and none follows a rescue.
//  8. Rule 10: a receive is credited once (index transfers_credit_once): an invoice with its cursor, a deposit before the
//     cursor of blocks passes it. Only functions move cursors, and never back (trigger cursor_guard).
//  9. Rule 12: transfers, transactions and events cannot be changed or deleted, by nobody. A payment changes as 10 says and
//     stays. A spend changes once, when it resolves, downwards (a second time if a recorded lock is reversed); once it has
//     resolved and no window counts it any more it may be deleted, as RetireSpends does after 400 days. What it was about stays.
//  10. A payment moves only as payment.Moves allows (table payment_moves); what is final never changes.
//  11. A batch gives what its calls would have got one by one, and one caller's mistake is not another's error.
//  12. A budget lock is a spend without a payment (00011_locks.sql): it is given back at most once, by its caller or
//     because it was never recorded, and what was recorded counts whatever the limits say.
//  13. Rule 11: a key's account, scopes, secret and end never change (trigger key_guard); limits and revocation ask for the
//     owner's account. A phone and a username stay with their account (account_guard), whose default wallet is its own.
//  14. A wallet's history (transactions) has one row per payment that was not refused and one per receipt, written with the
//     money. Its id says what it is about, so the primary key makes it one; what became of a payment is read from the payment.
//     A page costs what it shows, whatever the history; statements that could choose otherwise are told not to sort.
//  15. A limit of an account is a budget that no key has (00012_account_limits.sql): what is true of a key's budget is true of it,
//     and it has an id of its own where a column says key_id (budgets, spends, spend_chunks). A payment that has both is judged by both at one time and counted by both or neither.
//  16. What an account's callback endpoints are told (00013_callbacks.sql) is written with the money, once per event and endpoint.
//     Nothing waits for it, and what is due cannot be deleted.
package ledger

-- Each of these is one function call: one round trip, one transaction.

-- name: Reserve :one
SELECT p.* FROM payment_reserve(sqlc.arg(request), sqlc.narg(given)) AS p;

-- name: ReserveBatch :many
-- One row for each request, in their order.
SELECT p.* FROM payment_reserve_batch(sqlc.arg(requests)::jsonb[], sqlc.narg(given)) AS p;

-- name: Transfer :one
SELECT p.* FROM payment_transfer(sqlc.arg(request), sqlc.narg(given)) AS p;

-- name: BeginSend :one
SELECT p.* FROM payment_begin_send(sqlc.arg(id), sqlc.arg(seen), sqlc.arg(baseline), sqlc.arg(call_for), sqlc.narg(given)) AS p WHERE p.id IS NOT NULL;

-- name: RecordPending :one
SELECT p.* FROM payment_record_pending(sqlc.arg(id), sqlc.arg(height), sqlc.narg(given)) AS p;

-- name: RecordPreimage :one
SELECT p.* FROM payment_record_preimage(sqlc.arg(id), sqlc.arg(preimage)) AS p;

-- name: RecordSigned :one
SELECT p.* FROM payment_record_original(sqlc.arg(id), sqlc.arg(txid), sqlc.arg(raw), sqlc.arg(amount), sqlc.arg(fee), sqlc.arg(rate), sqlc.narg(given)) AS p;

-- name: RecordReplacement :one
SELECT p.* FROM payment_record_replacement(sqlc.arg(id), sqlc.arg(seen), sqlc.arg(kind), sqlc.arg(txid), sqlc.arg(raw), sqlc.arg(fee), sqlc.arg(rate),
    sqlc.arg(call_for), sqlc.narg(given)) AS p WHERE p.id IS NOT NULL;

-- name: RecordConfirmed :one
SELECT p.* FROM payment_record_confirmed(sqlc.arg(id), sqlc.arg(txid), sqlc.narg(given)) AS p;

-- name: PaymentTransactions :many
SELECT * FROM payment_transactions WHERE payment_id = $1 ORDER BY id;

-- name: Settle :one
SELECT p.* FROM payment_settle(sqlc.arg(id), sqlc.arg(fee), sqlc.narg(given)) AS p;

-- name: Void :one
SELECT p.* FROM payment_void(sqlc.arg(request), sqlc.arg(failure), sqlc.arg(attempt), sqlc.narg(given)) AS p;

-- name: Payment :one
SELECT * FROM payments WHERE id = $1;

-- name: Payments :many
SELECT * FROM payments
 WHERE (sqlc.narg(account_id)::uuid IS NULL OR account_id = sqlc.narg(account_id))
   AND (sqlc.narg(wallet_id)::uuid IS NULL OR wallet_id = sqlc.narg(wallet_id))
   AND (sqlc.narg(key_id)::uuid IS NULL OR key_id = sqlc.narg(key_id))
   AND (sqlc.narg(kind)::text IS NULL OR kind = sqlc.narg(kind))
   AND (sqlc.narg(states)::text[] IS NULL OR state = ANY (sqlc.narg(states)::text[]))
   AND (sqlc.narg(before_at)::timestamptz IS NULL OR (created_at, id) < (sqlc.narg(before_at), sqlc.narg(before_id)::uuid))
 ORDER BY created_at DESC, id DESC LIMIT sqlc.arg(max_rows);

-- name: Timeline :many
SELECT at, state, name, detail FROM payment_events WHERE payment_id = $1 ORDER BY id;

-- name: LivePayments :many
SELECT * FROM payments WHERE state IN ('reserved', 'dispatched', 'pending') AND kind <> 'intraledger' AND node = sqlc.arg(node)::text ORDER BY created_at, id;

-- name: UnresolvedBefore :many
SELECT * FROM payments WHERE state IN ('reserved', 'dispatched', 'pending') AND created_at < coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()) - sqlc.arg(age)::interval
   AND (created_at, id) > (sqlc.arg(after_at)::timestamptz, sqlc.arg(after_id)::uuid)
 ORDER BY created_at, id LIMIT sqlc.arg(max_rows);

-- name: PaymentByHash :one
-- The one that is live or has paid, else the newest.
SELECT * FROM payments WHERE payment_hash = $1 ORDER BY (state NOT IN ('refused', 'failed')) DESC, created_at DESC LIMIT 1;

-- name: LivePaymentByHash :one
SELECT * FROM payments WHERE payment_hash = $1 AND state IN ('reserved', 'dispatched', 'pending');

-- name: LivePaymentByTxID :one
-- By any of its transactions.
SELECT p.* FROM payment_transactions t JOIN payments p ON p.id = t.payment_id
 WHERE t.txid = sqlc.arg(txid)::text AND p.state IN ('reserved', 'dispatched', 'pending') LIMIT 1;

-- name: PaymentsResolvedSince :many
SELECT * FROM payments
 WHERE kind <> 'intraledger' AND node = sqlc.arg(node)::text AND resolved_at IS NOT NULL AND (resolved_at, id) > (sqlc.arg(after_at)::timestamptz, sqlc.arg(after_id)::uuid)
 ORDER BY resolved_at, id LIMIT sqlc.arg(max_rows);

-- name: PaymentsGivenUpBefore :many
SELECT * FROM payments
 WHERE node = sqlc.arg(node)::text AND state = 'failed' AND kind = 'lightning' AND attempt > 0 AND failure->>'reason' = 'ABANDONED'
   AND resolved_at < sqlc.arg(before)::timestamptz
 ORDER BY resolved_at, id;

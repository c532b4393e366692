-- Each of the first four is one function call: one round trip, one transaction.

-- name: LockBudget :one
SELECT coalesce(budget_lock(sqlc.arg(key_id), sqlc.arg(id), sqlc.arg(sat), sqlc.arg(hold_for), sqlc.narg(given)), 'null')::jsonb;

-- name: RecordSpend :one
SELECT budget_record(sqlc.arg(key_id), sqlc.narg(id), sqlc.arg(sat), sqlc.arg(transaction_id), sqlc.narg(given))::text;

-- name: ReverseSpend :one
SELECT budget_reverse(sqlc.arg(ref), sqlc.narg(ref_id), sqlc.narg(given))::text;

-- name: ReleaseLock :one
SELECT coalesce(budget_release(sqlc.arg(id), sqlc.narg(given)), '')::text;

-- name: BudgetLock :one
SELECT * FROM budget_locks WHERE ephemeral_id = $1;

-- name: ExpiredLocks :many
SELECT ephemeral_id FROM budget_locks
 WHERE state = 'held' AND expires_at < coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()) - sqlc.arg(grace)::interval
 ORDER BY expires_at LIMIT sqlc.arg(max_rows);

-- name: Transactions :many
SELECT t.* FROM transactions_page(sqlc.arg(account_id), sqlc.arg(wallet_ids)::uuid[], sqlc.narg(hash), sqlc.narg(invoice), sqlc.narg(address),
    sqlc.narg(after_at)::timestamptz, sqlc.narg(after_id)::uuid, sqlc.narg(before_at)::timestamptz, sqlc.narg(before_id)::uuid,
    sqlc.arg(oldest), sqlc.arg(max_rows)) AS t;

-- name: Transaction :one
SELECT * FROM transaction_details WHERE id = $1 AND account_id = $2;

-- name: TransactionsByID :many
-- Row by row through the primary keys, whatever the planner thinks of the list.
SELECT t.* FROM unnest(sqlc.arg(ids)::uuid[]) AS wanted(id)
 CROSS JOIN LATERAL (SELECT * FROM transaction_details d WHERE d.id = wanted.id AND d.account_id = sqlc.arg(account_id) OFFSET 0) t;

-- name: TransactionOfPayment :one
-- Its two rows are in two wallets.
SELECT * FROM transaction_details
 WHERE id IN (sqlc.arg(payment_id)::uuid, receipt_id('payment:' || sqlc.arg(payment_id)::uuid)) AND account_id = sqlc.arg(account_id) AND wallet_id = sqlc.arg(wallet_id);

-- name: PendingReceives :many
SELECT receipt_id(format('deposit:%s:%s', d.txid, d.vout))::uuid AS id, w.account_id, w.currency, d.* FROM wallets w
 CROSS JOIN LATERAL (
    SELECT * FROM deposits d
     WHERE d.wallet_id = w.id AND d.credited_at IS NULL AND d.gone_at IS NULL AND (sqlc.narg(address)::text IS NULL OR d.address = sqlc.narg(address))
     ORDER BY d.seen_at DESC LIMIT sqlc.arg(max_rows)
 ) d
 WHERE w.account_id = sqlc.arg(account_id) AND (sqlc.arg(wallet_ids)::uuid[] = '{}' OR w.id = ANY (sqlc.arg(wallet_ids)::uuid[]))
 ORDER BY d.seen_at DESC, d.txid DESC, d.vout DESC LIMIT sqlc.arg(max_rows);

-- name: InvoicesPage :many
-- A page of each wallet, merged; of the account, if none is named. Its first row is the end that it is read from.
SELECT i.* FROM (SELECT DISTINCT unnest(coalesce(nullif(sqlc.arg(wallet_ids)::uuid[], '{}'), '{NULL}')) AS id) wanted
 CROSS JOIN LATERAL invoices_page(sqlc.arg(account_id), wanted.id, sqlc.narg(after_at)::timestamptz, sqlc.narg(after_hash),
    sqlc.narg(before_at)::timestamptz, sqlc.narg(before_hash), sqlc.arg(oldest), sqlc.arg(max_rows)) AS i
 ORDER BY CASE WHEN sqlc.arg(oldest) THEN i.created_at END, CASE WHEN sqlc.arg(oldest) THEN i.hash END, i.created_at DESC, i.hash DESC
 LIMIT sqlc.arg(max_rows);

-- name: OpenAccount :exec
INSERT INTO accounts (id, created_at) VALUES (sqlc.arg(id), coalesce(sqlc.narg(given)::timestamptz, clock_timestamp())) ON CONFLICT DO NOTHING;

-- name: OpenWallet :exec
INSERT INTO wallets (id, account_id, name, currency, created_at)
VALUES (sqlc.arg(id), sqlc.arg(account_id), sqlc.arg(name), sqlc.arg(currency), coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()))
ON CONFLICT DO NOTHING;

-- name: Wallet :one
SELECT * FROM wallets WHERE id = $1;

-- name: Wallets :many
SELECT * FROM wallets WHERE (sqlc.narg(account_id)::uuid IS NULL OR account_id = sqlc.narg(account_id)) ORDER BY created_at, id;

-- name: CreateKey :exec
INSERT INTO api_keys (id, account_id, name, secret_hash, scopes, created_at, expires_at)
VALUES (sqlc.arg(id), sqlc.arg(account_id), sqlc.arg(name), sqlc.arg(secret_hash), sqlc.arg(scopes), coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()), sqlc.narg(expires_at))
ON CONFLICT (id) DO NOTHING;

-- name: Key :one
SELECT * FROM api_keys WHERE id = $1;

-- name: KeyBySecret :one
SELECT * FROM api_keys WHERE secret_hash = $1;

-- name: Keys :many
SELECT * FROM api_keys WHERE (sqlc.narg(account_id)::uuid IS NULL OR account_id = sqlc.narg(account_id)) ORDER BY created_at, id;

-- name: NewestKeys :many
-- Those in force, which are few, and of the revoked ones the newest: there is no end to them.
SELECT k.* FROM (
    SELECT * FROM api_keys a WHERE a.account_id = sqlc.arg(account_id) AND a.revoked_at IS NULL
     UNION ALL
   (SELECT * FROM api_keys r WHERE r.account_id = sqlc.arg(account_id) AND r.revoked_at IS NOT NULL ORDER BY r.created_at DESC LIMIT sqlc.arg(max_revoked))
) k ORDER BY k.created_at, k.id;

-- name: RevokeKey :execrows
UPDATE api_keys SET revoked_at = coalesce(revoked_at, sqlc.narg(given)::timestamptz, clock_timestamp()) WHERE id = sqlc.arg(id) AND account_id = sqlc.arg(account_id);

-- name: SetLimit :one
SELECT budget_set_limit(sqlc.arg(account_id), sqlc.arg(key_id), sqlc.arg(window_no), sqlc.narg(sat));

-- name: Spending :many
-- The epoch stands for no time.
SELECT window_no::integer AS window_no, (limit_sat IS NOT NULL)::boolean AS limited, coalesce(limit_sat, 0)::bigint AS limit_sat,
       spent_sat::bigint AS spent_sat, coalesce(frees_at, 'epoch')::timestamptz AS frees_at, reserved_sat::bigint AS reserved_sat
  FROM budget_spending(sqlc.arg(key_id), sqlc.narg(given)) AS t(window_no, limit_sat, spent_sat, frees_at, reserved_sat) ORDER BY 1;

-- name: Spendings :many
-- Spending of several keys.
SELECT k.id::uuid AS key_id, window_no::integer AS window_no, (limit_sat IS NOT NULL)::boolean AS limited, coalesce(limit_sat, 0)::bigint AS limit_sat,
       spent_sat::bigint AS spent_sat, coalesce(frees_at, 'epoch')::timestamptz AS frees_at, reserved_sat::bigint AS reserved_sat
  FROM unnest(sqlc.arg(key_ids)::uuid[]) AS k(id)
 CROSS JOIN LATERAL budget_spending(k.id, sqlc.narg(given)) AS t(window_no, limit_sat, spent_sat, frees_at, reserved_sat) ORDER BY 1, 2;

-- name: BudgetsToAdvance :many
-- Of keys and of accounts: key_id is the id of the budget.
SELECT key_id FROM budgets
 WHERE oldest[1] <= sqlc.arg(now)::timestamptz - budget_window(1) OR oldest[2] <= sqlc.arg(now)::timestamptz - budget_window(2)
    OR oldest[3] <= sqlc.arg(now)::timestamptz - budget_window(3) OR oldest[4] <= sqlc.arg(now)::timestamptz - budget_window(4)
 LIMIT sqlc.arg(max_rows);

-- name: AdvanceBudget :one
SELECT budget_advance(sqlc.arg(key_id), sqlc.narg(given));

-- name: ForgetSpends :one
SELECT spends_forget(sqlc.arg(older_than), sqlc.arg(batch));

-- name: DatabaseNow :one
SELECT clock_timestamp()::timestamptz;

-- name: SnapshotSystemAccounts :exec
SELECT system_snapshot(sqlc.narg(given));

-- name: NodeBalance :one
SELECT coalesce(sum(balance), 0)::bigint FROM system_balances WHERE name = 'node' AND node = sqlc.arg(node)::text AND currency = 'BTC';

-- name: SetAccountLimit :one
SELECT account_set_limit(sqlc.narg(account_id), sqlc.arg(purpose), sqlc.arg(window_no), sqlc.narg(sat));

-- name: AccountSpendings :many
-- What an account has moved, for each purpose that has a budget. The epoch stands for no time.
SELECT b.purpose::text AS purpose, window_no::integer AS window_no, (limit_sat IS NOT NULL)::boolean AS limited, coalesce(limit_sat, 0)::bigint AS limit_sat,
       spent_sat::bigint AS spent_sat, coalesce(frees_at, 'epoch')::timestamptz AS frees_at, reserved_sat::bigint AS reserved_sat
  FROM budgets b CROSS JOIN LATERAL budget_spending(b.key_id, sqlc.narg(given)) AS t(window_no, limit_sat, spent_sat, frees_at, reserved_sat)
 WHERE b.account_id = sqlc.arg(account_id)::uuid ORDER BY 1, 2;

-- name: AccountLimitDefaults :many
SELECT purpose, w::integer AS window_no, limits[w]::bigint AS limit_sat FROM account_limit_defaults CROSS JOIN generate_series(1, 4) w
 WHERE limits[w] IS NOT NULL ORDER BY 1, 2;

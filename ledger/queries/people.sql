-- name: AccountOfPhone :one
SELECT * FROM account_of_phone(sqlc.arg(phone), sqlc.arg(new_id), sqlc.arg(btc), sqlc.arg(usd), sqlc.narg(given));

-- name: EnsureAccount :one
SELECT * FROM account_ensure(sqlc.arg(id), sqlc.arg(btc), sqlc.arg(usd), sqlc.narg(given));

-- name: Account :one
SELECT * FROM accounts WHERE id = $1;

-- name: FirstWallet :one
-- BTC before USD, then the oldest.
SELECT id FROM wallets WHERE account_id = $1 ORDER BY currency, created_at, id LIMIT 1;

-- name: AccountOfUsername :one
SELECT * FROM accounts WHERE username = sqlc.arg(username)::text;

-- name: SetUsername :execrows
UPDATE accounts SET username = sqlc.arg(username)::text WHERE id = sqlc.arg(id) AND (username IS NULL OR username = sqlc.arg(username));

-- name: SetDisplayCurrency :execrows
UPDATE accounts SET display_currency = sqlc.arg(display_currency) WHERE id = sqlc.arg(id);

-- name: SetLanguage :execrows
UPDATE accounts SET language = sqlc.arg(language) WHERE id = sqlc.arg(id);

-- name: SetDefaultWallet :execrows
UPDATE accounts a SET default_wallet_id = w.id FROM wallets w WHERE a.id = sqlc.arg(id) AND w.id = sqlc.arg(wallet_id) AND w.account_id = a.id;

-- name: TouchKeys :exec
-- Locked in the order of ids: several processes may do this at once.
UPDATE api_keys k SET last_used_at = used.at
  FROM (SELECT old.id, new.at FROM api_keys old
          JOIN (SELECT unnest(sqlc.arg(ids)::uuid[]) AS id, unnest(sqlc.arg(times)::timestamptz[]) AS at) new ON new.id = old.id
         ORDER BY old.id FOR NO KEY UPDATE OF old) used
 WHERE k.id = used.id AND (k.last_used_at IS NULL OR k.last_used_at < used.at);

-- name: Callbacks :many
SELECT * FROM callback_endpoints WHERE account_id = $1 ORDER BY created_at, id;

-- name: AddCallback :one
INSERT INTO callback_endpoints (id, account_id, url, created_at)
VALUES (sqlc.arg(id), sqlc.arg(account_id), sqlc.arg(url), coalesce(sqlc.narg(given)::timestamptz, clock_timestamp())) RETURNING *;

-- name: DeleteCallback :execrows
DELETE FROM callback_endpoints WHERE id = sqlc.arg(id) AND account_id = sqlc.arg(account_id);

-- name: Contacts :many
-- The newest ones: a payer of thousands does not read them all.
SELECT c.contact_id, coalesce(a.username, '')::text AS username, c.transactions_count, c.created_at
  FROM contacts c JOIN accounts a ON a.id = c.contact_id
 WHERE c.account_id = sqlc.arg(account_id) ORDER BY c.created_at DESC, c.contact_id LIMIT sqlc.arg(max_rows);

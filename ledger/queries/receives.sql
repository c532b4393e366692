-- name: AddInvoice :exec
INSERT INTO invoices (hash, wallet_id, account_id, node, request, amount, memo, description_hash, external_id, on_behalf, payment_secret, webhook_url, state, created_at, expires_at)
VALUES (sqlc.arg(hash), sqlc.arg(wallet_id), sqlc.arg(account_id), sqlc.arg(node), sqlc.arg(request), sqlc.arg(amount), sqlc.arg(memo),
        sqlc.narg(description_hash), sqlc.arg(external_id), sqlc.arg(on_behalf), sqlc.narg(payment_secret), sqlc.narg(webhook_url), 'open',
        coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()), sqlc.arg(expires_at))
ON CONFLICT (hash) DO NOTHING;

-- name: Invoice :one
SELECT * FROM invoices WHERE hash = $1;

-- name: InvoiceByExternalID :one
SELECT * FROM invoices WHERE account_id = $1 AND external_id = $2 AND NOT on_behalf;

-- name: CancelInvoice :one
SELECT coalesce(invoice_cancel(sqlc.arg(hash)), '')::text;

-- name: RecordInvoicePreimage :exec
UPDATE invoices SET preimage = sqlc.arg(preimage)::bytea WHERE hash = sqlc.arg(hash) AND preimage IS NULL;

-- name: CreditInvoice :one
SELECT invoice_credit(sqlc.arg(node), sqlc.arg(hash), sqlc.arg(received), sqlc.arg(settle_index), sqlc.narg(given));

-- name: AddAddress :exec
INSERT INTO addresses (address, wallet_id, account_id, node, created_at)
VALUES (sqlc.arg(address), sqlc.arg(wallet_id), sqlc.arg(account_id), sqlc.arg(node), coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()))
ON CONFLICT DO NOTHING;

-- name: AddressOwner :one
SELECT * FROM addresses WHERE address = $1;

-- name: UnusedAddress :one
-- The wallet's newest address, unless something has come to it, from the chain or from inside the ledger.
SELECT a.* FROM (SELECT * FROM addresses new WHERE new.wallet_id = sqlc.arg(wallet_id) ORDER BY new.created_at DESC LIMIT 1) a
 WHERE NOT EXISTS (SELECT FROM transactions t WHERE t.wallet_id = a.wallet_id AND t.address = a.address)
   AND NOT EXISTS (SELECT FROM deposits d WHERE d.wallet_id = a.wallet_id AND d.credited_at IS NULL AND d.address = a.address);

-- name: RecordDeposit :one
SELECT deposit_record(sqlc.arg(node), sqlc.arg(txid), sqlc.arg(vout), sqlc.arg(address), sqlc.arg(sat), sqlc.arg(height), sqlc.arg(credit), sqlc.narg(given));

-- name: DepositGone :exec
SELECT deposit_gone(sqlc.arg(node), sqlc.arg(txid), sqlc.narg(given));

-- name: AwaitedDeposits :many
SELECT DISTINCT txid FROM deposits WHERE node = $1 AND credited_at IS NULL AND gone_at IS NULL ORDER BY txid;

-- name: AdvanceBlocks :exec
SELECT blocks_advance(sqlc.arg(node), sqlc.arg(block_height));

-- name: Cursors :one
SELECT * FROM cursors WHERE node = $1;

-- name: CreditedInvoicesSince :many
SELECT * FROM invoices WHERE node = $1 AND state = 'paid' AND settle_index IS NOT NULL AND paid_at >= sqlc.arg(since)::timestamptz ORDER BY paid_at, hash;

-- name: OpenInvoicesSince :many
SELECT * FROM invoices WHERE node = $1 AND state = 'open' AND created_at >= sqlc.arg(since)::timestamptz ORDER BY created_at, hash;

-- name: MissedDeposits :many
-- Of these outpoints and addresses, the places (from 1) of those that pay an address of the node's wallets and are not credited.
SELECT i::integer FROM generate_subscripts(sqlc.arg(txids)::text[], 1) AS i
  JOIN addresses a ON a.address = (sqlc.arg(addresses)::text[])[i] AND a.node = sqlc.arg(node)
  LEFT JOIN deposits d ON d.txid = (sqlc.arg(txids)::text[])[i] AND d.vout = (sqlc.arg(vouts)::bigint[])[i]
 WHERE d.credited_at IS NULL ORDER BY i;

-- name: CreditedDepositsSince :many
SELECT * FROM deposits WHERE node = $1 AND credited_at >= sqlc.arg(since)::timestamptz ORDER BY credited_at, txid, vout;

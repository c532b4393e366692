-- name: DeliveriesToStart :many
SELECT d.* FROM callback_deliveries_to_start(sqlc.arg(after_line), sqlc.arg(per_line), sqlc.arg(max_rows), sqlc.narg(given)) AS d;

-- name: TakeDeliveries :exec
UPDATE callback_deliveries SET taken_until = coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()) + sqlc.arg(take_for)::interval
 WHERE id = ANY (sqlc.arg(ids)::uuid[]) AND state = 'due';

-- name: Delivery :one
-- With the URL as it is now: empty when the endpoint was deleted.
SELECT d.*, coalesce(e.url, d.url, '')::text AS to_url FROM callback_deliveries d LEFT JOIN callback_endpoints e ON e.id = d.endpoint_id
 WHERE d.id = sqlc.arg(id);

-- name: RecordDelivery :execrows
UPDATE callback_deliveries d SET state = sqlc.arg(state)::text, attempts = d.attempts + 1, last_error = sqlc.narg(last_error),
       taken_until = new.at + sqlc.arg(take_for)::interval, resolved_at = CASE WHEN sqlc.arg(state)::text <> 'due' THEN new.at END
  FROM (SELECT coalesce(sqlc.narg(given)::timestamptz, clock_timestamp()) AS at) new
 WHERE d.id = sqlc.arg(id) AND d.state = 'due';

-- name: ForgetDeliveries :execrows
DELETE FROM callback_deliveries WHERE id IN (
    SELECT old.id FROM callback_deliveries old WHERE old.state <> 'due' AND old.resolved_at < sqlc.arg(older_than)::timestamptz
     ORDER BY old.resolved_at LIMIT sqlc.arg(batch)::integer);

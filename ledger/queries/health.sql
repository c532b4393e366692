-- name: LiveSummary :many
-- The index payments_live has the rows: the cost grows with what is in flight, not with history.
SELECT kind, state, count(*) AS payments, min(created_at)::timestamptz AS oldest
FROM payments WHERE state IN ('reserved', 'dispatched', 'pending')
GROUP BY kind, state ORDER BY kind, state;

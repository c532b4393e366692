-- payment states: each timeline is made of allowed moves and ends in the payment's state
WITH steps AS (
    SELECT payment_id, id, state, coalesce(lag(state) OVER (PARTITION BY payment_id ORDER BY id), '') AS was FROM payment_events
)
SELECT 'payment ' || p.id || ' (' || p.state || ')' AS item,
       (count(s.id) > 0 AND bool_and(s.state = s.was OR EXISTS (SELECT FROM payment_moves m WHERE m.from_state = s.was AND m.to_state = s.state))
        AND (array_agg(s.state ORDER BY s.id DESC))[1] = p.state) IS TRUE AS ok
  FROM payments p LEFT JOIN steps s ON s.payment_id = p.id GROUP BY p.id, p.state

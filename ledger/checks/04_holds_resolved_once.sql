-- holds resolved once: every hold is posted or voided at most once, at no more than was held
SELECT 'hold ' || h.id AS item,
       count(r.id) <= 1 AND coalesce(bool_and(r.debit_account = h.debit_account AND r.credit_account = h.credit_account AND r.amount <= h.amount), true) AS ok
  FROM transfers h LEFT JOIN transfers r ON r.pending_id = h.id
 WHERE h.kind = 'pending' GROUP BY h.id
UNION ALL
SELECT 'resolution ' || r.id, false FROM transfers r
 WHERE r.pending_id IS NOT NULL AND NOT EXISTS (SELECT FROM transfers h WHERE h.id = r.pending_id AND h.kind = 'pending')

-- payments and spends: each budget is charged a payment's actual cost in whole sat, the key's and the account's, and what failed is given back
SELECT 'payment ' || p.id || ' (' || p.state || ') of budget ' || of_budget.id AS item,
       CASE p.state
       WHEN 'failed' THEN s.counted = 0 AND s.state = 'released'
       WHEN 'settled' THEN s.state = 'settled' AND s.counted = sat_ceil(p.amount + p.fee - p.fee_overage)
       ELSE s.state = 'reserved' AND s.counted = s.reserved AND s.reserved = sat_ceil(p.amount + p.fee_reserve)
       END IS TRUE AS ok
  FROM payments p CROSS JOIN LATERAL (VALUES (p.key_id), (p.account_limit_id)) AS of_budget (id)
  LEFT JOIN spends s ON s.key_id = of_budget.id AND s.at = p.spent_at AND s.payment_id = p.id
 WHERE p.spent_at IS NOT NULL AND of_budget.id IS NOT NULL AND (s.key_id IS NOT NULL OR p.state IN ('reserved', 'dispatched', 'pending') -- others may be forgotten when no window counts them
       OR EXISTS (SELECT FROM budgets b WHERE b.key_id = of_budget.id AND p.spent_at >= ANY (b.oldest)))
UNION ALL
SELECT 'spend of ' || s.payment_id || ' in flight without a payment or a lock', false FROM spends s
 WHERE s.state = 'reserved'
   AND NOT EXISTS (SELECT FROM payments p WHERE p.id = s.payment_id AND p.spent_at = s.at AND s.key_id IN (p.key_id, p.account_limit_id) AND p.state IN ('reserved', 'dispatched', 'pending'))
   AND NOT EXISTS (SELECT FROM budget_locks l WHERE l.ephemeral_id = s.payment_id AND l.key_id = s.key_id AND l.spent_at = s.at AND l.state = 'held')

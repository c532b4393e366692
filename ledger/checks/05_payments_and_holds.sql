-- payments and holds: a live payment has one open hold, a settled one was posted at its cost, a failed one was voided, a refused one moved nothing
SELECT 'payment ' || p.id || ' (' || p.state || ')' AS item,
       CASE p.state
       WHEN 'refused' THEN h.id IS NULL
       WHEN 'failed' THEN h.kind = 'pending' AND r.kind IS NOT DISTINCT FROM 'void'
       WHEN 'settled' THEN h.debit_account = p.wallet_id AND (h.kind = 'posted' OR r.kind IS NOT DISTINCT FROM 'post')
            AND coalesce(r.amount, h.amount) = p.amount + p.fee - p.fee_overage
       ELSE h.kind = 'pending' AND r.id IS NULL AND h.debit_account = p.wallet_id AND h.amount = p.amount + p.fee_reserve
       END IS TRUE AS ok
  FROM payments p
  LEFT JOIN transfers h ON h.payment_id = p.id AND h.leg = 'payment' AND h.kind IN ('pending', 'posted')
  LEFT JOIN transfers r ON r.pending_id = h.id
UNION ALL
SELECT 'transfer ' || t.id || ' of no payment', false FROM transfers t
 WHERE t.payment_id IS NOT NULL AND NOT EXISTS (SELECT FROM payments p WHERE p.id = t.payment_id)

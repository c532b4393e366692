-- budget locks: each lock has its spend, which counts while it is held or recorded and not once it is given back
SELECT 'lock ' || l.ephemeral_id || ' (' || l.state || ')' AS item,
       CASE l.state
       WHEN 'held' THEN s.state = 'reserved' AND s.counted = l.amount_sat
       WHEN 'recorded' THEN s.state = 'settled' AND s.counted = l.amount_sat
       ELSE s.state = 'released' AND s.counted = 0
       END IS TRUE AND s.reserved = l.amount_sat AS ok
  FROM budget_locks l LEFT JOIN spends s ON s.key_id = l.key_id AND s.at = l.spent_at AND s.payment_id = l.ephemeral_id
 WHERE s.key_id IS NOT NULL OR l.state = 'held' -- others may be forgotten when no window counts them
    OR EXISTS (SELECT FROM budgets b WHERE b.key_id = l.key_id AND l.spent_at >= ANY (b.oldest))
UNION ALL
SELECT 'trigger ' || want.name || ' on ' || want.table_,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgname = want.name AND t.tgrelid = want.table_::regclass AND t.tgenabled IN ('O', 'A'))
  FROM (VALUES ('lock_guard', 'budget_locks'), ('append_only_all', 'budget_locks')) AS want(name, table_)

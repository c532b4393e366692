-- wallet columns: each wallet's row equals the sum of its transfers
WITH legs AS (
    SELECT t.debit_account AS id, t.kind, t.amount, hold.amount AS held, 'debit' AS side
      FROM transfers t LEFT JOIN transfers hold ON hold.id = t.pending_id
    UNION ALL
    SELECT t.credit_account, t.kind, t.amount, hold.amount, 'credit'
      FROM transfers t LEFT JOIN transfers hold ON hold.id = t.pending_id
), sums AS (
    SELECT id,
           sum(CASE WHEN kind = 'pending' THEN amount WHEN kind IN ('post', 'void') THEN -held ELSE 0 END) FILTER (WHERE side = 'debit') AS debits_pending,
           sum(amount) FILTER (WHERE side = 'debit' AND kind IN ('posted', 'post')) AS debits_posted,
           sum(CASE WHEN kind = 'pending' THEN amount WHEN kind IN ('post', 'void') THEN -held ELSE 0 END) FILTER (WHERE side = 'credit') AS credits_pending,
           sum(amount) FILTER (WHERE side = 'credit' AND kind IN ('posted', 'post')) AS credits_posted
      FROM legs GROUP BY id
)
SELECT 'wallet ' || w.id AS item,
       (w.debits_pending, w.debits_posted, w.credits_pending, w.credits_posted)
       = (coalesce(s.debits_pending, 0), coalesce(s.debits_posted, 0), coalesce(s.credits_pending, 0), coalesce(s.credits_posted, 0)) AS ok
  FROM wallets w LEFT JOIN sums s USING (id)

-- snapshots: each system account's derived balance equals the sum of all its transfers
SELECT 'account ' || b.name || ' ' || b.node AS item,
       b.balance = coalesce((SELECT sum(CASE WHEN t.debit_account = b.id THEN t.amount ELSE -t.amount END)
                               FROM transfers t WHERE t.kind IN ('posted', 'post') AND b.id IN (t.debit_account, t.credit_account)), 0) AS ok
  FROM system_balances b

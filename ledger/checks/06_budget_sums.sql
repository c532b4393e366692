-- budget sums: each key's running sums equal the spends that they count
SELECT 'key ' || b.key_id || ' window ' || w AS item,
       b.sums[w] = coalesce((SELECT sum(counted) FROM spends s WHERE s.key_id = b.key_id AND s.at >= b.oldest[w]), 0) AS ok
  FROM budgets b CROSS JOIN generate_series(1, 4) w
UNION ALL
SELECT 'key ' || b.key_id || ' in flight',
       b.reserved = coalesce((SELECT sum(reserved) FROM spends s WHERE s.key_id = b.key_id AND s.state = 'reserved'), 0)
  FROM budgets b

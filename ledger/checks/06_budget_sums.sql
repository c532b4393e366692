-- budget sums: the running sums of each key and account equal the spends that they count
SELECT 'budget ' || b.key_id || ' window ' || w AS item,
       b.sums[w] = coalesce((SELECT sum(counted) FROM spends s WHERE s.key_id = b.key_id AND s.at >= b.oldest[w]), 0) AS ok
  FROM budgets b CROSS JOIN generate_series(1, 4) w
UNION ALL
SELECT 'budget ' || b.key_id || ' in flight',
       b.reserved = coalesce((SELECT sum(reserved) FROM spends s WHERE s.key_id = b.key_id AND s.state = 'reserved'), 0)
  FROM budgets b
UNION ALL
SELECT 'budget ' || b.key_id || ' chunk ' || c.from_at,
       c.counted = coalesce((SELECT sum(counted) FROM spends s WHERE s.key_id = c.key_id AND s.at BETWEEN c.from_at AND c.until_at), 0)
  FROM budgets b JOIN spend_chunks c USING (key_id) -- those that no window counts may be partly forgotten
 WHERE c.from_at >= least(b.oldest[1], b.oldest[2], b.oldest[3], b.oldest[4])
UNION ALL
SELECT 'budget ' || b.key_id || ' open chunk',
       (b.chunk_spends, b.chunk_counted) = (SELECT count(*), coalesce(sum(counted), 0) FROM spends s WHERE s.key_id = b.key_id AND s.at >= b.chunk_from)
  FROM budgets b WHERE b.chunk_from >= least(b.oldest[1], b.oldest[2], b.oldest[3], b.oldest[4])

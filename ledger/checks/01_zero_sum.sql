-- zero sum: what the wallets hold equals what the system accounts hold for them, per currency
WITH w AS (SELECT currency, sum(credits_posted::numeric - debits_posted) AS held FROM wallets GROUP BY currency),
     s AS (SELECT currency, sum(balance::numeric) AS held FROM system_balances GROUP BY currency)
SELECT currency || ': wallets ' || coalesce(w.held, 0) || ', system accounts ' || coalesce(s.held, 0) AS item,
       coalesce(w.held, 0) = coalesce(s.held, 0) AS ok
  FROM w FULL JOIN s USING (currency)

-- receives credited once: each paid invoice and credited deposit has its one transfer, of its amount, to its wallet (to suspense
-- if that holds no bitcoin)
WITH receivers AS (
    SELECT w.id AS wallet_id, CASE w.currency WHEN 'BTC' THEN w.id ELSE s.id END AS account
      FROM wallets w LEFT JOIN system_accounts s ON s.name = 'suspense' AND s.currency = 'BTC'
)
SELECT 'invoice ' || encode(i.hash, 'hex') AS item,
       ((i.state = 'paid') = (t.id IS NOT NULL OR p.id IS NOT NULL)
        AND (i.state <> 'paid' OR i.received = coalesce(t.amount, 0) + coalesce(p.amount, 0))
        AND (t.id IS NULL OR t.credit_account = r.account)) IS TRUE AS ok
  FROM invoices i JOIN receivers r USING (wallet_id)
  LEFT JOIN transfers t ON t.receipt = 'invoice:' || encode(i.hash, 'hex')
  LEFT JOIN payments p ON p.id = i.payment_id AND p.state = 'settled' AND p.recipient_id = i.wallet_id
UNION ALL
SELECT 'deposit ' || d.txid || ':' || d.vout,
       ((d.credited_at IS NOT NULL) = (t.id IS NOT NULL) AND (t.id IS NULL OR (t.amount = d.amount_sat * 1000 AND t.credit_account = r.account))) IS TRUE
  FROM deposits d JOIN receivers r USING (wallet_id) LEFT JOIN transfers t ON t.receipt = format('deposit:%s:%s', d.txid, d.vout)

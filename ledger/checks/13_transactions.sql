-- transactions: each payment that was not refused and each credited receive has exactly its rows, in its wallets
WITH expected AS (
    SELECT p.id AS id, p.wallet_id, p.account_id, 'send' AS direction, p.currency, p.created_at, NULL::bigint AS amount FROM payments p WHERE p.state <> 'refused'
    UNION ALL
    SELECT receipt_id('payment:' || p.id), w.id, w.account_id, 'receive', w.currency, p.resolved_at, p.amount
      FROM payments p JOIN wallets w ON w.id = p.recipient_id WHERE p.state = 'settled'
    UNION ALL
    SELECT receipt_id(t.receipt), w.id, w.account_id, 'receive', w.currency, NULL, t.amount
      FROM transfers t JOIN wallets w ON w.id = t.credit_account WHERE t.leg = 'receive'
)
SELECT 'transaction ' || coalesce(e.id, t.id) AS item,
       ((t.wallet_id, t.account_id, t.direction, t.currency) = (e.wallet_id, e.account_id, e.direction, e.currency)
        AND t.amount IS NOT DISTINCT FROM e.amount AND t.created_at = coalesce(e.created_at, t.created_at)) IS TRUE AS ok
  FROM expected e FULL JOIN transactions t ON t.id = e.id

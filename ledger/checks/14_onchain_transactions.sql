-- on-chain transactions: each on-chain payment that has left names a stored transaction of its own, and a settled one was charged that one's fee
SELECT 'payment ' || p.id || ' (' || p.state || ')' AS item,
       (t.kind <> 'rescue' AND (t.raw, t.fee) = (p.raw_tx, p.signed_fee) AND (p.state <> 'settled' OR p.fee = t.fee)) IS TRUE AS ok
  FROM payments p LEFT JOIN payment_transactions t ON t.payment_id = p.id AND t.txid = p.txid
 WHERE p.kind = 'onchain' AND p.attempt > 0

-- one payment per hash: no payment hash has two payments that are live or have paid
SELECT 'hash ' || encode(payment_hash, 'hex') AS item, count(*) = 1 AS ok FROM payments
 WHERE payment_hash IS NOT NULL AND state NOT IN ('refused', 'failed') GROUP BY payment_hash

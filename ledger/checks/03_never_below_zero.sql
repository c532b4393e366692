-- never below zero: no wallet has spent or promised more than it received
SELECT 'wallet ' || id AS item, credits_posted - debits_posted - debits_pending >= 0 AND debits_pending >= 0 AND credits_pending >= 0 AS ok FROM wallets

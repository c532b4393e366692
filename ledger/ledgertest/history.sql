-- As a replica: the guards of a payment's states would want every step, and the foreign keys every other row.
SET session_replication_role = replica;

CREATE TEMPORARY TABLE seed AS
SELECT i, hash, substr(encode(hash, 'hex'), 1, 32)::uuid AS payment_id, now() - make_interval(secs => @count - i) AS at,
       'lnbcrt1' || repeat(encode(hash, 'hex'), 4) AS request, 1000 + i AS amount,
       (ARRAY['paid', 'failed', 'in flight', 'invoice', 'inside', 'deposit'])[i % 6 + 1] AS kind
  FROM (SELECT i, sha256(('@wallet/' || i)::bytea) AS hash FROM generate_series(1, @count) i) numbered;

INSERT INTO addresses (address, wallet_id, account_id, node, created_at) VALUES ('bcrt1@wallet', '@wallet', '@account', 'seed', now());

INSERT INTO payments (id, kind, door, account_id, wallet_id, currency, fingerprint, node, amount, send_all, fee_reserve, recipient_id, invoice, payment_hash,
    memo, state, failure, fee, preimage, attempt, first_at, deadline, created_at, updated_at, resolved_at)
SELECT payment_id, CASE kind WHEN 'inside' THEN 'intraledger' ELSE 'lightning' END, 'go',
       CASE kind WHEN 'inside' THEN '@payer_account' ELSE '@account' END::uuid, CASE kind WHEN 'inside' THEN '@payer' ELSE '@wallet' END::uuid,
       'BTC', hash, 'seed', amount, false, 10, CASE kind WHEN 'inside' THEN '@wallet'::uuid END, request, hash, 'payment ' || i,
       CASE kind WHEN 'failed' THEN 'failed' WHEN 'in flight' THEN 'pending' ELSE 'settled' END,
       CASE kind WHEN 'failed' THEN '{"reason": "NO_ROUTE"}'::jsonb END, CASE kind WHEN 'paid' THEN 5 ELSE 0 END, CASE kind WHEN 'paid' THEN hash END,
       1, at, at, at, at, CASE kind WHEN 'in flight' THEN NULL ELSE at END
  FROM seed WHERE kind NOT IN ('invoice', 'deposit');

INSERT INTO invoices (hash, wallet_id, account_id, node, request, amount, memo, external_id, payment_secret, state, received, created_at, expires_at, paid_at)
SELECT hash, '@wallet', '@account', 'seed', request, amount, 'invoice ' || i, encode(hash, 'hex'), hash, 'paid', amount, at, at, at
  FROM seed WHERE kind IN ('invoice', 'inside');

INSERT INTO deposits (txid, vout, address, wallet_id, node, amount_sat, block_height, seen_at, credited_at)
SELECT encode(hash, 'hex'), i, 'bcrt1@wallet', '@wallet', 'seed', amount, 1, at, at FROM seed WHERE kind = 'deposit';

INSERT INTO transactions (id, account_id, wallet_id, currency, direction, payment_id, payment_hash, invoice_digest, created_at)
SELECT payment_id, '@account', '@wallet', 'BTC', 'send', payment_id, hash, invoice_digest(request), at FROM seed WHERE kind IN ('paid', 'failed', 'in flight');

INSERT INTO transactions (id, account_id, wallet_id, currency, direction, payment_id, receipt, amount, payment_hash, invoice_digest, created_at)
SELECT receipt_id(receipt), '@account', '@wallet', 'BTC', 'receive', CASE kind WHEN 'inside' THEN payment_id END, receipt, amount, hash, invoice_digest(request), at
  FROM (SELECT *, CASE kind WHEN 'inside' THEN 'payment:' || payment_id ELSE 'invoice:' || encode(hash, 'hex') END AS receipt FROM seed WHERE kind IN ('inside', 'invoice')) s;

INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, address, txid, vout, created_at)
SELECT receipt_id(receipt), '@account', '@wallet', 'BTC', 'receive', receipt, amount, 'bcrt1@wallet', encode(hash, 'hex'), i, at
  FROM (SELECT *, format('deposit:%s:%s', encode(hash, 'hex'), i) AS receipt FROM seed WHERE kind = 'deposit') s;

DROP TABLE seed;

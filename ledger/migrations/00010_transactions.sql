-- What a wallet shows: one row per wallet and payment or receipt, and the pages of that history.
-- +goose Up

-- A receipt's name as an id, so that the primary key is what says "once", and a deposit keeps its id when it confirms.
-- +goose StatementBegin
CREATE FUNCTION receipt_id(receipt text) RETURNS uuid IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN encode(substr(sha256(convert_to(receipt, 'UTF8')), 1, 16), 'hex')::uuid;
END
$$;
-- +goose StatementEnd

-- A BOLT 11 text is longer than an index entry may be, and means the same in capitals.
-- +goose StatementBegin
CREATE FUNCTION invoice_digest(request text) RETURNS bytea IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN sha256(convert_to(lower(request), 'UTF8'));
END
$$;
-- +goose StatementEnd

-- A row says that, and where, something moved or is about to; what becomes of a payment is read from its row, not kept twice.
-- Written by the functions that move the money, in the same transaction and under the wallet's lock: the rows of one
-- wallet are committed in the order of their times.
CREATE TABLE transactions (
    id             uuid        PRIMARY KEY, -- a send: the payment's id. A receive: receipt_id(receipt)
    account_id     uuid        NOT NULL,
    wallet_id      uuid        NOT NULL REFERENCES wallets,
    currency       text        NOT NULL,
    direction      text        NOT NULL CHECK (direction IN ('send', 'receive')),
    payment_id     uuid        REFERENCES payments, -- NULL: received from outside
    receipt        text,       -- of a receive: invoice:<hash>, deposit:<txid>:<vout>, or payment:<id> from inside the ledger
    amount         bigint      CHECK (amount > 0), -- of a receive, in the smallest unit; that of a send is its payment's
    payment_hash   bytea       CHECK (octet_length(payment_hash) = 32),
    invoice_digest bytea       CHECK (octet_length(invoice_digest) = 32),
    address        text,
    txid           text,       -- with vout: the output of a deposit
    vout           bigint,
    created_at     timestamptz NOT NULL,
    CHECK (direction <> 'send' OR (payment_id IS NOT NULL AND id = payment_id AND receipt IS NULL AND amount IS NULL)),
    CHECK (direction <> 'receive' OR (receipt IS NOT NULL AND id = receipt_id(receipt) AND amount IS NOT NULL)),
    CHECK ((txid IS NULL) = (vout IS NULL))
);
CREATE INDEX transactions_of_account ON transactions (account_id, created_at DESC, id DESC);
CREATE INDEX transactions_of_wallet ON transactions (wallet_id, created_at DESC, id DESC);
CREATE INDEX transactions_of_hash ON transactions (wallet_id, payment_hash, created_at DESC, id DESC) WHERE payment_hash IS NOT NULL;
CREATE INDEX transactions_of_invoice ON transactions (wallet_id, invoice_digest, created_at DESC, id DESC) WHERE invoice_digest IS NOT NULL;
CREATE INDEX transactions_of_address ON transactions (wallet_id, address, created_at DESC, id DESC) WHERE address IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transactions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Called when a payment is reserved.
-- +goose StatementBegin
CREATE FUNCTION transaction_sent(p payments) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, payment_id, payment_hash, invoice_digest, address, created_at)
    VALUES (p.id, p.account_id, p.wallet_id, p.currency, 'send', p.id, p.payment_hash, invoice_digest(p.invoice), p.address, p.created_at);
END
$$;
-- +goose StatementEnd

-- Called when a payment inside the ledger has settled: the receiver's side.
-- +goose StatementBegin
CREATE FUNCTION transaction_received(p payments) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, payment_id, receipt, amount, payment_hash, invoice_digest, address, created_at)
    SELECT receipt_id('payment:' || p.id), w.account_id, w.id, w.currency, 'receive', p.id, 'payment:' || p.id, p.amount,
           p.payment_hash, invoice_digest(p.invoice), p.address, p.resolved_at
      FROM wallets w WHERE w.id = p.recipient_id;
END
$$;
-- +goose StatementEnd

-- Called when lightning has paid an invoice of ours.
-- Replaced in 00015: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION transaction_of_invoice(inv invoices, got bigint, receipt text, given timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, payment_hash, invoice_digest, created_at)
    VALUES (receipt_id(receipt), inv.account_id, inv.wallet_id, 'BTC', 'receive', receipt, got, inv.hash, invoice_digest(inv.request),
            coalesce(given, clock_timestamp()));
END
$$;
-- +goose StatementEnd

-- Called when a deposit is credited.
-- Replaced in 00015: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION transaction_of_deposit(d deposits, receipt text, given timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, address, txid, vout, created_at)
    SELECT receipt_id(receipt), w.account_id, w.id, w.currency, 'receive', receipt, d.amount_sat * 1000, d.address, d.txid, d.vout,
           coalesce(given, clock_timestamp())
      FROM wallets w WHERE w.id = d.wallet_id;
END
$$;
-- +goose StatementEnd

-- A transaction with what its payment or invoice says now. Every join is by primary key.
CREATE VIEW transaction_details AS
SELECT t.id, t.account_id, t.wallet_id, t.created_at, t.currency, t.direction, t.payment_id,
       coalesce(p.state, 'settled') AS state,
       coalesce(p.kind, CASE WHEN t.txid IS NULL THEN 'lightning' ELSE 'onchain' END) AS settled_by,
       coalesce(t.amount, p.amount) AS amount,
       (CASE WHEN t.direction = 'receive' OR p.state = 'failed' THEN 0
             WHEN p.state = 'settled' THEN p.fee - p.fee_overage
             ELSE least(coalesce(p.signed_fee, 0), p.fee_reserve) END)::bigint AS fee,
       coalesce(nullif(CASE WHEN t.direction = 'send' THEN p.memo ELSE inv.memo END, ''), p.memo, inv.memo, '') AS memo,
       (CASE WHEN t.direction = 'receive' THEN coalesce(inv.external_id, '') ELSE '' END)::text AS external_id,
       t.payment_hash, coalesce(p.invoice, inv.request, '') AS invoice, t.address,
       other.id AS counterparty_wallet_id, coalesce(person.username, '') AS counterparty_username,
       coalesce(p.preimage, CASE WHEN inv.state = 'paid' AND coalesce(p.state, 'settled') = 'settled' THEN inv.preimage END) AS preimage,
       inv.payment_secret, coalesce(t.txid, p.txid) AS txid, t.vout
  FROM transactions t
  LEFT JOIN payments p ON p.id = t.payment_id
  LEFT JOIN invoices inv ON inv.hash = t.payment_hash
  LEFT JOIN wallets other ON other.id = CASE WHEN t.direction = 'send' THEN p.recipient_id ELSE p.wallet_id END
  LEFT JOIN accounts person ON person.id = other.account_id;

-- The ids of one page: after and before are places in (created_at, id); it is read from the new end, or from the old one.
-- Each way of asking is one range of one index; several wallets are a range each, merged. Dynamic, so that the plan is
-- made for the question at hand; without sorts, so that Postgres takes rows in the order of an index also where it has no statistics.
-- +goose StatementBegin
CREATE FUNCTION transactions_page(of_account uuid, of_wallets uuid[], hash bytea, invoice text, to_address text,
    after_at timestamptz, after_id uuid, before_at timestamptz, before_id uuid, oldest boolean, max_rows integer)
RETURNS SETOF transaction_details STABLE LANGUAGE plpgsql
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_sort = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    newest_first constant text := CASE WHEN oldest THEN 'ORDER BY created_at, id' ELSE 'ORDER BY created_at DESC, id DESC' END;
    within       text := '';
    page         text;
    ids          uuid[];
BEGIN
    within := within || CASE WHEN after_at IS NOT NULL THEN ' AND (t.created_at, t.id) > ($6, $7)' ELSE '' END;
    within := within || CASE WHEN before_at IS NOT NULL THEN ' AND (t.created_at, t.id) < ($8, $9)' ELSE '' END;
    within := within || CASE WHEN hash IS NOT NULL THEN ' AND t.payment_hash = $3' ELSE '' END;
    within := within || CASE WHEN invoice IS NOT NULL THEN ' AND t.invoice_digest = $4' ELSE '' END;
    within := within || CASE WHEN to_address IS NOT NULL THEN ' AND t.address = $5' ELSE '' END;
    IF coalesce(of_wallets, '{}') = '{}' AND hash IS NULL AND invoice IS NULL AND to_address IS NULL THEN
        page := format('SELECT t.id, t.created_at FROM transactions t WHERE t.account_id = $1 %s %s LIMIT $10', within, newest_first);
    ELSE
        page := format('SELECT t.id, t.created_at FROM wallets w CROSS JOIN LATERAL (
                SELECT t.id, t.created_at FROM transactions t WHERE t.wallet_id = w.id %s %s LIMIT $10) t
            WHERE w.account_id = $1 AND ($2 = ''{}'' OR w.id = ANY ($2)) %2$s LIMIT $10', within, newest_first);
    END IF;
    EXECUTE format('SELECT array_agg(id) FROM (%s) page', page) INTO ids
      USING of_account, coalesce(of_wallets, '{}'), hash, invoice_digest(invoice), to_address, after_at, after_id, before_at, before_id, max_rows;
    RETURN QUERY SELECT d.* FROM transaction_details d WHERE d.id = ANY (ids) ORDER BY d.created_at DESC, d.id DESC;
END
$$;
-- +goose StatementEnd

-- One page of an account's invoices, or of one of its wallets.
-- +goose StatementBegin
CREATE FUNCTION invoices_page(of_account uuid, of_wallet uuid, after_at timestamptz, after_hash bytea, before_at timestamptz, before_hash bytea,
    oldest boolean, max_rows integer)
RETURNS SETOF invoices STABLE LANGUAGE plpgsql
SET search_path = public, pg_temp SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
    question text := 'SELECT i.* FROM invoices i WHERE i.account_id = $1';
BEGIN
    IF of_wallet IS NOT NULL THEN
        question := 'SELECT i.* FROM wallets w JOIN invoices i ON i.wallet_id = w.id WHERE w.id = $2 AND w.account_id = $1';
    END IF;
    question := question || CASE WHEN after_at IS NOT NULL THEN ' AND (i.created_at, i.hash) > ($3, $4)' ELSE '' END;
    question := question || CASE WHEN before_at IS NOT NULL THEN ' AND (i.created_at, i.hash) < ($5, $6)' ELSE '' END;
    question := question || CASE WHEN oldest THEN ' ORDER BY i.created_at, i.hash LIMIT $7' ELSE ' ORDER BY i.created_at DESC, i.hash DESC LIMIT $7' END;
    RETURN QUERY EXECUTE 'SELECT * FROM (' || question || ') page ORDER BY created_at DESC, hash DESC'
      USING of_account, of_wallet, after_at, after_hash, before_at, before_hash, max_rows;
END
$$;
-- +goose StatementEnd

GRANT SELECT ON transactions, transaction_details TO holdfast_app;

-- +goose Down
DROP FUNCTION invoices_page(uuid, uuid, timestamptz, bytea, timestamptz, bytea, boolean, integer);
DROP FUNCTION transactions_page(uuid, uuid[], bytea, text, text, timestamptz, uuid, timestamptz, uuid, boolean, integer);
DROP VIEW transaction_details;
DROP TABLE transactions;
DROP FUNCTION transaction_sent(payments), transaction_received(payments), transaction_of_invoice(invoices, bigint, text, timestamptz),
    transaction_of_deposit(deposits, text, timestamptz), receipt_id(text), invoice_digest(text);

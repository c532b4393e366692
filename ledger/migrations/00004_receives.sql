-- Receives: invoices and addresses of ours, deposits, and how far each node has been read.
-- +goose Up

CREATE TABLE invoices (
    hash             bytea       PRIMARY KEY CHECK (octet_length(hash) = 32),
    wallet_id        uuid        NOT NULL REFERENCES wallets,
    account_id       uuid        NOT NULL REFERENCES accounts,
    node             text        NOT NULL,
    request          text        NOT NULL,
    amount           bigint      NOT NULL CHECK (amount >= 0), -- msat; 0: any amount
    memo             text        NOT NULL,
    description_hash bytea       CHECK (octet_length(description_hash) = 32), -- instead of the memo, in the invoice itself
    external_id      text        NOT NULL CHECK (external_id ~ '^[A-Za-z0-9_-]{1,100}$'), -- the asker's own name for it
    on_behalf        boolean     NOT NULL DEFAULT false, -- asked for by somebody who is not the owner
    payment_secret   bytea       CHECK (octet_length(payment_secret) = 32),
    preimage         bytea       CHECK (sha256(preimage) = hash), -- once nobody can claim an HTLC with it any more
    state            text        NOT NULL CHECK (state IN ('open', 'paid', 'canceled')),
    received         bigint      NOT NULL DEFAULT 0 CHECK (received >= 0),
    created_at       timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    paid_at          timestamptz,
    settle_index     bigint,     -- LND's, when it was paid over lightning
    payment_id       uuid,       -- of ours, when it was paid inside the ledger
    CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
    CHECK ((state = 'paid') = (received > 0))
) WITH (fillfactor = 80);
-- The owner's names are his own: a stranger can neither take one nor learn that it is taken.
CREATE UNIQUE INDEX invoices_external_id ON invoices (account_id, external_id) WHERE NOT on_behalf;
CREATE INDEX invoices_of_wallet ON invoices (wallet_id, created_at DESC, hash DESC);
CREATE INDEX invoices_of_account ON invoices (account_id, created_at DESC, hash DESC);
CREATE INDEX invoices_of_request ON invoices USING hash (request);
CREATE INDEX invoices_of_node ON invoices (node, paid_at) WHERE state = 'paid';

CREATE TABLE addresses (
    address    text        PRIMARY KEY,
    wallet_id  uuid        NOT NULL REFERENCES wallets,
    account_id uuid        NOT NULL REFERENCES accounts,
    node       text        NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX addresses_of_wallet ON addresses (wallet_id, created_at DESC);

CREATE TABLE deposits (
    txid         text        NOT NULL,
    vout         bigint      NOT NULL,
    address      text        NOT NULL REFERENCES addresses,
    wallet_id    uuid        NOT NULL REFERENCES wallets,
    node         text        NOT NULL,
    amount_sat   bigint      NOT NULL CHECK (amount_sat > 0),
    block_height integer     NOT NULL DEFAULT 0, -- 0: not confirmed
    seen_at      timestamptz NOT NULL,
    credited_at  timestamptz,
    PRIMARY KEY (txid, vout)
);
CREATE INDEX deposits_pending ON deposits (wallet_id, seen_at DESC) WHERE credited_at IS NULL;
CREATE INDEX deposits_of_node ON deposits (node, credited_at) WHERE credited_at IS NOT NULL;

CREATE TABLE cursors (
    node         text    PRIMARY KEY,
    settle_index bigint  NOT NULL DEFAULT 0,
    block_height integer NOT NULL DEFAULT 0
);

-- Credit one receive, once: false when it was credited before. The wallet is locked before the node's account may be made:
-- a reserve that holds the wallet may be waiting to make the same account.
-- Replaced in 00015: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION receive_credit(of_node text, wallet uuid, sum bigint, what text, at_time timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM wallets WHERE id = wallet FOR NO KEY UPDATE;
    INSERT INTO transfers (kind, debit_account, credit_account, amount, currency, leg, receipt, created_at)
    VALUES ('posted', system_account('node', of_node, 'BTC'), wallet, sum, 'BTC', 'receive', what, at_time)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- Rule 10: the credit and the cursor move together. An invoice that is not ours moves only the cursor.
-- Should an invoice be paid over lightning after it was paid inside the ledger, the money did arrive: it is credited too.
-- +goose StatementBegin
CREATE FUNCTION invoice_credit(of_node text, of_hash bytea, got bigint, index bigint, given timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    inv      invoices;
    receipt  text := 'invoice:' || encode(of_hash, 'hex');
    credited boolean := false;
    now_     timestamptz := coalesce(given, clock_timestamp());
BEGIN
    SELECT * INTO inv FROM invoices WHERE hash = of_hash AND node = of_node FOR NO KEY UPDATE;
    IF FOUND AND got > 0 THEN
        credited := receive_credit(of_node, inv.wallet_id, got, receipt, now_);
        IF credited THEN
            PERFORM transaction_of_invoice(inv, got, receipt, given);
            UPDATE invoices SET state = 'paid', received = received + got, paid_at = coalesce(paid_at, now_), settle_index = index
             WHERE hash = of_hash;
        END IF;
    END IF;
    INSERT INTO cursors AS c (node, settle_index) VALUES (of_node, index)
    ON CONFLICT (node) DO UPDATE SET settle_index = greatest(c.settle_index, excluded.settle_index);
    RETURN credited;
END
$$;
-- +goose StatementEnd

-- A deposit is remembered when seen and credited, once, when it has confirmed. False: credited before, or not our address.
-- Replaced in 00015: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION deposit_record(of_node text, of_txid text, of_vout bigint, to_address text, sat bigint, height integer, credit boolean, given timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    owner   addresses;
    deposit deposits;
    receipt text := format('deposit:%s:%s', of_txid, of_vout);
    now_    timestamptz := coalesce(given, clock_timestamp());
BEGIN
    SELECT * INTO owner FROM addresses WHERE address = to_address;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO deposits AS d (txid, vout, address, wallet_id, node, amount_sat, block_height, seen_at)
    VALUES (of_txid, of_vout, to_address, owner.wallet_id, of_node, sat, height, now_)
    ON CONFLICT (txid, vout) DO UPDATE SET block_height = excluded.block_height WHERE d.credited_at IS NULL;
    IF NOT credit OR NOT receive_credit(of_node, owner.wallet_id, sat * 1000, receipt, now_) THEN
        RETURN false;
    END IF;
    UPDATE deposits SET credited_at = now_, block_height = height WHERE txid = of_txid AND vout = of_vout RETURNING * INTO deposit;
    PERFORM transaction_of_deposit(deposit, receipt, given);
    RETURN true;
END
$$;
-- +goose StatementEnd

-- A receive that was credited stays credited, and an address keeps its owner.
-- +goose StatementBegin
CREATE FUNCTION receive_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR TG_TABLE_NAME = 'addresses' THEN
        RAISE EXCEPTION '% keeps its rows: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'HF005';
    END IF;
    IF TG_TABLE_NAME = 'deposits' THEN -- nested: a column of one table must not be named for the other
        IF OLD.credited_at IS NOT NULL THEN
            RAISE EXCEPTION 'a credited deposit stays as it is' USING ERRCODE = 'HF005';
        END IF;
    ELSIF OLD.state = 'paid' AND NEW.state <> 'paid' THEN
        RAISE EXCEPTION 'a paid invoice stays paid' USING ERRCODE = 'HF005';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER receive_guard BEFORE UPDATE OR DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION receive_guard();
CREATE TRIGGER receive_guard BEFORE UPDATE OR DELETE ON addresses FOR EACH ROW EXECUTE FUNCTION receive_guard();
CREATE TRIGGER receive_guard BEFORE UPDATE OR DELETE ON deposits FOR EACH ROW EXECUTE FUNCTION receive_guard();

GRANT SELECT ON invoices, addresses, deposits, cursors TO holdfast_app;
GRANT INSERT ON addresses TO holdfast_app;
GRANT INSERT (hash, wallet_id, account_id, node, request, amount, memo, description_hash, external_id, on_behalf, payment_secret, state, created_at, expires_at)
    ON invoices TO holdfast_app; -- paid needs paid_at and received as well, which only the functions write
GRANT UPDATE (state, preimage) ON invoices TO holdfast_app; -- to cancel
GRANT INSERT, UPDATE ON cursors TO holdfast_app;
REVOKE EXECUTE ON FUNCTION invoice_credit(text, bytea, bigint, bigint, timestamptz),
    deposit_record(text, text, bigint, text, bigint, integer, boolean, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invoice_credit(text, bytea, bigint, bigint, timestamptz),
    deposit_record(text, text, bigint, text, bigint, integer, boolean, timestamptz) TO holdfast_app;

-- +goose Down
DROP TABLE cursors, deposits, addresses, invoices;
DROP FUNCTION receive_credit(text, uuid, bigint, text, timestamptz), invoice_credit(text, bytea, bigint, bigint, timestamptz),
    deposit_record(text, text, bigint, text, bigint, integer, boolean, timestamptz), receive_guard();

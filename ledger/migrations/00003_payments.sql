-- Payments, their state table and their timeline.
-- +goose Up

CREATE TABLE payments (
    id              uuid        PRIMARY KEY,
    kind            text        NOT NULL CHECK (kind IN ('lightning', 'onchain', 'intraledger')),
    door            text        NOT NULL,
    account_id      uuid        NOT NULL, -- no foreign keys: a refusal of an unknown wallet or key is stored as well
    wallet_id       uuid        NOT NULL,
    key_id          uuid,
    currency        text        NOT NULL,
    idempotency_key text,
    fingerprint     bytea       NOT NULL,
    node            text,
    amount          bigint      NOT NULL,
    send_all        boolean     NOT NULL,
    fee_reserve     bigint      NOT NULL,
    max_fee         bigint,     -- the fee limit that the caller named
    recipient_id    uuid,
    invoice         text,
    payment_hash    bytea       CHECK (octet_length(payment_hash) = 32),
    address         text,
    speed           text,
    memo            text,
    state           text        NOT NULL,
    failure         jsonb,
    fee             bigint      NOT NULL DEFAULT 0 CHECK (fee >= 0),
    fee_overage     bigint      NOT NULL DEFAULT 0 CHECK (fee_overage BETWEEN 0 AND fee),
    preimage        bytea       CHECK (octet_length(preimage) = 32),
    txid            text,
    raw_tx          bytea,
    signed_fee      bigint,
    attempt         integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    first_at        timestamptz,
    deadline        timestamptz,
    baseline        bigint,
    expiry          bigint,
    spent_at        timestamptz, -- with key_id the key of its spend
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    resolved_at     timestamptz,
    -- Rule 8: one payment per account and idempotency key.
    CONSTRAINT payments_idempotency UNIQUE (account_id, idempotency_key),
    CHECK (state = 'refused' OR (amount > 0 AND fee_reserve >= 0)),
    CHECK ((failure IS NOT NULL) = (state IN ('refused', 'failed'))),
    CHECK ((resolved_at IS NOT NULL) = (state IN ('refused', 'failed', 'settled'))),
    -- Rule 6: whoever has a key and is admitted has a spend.
    CHECK (state = 'refused' OR (key_id IS NOT NULL) = (spent_at IS NOT NULL)),
    -- Rule 3: the node is fixed with the reservation.
    CHECK (state = 'refused' OR kind = 'intraledger' OR node IS NOT NULL),
    CHECK (state = 'refused' OR (kind = 'intraledger') = (recipient_id IS NOT NULL)),
    -- Rule 2: what was sent is fenced.
    CHECK (state NOT IN ('dispatched', 'pending') OR (attempt > 0 AND first_at IS NOT NULL AND deadline IS NOT NULL)),
    -- Rule 9: the signed transaction is stored before anything leaves.
    CHECK (kind <> 'onchain' OR attempt = 0 OR (raw_tx IS NOT NULL AND txid IS NOT NULL)),
    CHECK ((raw_tx IS NULL) = (txid IS NULL))
) WITH (fillfactor = 70);
-- Rule 7: one payment per hash that is live or has paid.
CREATE UNIQUE INDEX payments_one_per_hash ON payments (payment_hash) WHERE state NOT IN ('refused', 'failed');
CREATE INDEX payments_of_account ON payments (account_id, created_at DESC, id DESC);
CREATE INDEX payments_of_wallet ON payments (wallet_id, created_at DESC, id DESC);
CREATE INDEX payments_of_key ON payments (key_id, created_at DESC, id DESC) WHERE key_id IS NOT NULL;
CREATE INDEX payments_newest ON payments (created_at DESC, id DESC);
CREATE INDEX payments_resolved_of_node ON payments (node, resolved_at) WHERE resolved_at IS NOT NULL AND kind <> 'intraledger';
CREATE INDEX payments_of_hash ON payments (payment_hash, created_at DESC) WHERE payment_hash IS NOT NULL;
CREATE INDEX payments_of_txid ON payments (txid) WHERE txid IS NOT NULL;
CREATE INDEX payments_live ON payments (created_at) WHERE state IN ('reserved', 'dispatched', 'pending');

-- The same table as payment.Moves(); a test compares them.
CREATE TABLE payment_moves (
    from_state text NOT NULL, -- empty: the payment does not exist yet
    to_state   text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);
INSERT INTO payment_moves VALUES
    ('', 'refused'), ('', 'reserved'),
    ('reserved', 'dispatched'), ('reserved', 'settled'), ('reserved', 'failed'),
    ('dispatched', 'pending'), ('dispatched', 'settled'), ('dispatched', 'failed'),
    ('pending', 'settled'), ('pending', 'failed');

CREATE TABLE payment_events (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id uuid        NOT NULL REFERENCES payments,
    at         timestamptz NOT NULL,
    state      text        NOT NULL,
    name       text        NOT NULL,
    detail     jsonb       NOT NULL
);
CREATE INDEX payment_events_of_payment ON payment_events (payment_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON payment_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Only the moves of the table; what was asked never changes; what is final stays; nothing is deleted.
-- +goose StatementBegin
CREATE FUNCTION payment_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was text := '';
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'payments are history: DELETE refused' USING ERRCODE = 'HF005';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        was := OLD.state;
        IF (NEW.id, NEW.kind, NEW.door, NEW.account_id, NEW.wallet_id, NEW.key_id, NEW.currency, NEW.idempotency_key, NEW.fingerprint,
            NEW.node, NEW.amount + NEW.fee_reserve, NEW.send_all, NEW.recipient_id, NEW.invoice, NEW.payment_hash, NEW.address,
            NEW.spent_at, NEW.created_at)
           IS DISTINCT FROM
           (OLD.id, OLD.kind, OLD.door, OLD.account_id, OLD.wallet_id, OLD.key_id, OLD.currency, OLD.idempotency_key, OLD.fingerprint,
            OLD.node, OLD.amount + OLD.fee_reserve, OLD.send_all, OLD.recipient_id, OLD.invoice, OLD.payment_hash, OLD.address,
            OLD.spent_at, OLD.created_at)
           OR (NEW.amount <> OLD.amount AND NOT (OLD.send_all AND OLD.state = 'reserved')) THEN -- a send-all learns its fee when signed
            RAISE EXCEPTION 'payment %: what was asked never changes', OLD.id USING ERRCODE = 'HF004';
        END IF;
        IF was IN ('refused', 'failed', 'settled')
           AND (NEW.fee, NEW.failure, NEW.resolved_at, NEW.txid, NEW.attempt) IS DISTINCT FROM (OLD.fee, OLD.failure, OLD.resolved_at, OLD.txid, OLD.attempt) THEN
            RAISE EXCEPTION 'payment % is final', OLD.id USING ERRCODE = 'HF004';
        END IF;
        IF OLD.attempt > 0 AND ((NEW.baseline, NEW.first_at) IS DISTINCT FROM (OLD.baseline, OLD.first_at) OR NEW.attempt < OLD.attempt) THEN
            RAISE EXCEPTION 'payment %: it has left, its fence is fixed', OLD.id USING ERRCODE = 'HF004';
        END IF;
    END IF;
    IF NEW.state IS DISTINCT FROM was THEN
        IF NOT EXISTS (SELECT FROM payment_moves WHERE from_state = was AND to_state = NEW.state)
           OR (was = 'reserved' AND NEW.state = 'settled' AND NEW.kind <> 'intraledger') THEN
            RAISE EXCEPTION 'payment %: no move from % to %', NEW.id, was, NEW.state USING ERRCODE = 'HF004';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER payment_guard BEFORE INSERT OR UPDATE OR DELETE ON payments FOR EACH ROW EXECUTE FUNCTION payment_guard();

-- Rule 9: what has left is fixed.
-- Replaced in 00008: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION payment_transaction_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.attempt > 0 AND (NEW.raw_tx, NEW.txid, NEW.signed_fee) IS DISTINCT FROM (OLD.raw_tx, OLD.txid, OLD.signed_fee) THEN
        RAISE EXCEPTION 'payment %: it has left, its transaction is fixed', OLD.id USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER payment_transaction_guard BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION payment_transaction_guard();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON payments FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An event is a line of text for people: numbers become text.
-- +goose StatementBegin
CREATE FUNCTION payment_event(p payments, event text, at_time timestamptz, detail jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payment_events (payment_id, at, state, name, detail) VALUES (p.id, at_time, p.state, event, detail);
END
$$;
-- +goose StatementEnd

GRANT SELECT ON payments, payment_moves, payment_events TO holdfast_app;

-- +goose Down
DROP FUNCTION payment_event(payments, text, timestamptz, jsonb);
DROP TABLE payment_events, payment_moves, payments;
DROP FUNCTION payment_guard(), payment_transaction_guard();

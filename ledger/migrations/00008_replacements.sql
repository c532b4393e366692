-- Every signed transaction of an on-chain payment: the original, fee bumps, and what takes the payment back.
-- docs/decisions/2026-11-24-fee-bumps.md
-- +goose Up

CREATE TABLE payment_transactions (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order in which they were stored
    payment_id    uuid        NOT NULL REFERENCES payments,
    txid          text        NOT NULL,
    raw           bytea       NOT NULL CHECK (octet_length(raw) > 0),
    fee           bigint      NOT NULL CHECK (fee >= 0), -- msat, to the miners
    sat_per_vbyte bigint      NOT NULL CHECK (sat_per_vbyte >= 0), -- 0: not known
    kind          text        NOT NULL CHECK (kind IN ('original', 'replacement', 'rescue')),
    created_at    timestamptz NOT NULL,
    UNIQUE (payment_id, txid)
);
-- Not unique: a payment that was given back before it was broadcast, and its repetition, may sign the same transaction.
CREATE INDEX payment_transactions_of_txid ON payment_transactions (txid);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payment_transactions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON payment_transactions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

INSERT INTO payment_transactions (payment_id, txid, raw, fee, sat_per_vbyte, kind, created_at)
SELECT id, txid, raw_tx, coalesce(signed_fee, 0), 0, 'original', updated_at FROM payments WHERE txid IS NOT NULL ORDER BY created_at;

-- Before anything left: originals. Afterwards: replacements and rescues, each dearer than all before it, as the mempools
-- ask, and no replacement once the payment is being taken back.
-- +goose StatementBegin
CREATE FUNCTION payment_transactions_guard() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    p payments;
BEGIN
    SELECT * INTO p FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF p.kind IS DISTINCT FROM 'onchain' OR p.state NOT IN ('reserved', 'dispatched', 'pending')
       OR (NEW.kind = 'original') <> (p.state = 'reserved') THEN
        RAISE EXCEPTION 'payment % is %: no % transaction now', NEW.payment_id, p.state, NEW.kind USING ERRCODE = 'HF004';
    END IF;
    IF NEW.kind <> 'original' AND EXISTS (
        SELECT FROM payment_transactions t WHERE t.payment_id = p.id AND (t.fee >= NEW.fee OR (t.kind = 'rescue' AND NEW.kind <> 'rescue'))) THEN
        RAISE EXCEPTION 'payment %: a % must be dearer than what was signed before, and nothing follows a rescue but a rescue',
            p.id, NEW.kind USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER payment_transactions_guard BEFORE INSERT ON payment_transactions FOR EACH ROW EXECUTE FUNCTION payment_transactions_guard();

-- Rule 9: what the row names is stored and pays the receiver. Once it has left, the row may name another transaction of the
-- same payment as long as the payment is in flight, in a step of its own.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION payment_transaction_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.raw_tx, NEW.txid, NEW.signed_fee) IS NOT DISTINCT FROM (OLD.raw_tx, OLD.txid, OLD.signed_fee) THEN
        RETURN NEW;
    END IF;
    IF NEW.kind <> 'onchain' OR OLD.state NOT IN ('reserved', 'dispatched', 'pending') OR NEW.state <> OLD.state
       OR NOT EXISTS (SELECT FROM payment_transactions t
                       WHERE t.payment_id = NEW.id AND t.kind <> 'rescue' AND (t.txid, t.raw, t.fee) = (NEW.txid, NEW.raw_tx, NEW.signed_fee)) THEN
        RAISE EXCEPTION 'payment %: it can only name a transaction of its own that is stored and pays', OLD.id USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Sign once: stored before the first broadcast, here and in the payment's row.
-- +goose StatementBegin
CREATE FUNCTION payment_record_original(of_id uuid, tx_id text, raw_ bytea, pays bigint, miner_fee bigint, rate bigint, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p payments := payment_lock(of_id);
BEGIN
    IF p.state = 'reserved' THEN
        INSERT INTO payment_transactions (payment_id, txid, raw, fee, sat_per_vbyte, kind, created_at)
        VALUES (of_id, tx_id, raw_, miner_fee, rate, 'original', coalesce(given, clock_timestamp()))
        ON CONFLICT (payment_id, txid) DO NOTHING;
    END IF;
    RETURN payment_record_signed(of_id, tx_id, raw_, pays, miner_fee, given);
END
$$;
-- +goose StatementEnd

-- The next transaction of a payment that has left, stored before it is broadcast. It is a new fence: evidence about an earlier
-- attempt no longer voids, and of two callers who have seen the same attempt one stores. NULL: it was not granted.
-- +goose StatementBegin
CREATE FUNCTION payment_record_replacement(of_id uuid, seen integer, tx_kind text, tx_id text, raw_ bytea, miner_fee bigint, rate bigint,
    call_for interval, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p    payments := payment_lock(of_id);
    pays boolean  := tx_kind = 'replacement';
    was  text     := p.txid;
    now_ timestamptz := coalesce(given, clock_timestamp());
BEGIN
    IF p.state NOT IN ('dispatched', 'pending') OR p.attempt <> seen THEN
        RETURN NULL;
    END IF;
    INSERT INTO payment_transactions (payment_id, txid, raw, fee, sat_per_vbyte, kind, created_at)
    VALUES (of_id, tx_id, raw_, miner_fee, rate, tx_kind, now_);
    UPDATE payments SET
        attempt = attempt + 1,
        deadline = greatest(deadline, now_ + call_for),
        txid = CASE WHEN pays THEN tx_id ELSE txid END,
        raw_tx = CASE WHEN pays THEN raw_ ELSE raw_tx END,
        signed_fee = CASE WHEN pays THEN miner_fee ELSE signed_fee END,
        updated_at = now_
     WHERE id = of_id RETURNING * INTO p;
    PERFORM payment_event(p, CASE WHEN pays THEN 'fee_bumped' ELSE 'taking_back' END, now_, jsonb_build_object(
        'attempt', p.attempt::text, 'txid', tx_id, 'fee_msat', miner_fee::text, 'sat_per_vbyte', rate::text, 'instead_of', was));
    RETURN p;
END
$$;
-- +goose StatementEnd

-- One of the payment's transactions has confirmed: the row names that one.
-- +goose StatementBegin
CREATE FUNCTION payment_record_confirmed(of_id uuid, tx_id text, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p    payments := payment_lock(of_id);
    t    payment_transactions;
    now_ timestamptz := coalesce(given, clock_timestamp());
BEGIN
    IF p.state NOT IN ('dispatched', 'pending') OR p.txid = tx_id THEN
        RETURN p;
    END IF;
    SELECT * INTO t FROM payment_transactions WHERE payment_id = of_id AND txid = tx_id AND kind <> 'rescue';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'payment % has no transaction % that pays', of_id, tx_id USING ERRCODE = 'HF002';
    END IF;
    UPDATE payments SET txid = t.txid, raw_tx = t.raw, signed_fee = t.fee, updated_at = now_ WHERE id = of_id RETURNING * INTO p;
    PERFORM payment_event(p, 'confirmed', now_, jsonb_build_object('txid', t.txid, 'fee_msat', t.fee::text));
    RETURN p;
END
$$;
-- +goose StatementEnd

GRANT SELECT ON payment_transactions TO holdfast_app;
REVOKE EXECUTE ON FUNCTION payment_record_signed(uuid, text, bytea, bigint, bigint, timestamptz) FROM holdfast_app; -- only with its own row
REVOKE EXECUTE ON FUNCTION payment_record_original(uuid, text, bytea, bigint, bigint, bigint, timestamptz),
    payment_record_replacement(uuid, integer, text, text, bytea, bigint, bigint, interval, timestamptz),
    payment_record_confirmed(uuid, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_record_original(uuid, text, bytea, bigint, bigint, bigint, timestamptz),
    payment_record_replacement(uuid, integer, text, text, bytea, bigint, bigint, interval, timestamptz),
    payment_record_confirmed(uuid, text, timestamptz) TO holdfast_app;

-- +goose Down
DROP FUNCTION payment_record_confirmed(uuid, text, timestamptz),
    payment_record_replacement(uuid, integer, text, text, bytea, bigint, bigint, interval, timestamptz),
    payment_record_original(uuid, text, bytea, bigint, bigint, bigint, timestamptz);
GRANT EXECUTE ON FUNCTION payment_record_signed(uuid, text, bytea, bigint, bigint, timestamptz) TO holdfast_app;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION payment_transaction_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.attempt > 0 AND (NEW.raw_tx, NEW.txid, NEW.signed_fee) IS DISTINCT FROM (OLD.raw_tx, OLD.txid, OLD.signed_fee) THEN
        RAISE EXCEPTION 'payment %: it has left, its transaction is fixed', OLD.id USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
DROP TABLE payment_transactions;
DROP FUNCTION payment_transactions_guard();

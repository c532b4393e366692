-- Budget locks: spends of a key without a payment of ours, for a core API that sends by itself and wants our budgets.
-- Lock order: budget row, then the lock's row. A lock changes only under its key's budget row.
-- +goose Up

CREATE TABLE budget_locks (
    ephemeral_id   uuid        PRIMARY KEY,
    key_id         uuid        NOT NULL REFERENCES api_keys,
    spent_at       timestamptz NOT NULL, -- with key_id the key of its spend
    amount_sat     bigint      NOT NULL CHECK (amount_sat > 0),
    state          text        NOT NULL CHECK (state IN ('held', 'recorded', 'reversed', 'released')),
    transaction_id text        CHECK (octet_length(transaction_id) BETWEEN 1 AND 255), -- the caller's
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL, -- what was recorded without a lock before expires as it is made
    resolved_at    timestamptz,
    CONSTRAINT budget_locks_transaction UNIQUE (transaction_id, key_id),
    CHECK ((resolved_at IS NULL) = (state = 'held')),
    CHECK (state <> 'recorded' OR transaction_id IS NOT NULL),
    CHECK (state NOT IN ('held', 'released') OR transaction_id IS NULL)
) WITH (fillfactor = 85);
CREATE INDEX budget_locks_held ON budget_locks (expires_at) WHERE state = 'held';

-- Rule 12: a lock stays as history. What was never recorded may still be recorded after it was released: the money has
-- been spent, so it counts, from then on. What was reversed stays so.
-- +goose StatementBegin
CREATE FUNCTION lock_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'budget_locks are history: DELETE refused' USING ERRCODE = 'HF005';
    END IF;
    IF (NEW.ephemeral_id, NEW.key_id, NEW.amount_sat, NEW.created_at, NEW.expires_at)
       IS DISTINCT FROM (OLD.ephemeral_id, OLD.key_id, OLD.amount_sat, OLD.created_at, OLD.expires_at)
       OR (OLD.state, NEW.state) NOT IN (('held', 'recorded'), ('held', 'reversed'), ('held', 'released'),
                                         ('released', 'recorded'), ('released', 'reversed'), ('recorded', 'reversed'))
       OR (NEW.spent_at <> OLD.spent_at AND (OLD.state, NEW.state) <> ('released', 'recorded'))
       OR (NEW.transaction_id IS DISTINCT FROM OLD.transaction_id AND NEW.state <> 'recorded') THEN
        RAISE EXCEPTION 'budget lock %: no move from % to %', OLD.ephemeral_id, OLD.state, NEW.state USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER lock_guard BEFORE UPDATE OR DELETE ON budget_locks FOR EACH ROW EXECUTE FUNCTION lock_guard();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON budget_locks FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- As before (00002), and: the spend of a reversed lock is released although it was settled.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION spend_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM budgets WHERE key_id = OLD.key_id AND OLD.at >= ANY (oldest)) THEN
            RAISE EXCEPTION 'spends is append-only: a window still counts this one' USING ERRCODE = 'HF005';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.counted > OLD.counted
       OR (NEW.key_id, NEW.at, NEW.payment_id, NEW.reserved) IS DISTINCT FROM (OLD.key_id, OLD.at, OLD.payment_id, OLD.reserved)
       OR NOT (OLD.state = 'reserved' AND NEW.state IN ('settled', 'released')
               OR OLD.state = 'settled' AND NEW.state = 'released' AND NEW.counted = 0
                  AND EXISTS (SELECT FROM budget_locks WHERE ephemeral_id = OLD.payment_id AND state = 'reversed')) THEN
        RAISE EXCEPTION 'spends is append-only: a spend resolves once, downwards' USING ERRCODE = 'HF005';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- Reserve for a lock, if the key's budget has room in every window. NULL: it is held, by this call or one before; else
-- the refusal, whose message the ledger words.
-- +goose StatementBegin
CREATE FUNCTION budget_lock(key uuid, id uuid, sat bigint, hold_for interval, given timestamptz) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    known   budget_locks;
    owned   api_keys;
    b       budgets;
    verdict record;
    failure jsonb;
    now_    timestamptz;
BEGIN
    SELECT * INTO b FROM budgets WHERE key_id = key FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN refusal('KEY_NOT_FOUND', '');
    END IF;
    SELECT * INTO known FROM budget_locks WHERE ephemeral_id = id;
    IF FOUND THEN
        IF (known.key_id, known.amount_sat) <> (key, sat) THEN
            RAISE EXCEPTION 'another lock has this id' USING ERRCODE = 'HF003';
        END IF;
        RETURN NULL;
    END IF;
    SELECT * INTO owned FROM api_keys k WHERE k.id = key;
    now_ := budget_now(b.head, given);
    IF owned.revoked_at IS NOT NULL OR owned.expires_at <= now_ THEN
        failure := refusal('KEY_INACTIVE', '');
    ELSE
        verdict := budget_judge(b, sat, now_);
        b := verdict.b;
        IF verdict.shortfall IS NOT NULL THEN
            failure := refusal('BUDGET_EXCEEDED', '') || jsonb_build_object('budget', verdict.shortfall);
        END IF;
    END IF;
    b.head := now_;
    PERFORM budget_store(b, CASE WHEN failure IS NULL THEN sat ELSE 0 END, id);
    IF failure IS NULL THEN
        INSERT INTO budget_locks (ephemeral_id, key_id, spent_at, amount_sat, state, created_at, expires_at)
        VALUES (id, key, now_, sat, 'held', now_, now_ + hold_for);
    END IF;
    RETURN failure;
END
$$;
-- +goose StatementEnd

-- Count what has been spent, now and whatever the limits say: it has happened.
-- +goose StatementBegin
CREATE FUNCTION budget_count(b budgets, sat bigint, id uuid, given timestamptz) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    b.head := budget_now(b.head, given);
    PERFORM budget_store(b, sat, id);
    PERFORM budget_resolve(b.key_id, b.head, sat);
    RETURN b.head;
END
$$;
-- +goose StatementEnd

-- Bind a lock to the caller's transaction or, without a lock (id NULL), count a transaction that had none.
-- Answers 'recorded', also to a repeated call, or what is in the way: 'no key', 'no lock', 'amount', 'transaction', 'reversed'.
-- +goose StatementBegin
CREATE FUNCTION budget_record(key uuid, id uuid, sat bigint, tx text, given timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    b    budgets;
    l    budget_locks;
    at_  timestamptz;
BEGIN
    SELECT * INTO b FROM budgets WHERE key_id = key FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'no key';
    END IF;
    SELECT * INTO l FROM budget_locks WHERE key_id = key AND transaction_id = tx;
    IF FOUND THEN
        RETURN CASE WHEN l.amount_sat <> sat THEN 'amount' WHEN l.ephemeral_id <> id THEN 'transaction' ELSE l.state END;
    END IF;
    IF id IS NULL THEN
        id := gen_random_uuid();
        at_ := budget_count(b, sat, id, given);
        INSERT INTO budget_locks VALUES (id, key, at_, sat, 'recorded', tx, at_, at_, at_);
        RETURN 'recorded';
    END IF;
    SELECT * INTO l FROM budget_locks WHERE ephemeral_id = id AND key_id = key FOR NO KEY UPDATE;
    CASE
    WHEN NOT FOUND THEN
        RETURN 'no lock';
    WHEN l.amount_sat <> sat THEN
        RETURN 'amount';
    WHEN l.state = 'reversed' THEN
        RETURN 'reversed';
    WHEN l.state = 'recorded' THEN
        RETURN 'transaction';
    WHEN l.state = 'held' THEN
        PERFORM budget_resolve(key, l.spent_at, sat);
    ELSE -- released: it comes late, and has happened
        l.spent_at := budget_count(b, sat, id, given);
    END CASE;
    UPDATE budget_locks SET state = 'recorded', transaction_id = tx, spent_at = l.spent_at, resolved_at = coalesce(given, clock_timestamp())
     WHERE ephemeral_id = id;
    RETURN 'recorded';
END
$$;
-- +goose StatementEnd

-- Give a settled spend back wherever it is still added up, as budget_resolve (00002) does for one in flight. The caller
-- holds the lock on the budget's row.
-- +goose StatementBegin
CREATE FUNCTION budget_take_back(key uuid, spent_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    back bigint;
BEGIN
    SELECT counted INTO back FROM spends WHERE key_id = key AND at = spent_at;
    IF NOT FOUND THEN
        RETURN; -- retired for good
    END IF;
    UPDATE spends SET counted = 0, state = 'released' WHERE key_id = key AND at = spent_at;
    PERFORM budget_give_back(key, spent_at, back, 0);
END
$$;
-- +goose StatementEnd

-- Give a lock or a recorded transaction back, once. It is named by the caller's transaction id or by its ephemeral id
-- (ref_id, NULL if the name is no UUID). Answers 'reversed', also to a repeated call, 'no lock', or 'several' when more
-- than one key has that transaction.
-- +goose StatementBegin
CREATE FUNCTION budget_reverse(ref text, ref_id uuid, given timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    ids uuid[];
    l   budget_locks;
BEGIN
    ids := ARRAY(SELECT ephemeral_id FROM budget_locks WHERE ephemeral_id = ref_id
                  UNION SELECT ephemeral_id FROM budget_locks WHERE transaction_id = ref LIMIT 2);
    IF cardinality(ids) <> 1 THEN
        RETURN CASE cardinality(ids) WHEN 0 THEN 'no lock' ELSE 'several' END;
    END IF;
    SELECT * INTO l FROM budget_locks WHERE ephemeral_id = ids[1];
    PERFORM FROM budgets WHERE key_id = l.key_id FOR NO KEY UPDATE;
    SELECT * INTO l FROM budget_locks WHERE ephemeral_id = ids[1] FOR NO KEY UPDATE;
    IF l.state = 'reversed' THEN
        RETURN l.state;
    END IF;
    UPDATE budget_locks SET state = 'reversed', resolved_at = coalesce(given, clock_timestamp()) WHERE ephemeral_id = l.ephemeral_id;
    IF l.state = 'held' THEN
        PERFORM budget_resolve(l.key_id, l.spent_at, 0);
    ELSIF l.state = 'recorded' THEN
        PERFORM budget_take_back(l.key_id, l.spent_at);
    END IF;
    RETURN 'reversed';
END
$$;
-- +goose StatementEnd

-- Release a lock that was never recorded; any other stays as it is. Answers its state, NULL for none.
-- +goose StatementBegin
CREATE FUNCTION budget_release(id uuid, given timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    l budget_locks;
BEGIN
    SELECT * INTO l FROM budget_locks WHERE ephemeral_id = id;
    PERFORM FROM budgets WHERE key_id = l.key_id FOR NO KEY UPDATE;
    SELECT * INTO l FROM budget_locks WHERE ephemeral_id = id FOR NO KEY UPDATE;
    IF l.state = 'held' THEN
        PERFORM budget_resolve(l.key_id, l.spent_at, 0);
        UPDATE budget_locks SET state = 'released', resolved_at = coalesce(given, clock_timestamp()) WHERE ephemeral_id = id
        RETURNING * INTO l;
    END IF;
    RETURN l.state;
END
$$;
-- +goose StatementEnd

GRANT SELECT ON budget_locks TO holdfast_app;
REVOKE EXECUTE ON FUNCTION budget_lock(uuid, uuid, bigint, interval, timestamptz), budget_record(uuid, uuid, bigint, text, timestamptz),
    budget_reverse(text, uuid, timestamptz), budget_release(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION budget_lock(uuid, uuid, bigint, interval, timestamptz), budget_record(uuid, uuid, bigint, text, timestamptz),
    budget_reverse(text, uuid, timestamptz), budget_release(uuid, timestamptz) TO holdfast_app;

-- +goose Down
DROP FUNCTION budget_release(uuid, timestamptz), budget_reverse(text, uuid, timestamptz), budget_take_back(uuid, timestamptz),
    budget_record(uuid, uuid, bigint, text, timestamptz), budget_count(budgets, bigint, uuid, timestamptz),
    budget_lock(uuid, uuid, bigint, interval, timestamptz);
DROP TABLE budget_locks;
DROP FUNCTION lock_guard();
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION spend_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM budgets WHERE key_id = OLD.key_id AND OLD.at >= ANY (oldest)) THEN
            RAISE EXCEPTION 'spends is append-only: a window still counts this one' USING ERRCODE = 'HF005';
        END IF;
        RETURN OLD;
    END IF;
    IF OLD.state <> 'reserved' OR NEW.state = 'reserved' OR NEW.counted > OLD.counted
       OR (NEW.key_id, NEW.at, NEW.payment_id, NEW.reserved) IS DISTINCT FROM (OLD.key_id, OLD.at, OLD.payment_id, OLD.reserved) THEN
        RAISE EXCEPTION 'spends is append-only: a spend resolves once, downwards' USING ERRCODE = 'HF005';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd

-- API keys and their budgets: limits, running sums and spends.
-- +goose Up

CREATE TABLE api_keys (
    id          uuid        PRIMARY KEY,
    account_id  uuid        NOT NULL REFERENCES accounts,
    name        text        NOT NULL,
    secret_hash bytea       NOT NULL UNIQUE CHECK (octet_length(secret_hash) = 32), -- SHA-256
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    expires_at  timestamptz
);
CREATE INDEX api_keys_of_account ON api_keys (account_id, created_at);

-- One wide row per key; since 00012 also per limit of an account: then key_id is an id of its own, here and in spends and
-- their chunks. The arrays are by window: 1 daily, 2 weekly, 3 monthly, 4 annual. Amounts in whole sat.
-- A sum counts every spend from its "oldest" on; spends that are older have been retired from it. Retiring is lazy,
-- so a sum may still hold expired spends: it is never below what counts.
CREATE TABLE budgets (
    key_id   uuid          PRIMARY KEY REFERENCES api_keys,
    limits   bigint[]      NOT NULL DEFAULT '{NULL,NULL,NULL,NULL}' CHECK (array_length(limits, 1) = 4 AND NOT 0 >= ANY (limits)),
    sums     bigint[]      NOT NULL DEFAULT '{0,0,0,0}' CHECK (array_length(sums, 1) = 4 AND 0 <= ALL (sums)),
    oldest   timestamptz[] NOT NULL DEFAULT '{NULL,NULL,NULL,NULL}' CHECK (array_length(oldest, 1) = 4),
    reserved bigint        NOT NULL DEFAULT 0 CHECK (reserved >= 0), -- of payments in flight
    head     timestamptz,  -- the latest time that was judged at, refusals included: time never goes back for a key
    -- The open chunk: the newest spends, which will be a row of spend_chunks when there are enough of them.
    chunk_from    timestamptz,
    chunk_until   timestamptz,
    chunk_spends  integer NOT NULL DEFAULT 0,
    chunk_counted bigint  NOT NULL DEFAULT 0 CHECK (chunk_counted >= 0)
) WITH (fillfactor = 50);

CREATE TABLE spends (
    key_id     uuid        NOT NULL,
    at         timestamptz NOT NULL, -- strictly increasing per key
    payment_id uuid        NOT NULL,
    reserved   bigint      NOT NULL CHECK (reserved > 0),
    counted    bigint      NOT NULL CHECK (counted BETWEEN 0 AND reserved),
    state      text        NOT NULL CHECK (state IN ('reserved', 'settled', 'released')),
    PRIMARY KEY (key_id, at)
) WITH (fillfactor = 85);

-- Rule 12: a spend stays. It may be settled or released, once and downwards, and leaves only when no window counts it.
-- Replaced in 00011: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION spend_guard() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON spends FOR EACH ROW EXECUTE FUNCTION spend_guard();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON spends FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- In hours, not days: a day of daylight saving time has 23 or 25.
-- +goose StatementBegin
CREATE FUNCTION budget_window(w integer) RETURNS interval IMMUTABLE LANGUAGE sql AS $$
    SELECT (ARRAY['24 hours', '168 hours', '720 hours', '8760 hours']::interval[])[w]
$$;
-- +goose StatementEnd

-- The time of a verdict: taken after the lock on the row, and strictly increasing for the key.
-- +goose StatementBegin
CREATE FUNCTION budget_now(head timestamptz, given timestamptz) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT greatest(coalesce(given, clock_timestamp()), head + interval '1 microsecond')
$$;
-- +goose StatementEnd

-- Runs of a key's consecutive spends and what each counts together, so that nobody has to read a year of spends: what needs
-- a stretch of time reads its whole chunks, and the spends of the one at either end.
CREATE TABLE spend_chunks (
    key_id   uuid        NOT NULL,
    from_at  timestamptz NOT NULL, -- the first spend
    until_at timestamptz NOT NULL, -- the last one
    counted  bigint      NOT NULL CHECK (counted >= 0),
    PRIMARY KEY (key_id, from_at)
);

-- +goose StatementBegin
CREATE FUNCTION spend_chunk_size() RETURNS integer IMMUTABLE LANGUAGE sql AS $$ SELECT 1024 $$;
-- +goose StatementEnd

-- Retire from one sum all that has expired: the rest of the chunk in which the sum begins, then whole chunks, then the
-- beginning of the next one. A spend at t counts while now < t + window. Reads at most two chunks of spends.
-- Index scans only: a plan made while the table was empty would otherwise scan it for ever.
-- +goose StatementBegin
CREATE FUNCTION budget_retire(INOUT b budgets, w integer, now_ timestamptz)
STABLE LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    cutoff timestamptz := now_ - budget_window(w);
    ends   timestamptz; -- where the chunk ends in which the sum begins
    last   timestamptz; -- the newest spend retired
    gone   bigint;
    chunks bigint;
BEGIN
    WHILE b.oldest[w] <= cutoff LOOP
        SELECT until_at INTO ends FROM spend_chunks WHERE key_id = b.key_id AND from_at <= b.oldest[w] ORDER BY from_at DESC LIMIT 1;
        ends := CASE WHEN ends >= b.oldest[w] THEN least(ends, cutoff) ELSE cutoff END;
        SELECT sum(counted)::bigint INTO gone FROM spends WHERE key_id = b.key_id AND at >= b.oldest[w] AND at <= ends;
        SELECT sum(counted)::bigint, max(until_at) INTO chunks, last
          FROM spend_chunks WHERE key_id = b.key_id AND from_at > ends AND from_at <= cutoff AND until_at <= cutoff;
        b.sums[w] := b.sums[w] - coalesce(gone, 0) - coalesce(chunks, 0);
        b.oldest[w] := (SELECT at FROM spends WHERE key_id = b.key_id AND at > coalesce(last, ends) ORDER BY at LIMIT 1);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- When enough of one sum will have rolled off to leave at most room: the time of the spend that does it, and the window.
-- +goose StatementBegin
CREATE FUNCTION budget_frees_at(b budgets, w integer, room bigint) RETURNS timestamptz
STABLE LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    must  bigint := b.sums[w] - room; -- what has to roll off
    begin_at timestamptz := b.oldest[w];
    ends  timestamptz;
    chunk record;
    freed timestamptz;
    gone  bigint := 0;
BEGIN
    IF room < 0 THEN
        RETURN NULL; -- never: it needs more than the limit
    END IF;
    SELECT until_at INTO ends FROM spend_chunks WHERE key_id = b.key_id AND from_at <= begin_at ORDER BY from_at DESC LIMIT 1;
    IF ends >= begin_at THEN
        SELECT sum(counted)::bigint INTO gone FROM spends WHERE key_id = b.key_id AND at >= begin_at AND at <= ends;
        IF gone < must THEN -- go on to the chunk that reaches it
            SELECT c.from_at, c.counted, c.total INTO chunk
              FROM (SELECT from_at, counted, sum(counted) OVER (ORDER BY from_at) AS total
                      FROM spend_chunks WHERE key_id = b.key_id AND from_at > begin_at) c
             WHERE gone + c.total >= must ORDER BY c.from_at LIMIT 1;
            IF FOUND THEN
                begin_at := chunk.from_at;
                gone := gone + chunk.total - chunk.counted;
            ELSE
                gone := gone + coalesce((SELECT sum(counted)::bigint FROM spend_chunks WHERE key_id = b.key_id AND from_at > begin_at), 0);
                begin_at := b.chunk_from;
            END IF;
            must := must - gone;
        END IF;
    END IF;
    SELECT s.at INTO freed
      FROM (SELECT at, sum(counted) OVER (ORDER BY at ROWS UNBOUNDED PRECEDING) AS gone
              FROM (SELECT at, counted FROM spends WHERE key_id = b.key_id AND at >= begin_at ORDER BY at LIMIT spend_chunk_size()) one_chunk) s
     WHERE s.gone >= must ORDER BY s.at LIMIT 1;
    RETURN freed + budget_window(w);
END
$$;
-- +goose StatementEnd

-- Judge whether need fits in every window that has a limit, shortest first. The caller holds the row's lock and stores b
-- whatever the verdict.
-- +goose StatementBegin
CREATE FUNCTION budget_judge(INOUT b budgets, need bigint, now_ timestamptz, OUT shortfall jsonb) LANGUAGE plpgsql AS $$
DECLARE
    room bigint;
BEGIN
    b.head := now_;
    FOR w IN 1..4 LOOP
        CONTINUE WHEN b.limits[w] IS NULL;
        room := b.limits[w] - need;
        IF b.oldest[w] <= now_ - budget_window(w) THEN
            b := budget_retire(b, w, now_);
        END IF;
        IF b.sums[w] > room THEN
            shortfall := jsonb_build_object(
                'window', (ARRAY['daily', 'weekly', 'monthly', 'annual'])[w], 'limit_sat', b.limits[w], 'spent_sat', b.sums[w],
                'remaining_sat', greatest(b.limits[w] - b.sums[w], 0), 'needed_sat', need);
            IF room >= 0 THEN
                shortfall := shortfall || jsonb_build_object('frees_at', budget_frees_at(b, w, room));
            END IF;
            RETURN;
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- Store a judged row; with need > 0 also count it as a spend of that payment at the judged time, in every window.
-- +goose StatementBegin
CREATE FUNCTION budget_store(b budgets, need bigint, payment uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF need > 0 THEN
        INSERT INTO spends VALUES (b.key_id, b.head, payment, need, need, 'reserved');
        b.reserved := b.reserved + need;
        IF b.chunk_spends >= spend_chunk_size() THEN
            INSERT INTO spend_chunks VALUES (b.key_id, b.chunk_from, b.chunk_until, b.chunk_counted);
            b.chunk_spends := 0;
            b.chunk_counted := 0;
        END IF;
        b.chunk_from := CASE WHEN b.chunk_spends = 0 THEN b.head ELSE b.chunk_from END;
        b.chunk_until := b.head;
        b.chunk_spends := b.chunk_spends + 1;
        b.chunk_counted := b.chunk_counted + need;
        FOR w IN 1..4 LOOP
            b.sums[w] := b.sums[w] + need;
            b.oldest[w] := coalesce(b.oldest[w], b.head);
        END LOOP;
    END IF;
    UPDATE budgets SET sums = b.sums, oldest = b.oldest, reserved = b.reserved, head = b.head,
           chunk_from = b.chunk_from, chunk_until = b.chunk_until, chunk_spends = b.chunk_spends, chunk_counted = b.chunk_counted
     WHERE key_id = b.key_id;
END
$$;
-- +goose StatementEnd

-- Take a part of a spend out of every sum that still holds it, and unreserve. The caller holds the lock on the budget's row.
-- +goose StatementBegin
CREATE FUNCTION budget_give_back(key uuid, spent_at timestamptz, back bigint, unreserve bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF back > 0 THEN -- the chunk that holds it, unless it is the open one
        UPDATE spend_chunks SET counted = counted - back WHERE key_id = key AND from_at = (
            SELECT from_at FROM spend_chunks WHERE key_id = key AND from_at <= spent_at ORDER BY from_at DESC LIMIT 1) AND until_at >= spent_at;
    END IF;
    UPDATE budgets SET reserved = reserved - unreserve,
           chunk_counted = chunk_counted - CASE WHEN spent_at >= chunk_from THEN back ELSE 0 END, sums = ARRAY[
            sums[1] - CASE WHEN spent_at >= oldest[1] THEN back ELSE 0 END,
            sums[2] - CASE WHEN spent_at >= oldest[2] THEN back ELSE 0 END,
            sums[3] - CASE WHEN spent_at >= oldest[3] THEN back ELSE 0 END,
            sums[4] - CASE WHEN spent_at >= oldest[4] THEN back ELSE 0 END]
     WHERE key_id = key;
END
$$;
-- +goose StatementEnd

-- Resolve a spend: charge at most what was reserved and give the rest back in the windows whose sum still holds it.
-- The caller holds the lock on the budget's row. A spend that was retired for good is no longer there: nothing to do.
-- +goose StatementBegin
CREATE FUNCTION budget_resolve(key uuid, spent_at timestamptz, charge bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    was  bigint;
    back bigint;
BEGIN
    SELECT reserved INTO was FROM spends WHERE key_id = key AND at = spent_at;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    back := greatest(was - charge, 0);
    UPDATE spends SET counted = was - back, state = CASE WHEN back = was THEN 'released' ELSE 'settled' END
     WHERE key_id = key AND at = spent_at;
    PERFORM budget_give_back(key, spent_at, back, was);
    RETURN was - back;
END
$$;
-- +goose StatementEnd

-- What a key has spent, exactly, and when the first of it rolls off. Changes nothing.
-- +goose StatementBegin
CREATE FUNCTION budget_spending(key uuid, given timestamptz)
RETURNS TABLE (window_no integer, limit_sat bigint, spent_sat bigint, frees_at timestamptz, reserved_sat bigint)
STABLE LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    b    budgets;
    now_ timestamptz;
BEGIN
    SELECT * INTO b FROM budgets WHERE key_id = key;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    now_ := greatest(coalesce(given, clock_timestamp()), b.head);
    reserved_sat := b.reserved;
    FOR w IN 1..4 LOOP
        window_no := w;
        limit_sat := b.limits[w];
        b := budget_retire(b, w, now_); -- of this copy only
        spent_sat := b.sums[w];
        frees_at := NULL;
        IF spent_sat > 0 THEN
            frees_at := budget_frees_at(b, w, spent_sat - 1);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- Set (or with NULL remove) one limit. False when the key is not of this account.
-- +goose StatementBegin
CREATE FUNCTION budget_set_limit(account uuid, key uuid, w integer, sat bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE budgets SET limits[w] = sat
     WHERE key_id = key AND EXISTS (SELECT FROM api_keys k WHERE k.id = key AND k.account_id = account);
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- Retire what has expired of one key, so that the next verdict finds nothing to do.
-- +goose StatementBegin
CREATE FUNCTION budget_advance(key uuid, given timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    b budgets;
BEGIN
    SELECT * INTO b FROM budgets WHERE key_id = key FOR NO KEY UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false; -- in use: whoever uses it retires what it needs
    END IF;
    b.head := budget_now(b.head, given);
    FOR w IN 1..4 LOOP
        b := budget_retire(b, w, b.head);
    END LOOP;
    PERFORM budget_store(b, 0, NULL);
    RETURN true;
END
$$;
-- +goose StatementEnd

-- Forget spends older than a time, a batch per call; those that a window still counts stay.
-- +goose StatementBegin
CREATE FUNCTION spends_forget(older_than timestamptz, batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    gone integer;
BEGIN
    DELETE FROM spends WHERE (key_id, at) IN (
        SELECT s.key_id, s.at FROM budgets b CROSS JOIN LATERAL (
            SELECT key_id, at FROM spends
             WHERE spends.key_id = b.key_id AND at < older_than AND state <> 'reserved'
               AND at < least(b.oldest[1], b.oldest[2], b.oldest[3], b.oldest[4], 'infinity') ORDER BY at LIMIT batch) s
        LIMIT batch);
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM spend_chunks c WHERE c.until_at < older_than AND EXISTS (
        SELECT FROM budgets b WHERE b.key_id = c.key_id AND c.until_at < least(b.oldest[1], b.oldest[2], b.oldest[3], b.oldest[4], 'infinity'))
       AND NOT EXISTS (SELECT FROM spends s WHERE s.key_id = c.key_id AND s.at BETWEEN c.from_at AND c.until_at);
    RETURN gone;
END
$$;
-- +goose StatementEnd

-- An API key is made together with its budget row, so that limits set later are checked against all it ever spent.
-- +goose StatementBegin
CREATE FUNCTION budget_open() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO budgets (key_id) VALUES (NEW.id);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER budget_open AFTER INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION budget_open();

GRANT SELECT ON api_keys, budgets, spends, spend_chunks TO holdfast_app;
GRANT INSERT ON api_keys TO holdfast_app;
GRANT UPDATE (revoked_at) ON api_keys TO holdfast_app;
-- These run with the rights of the tables' owner, so they are for the ledger only.
REVOKE EXECUTE ON FUNCTION budget_spending(uuid, timestamptz), budget_set_limit(uuid, uuid, integer, bigint),
    budget_advance(uuid, timestamptz), spends_forget(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION budget_spending(uuid, timestamptz), budget_set_limit(uuid, uuid, integer, bigint),
    budget_advance(uuid, timestamptz), spends_forget(timestamptz, integer) TO holdfast_app;

-- +goose Down
DROP TABLE spend_chunks, spends, budgets, api_keys CASCADE;
DROP FUNCTION IF EXISTS spend_guard(), budget_window(integer), budget_now(timestamptz, timestamptz), budget_resolve(uuid, timestamptz, bigint),
    budget_spending(uuid, timestamptz), budget_set_limit(uuid, uuid, integer, bigint), budget_advance(uuid, timestamptz),
    spends_forget(timestamptz, integer), budget_open(), spend_chunk_size(), budget_give_back(uuid, timestamptz, bigint, bigint);

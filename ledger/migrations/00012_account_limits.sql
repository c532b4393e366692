-- Limits of accounts: budgets that no API key has, set by operators. They share the tables and the rules of the keys' (00002).
-- Lock order, as everywhere: payment row, invoice of ours, budget rows by id, wallets by id, then new rows.
-- +goose Up

-- In the order in which payments take them, and before anything else: else a payment that has its row and wants its budget,
-- and this migration, which has changed budgets and wants payments, wait for each other.
LOCK TABLE payments, budgets, api_keys IN ACCESS EXCLUSIVE MODE;

-- A budget is of an API key, whose id it has, or of what an account does for one purpose; then key_id is an id of its own.
ALTER TABLE budgets
    DROP CONSTRAINT budgets_key_id_fkey,
    ADD COLUMN account_id uuid REFERENCES accounts,
    ADD COLUMN purpose    text CHECK (purpose IN ('withdrawal', 'internal_send', 'convert')),
    ADD COLUMN of_key     uuid GENERATED ALWAYS AS (CASE WHEN account_id IS NULL THEN key_id END) STORED REFERENCES api_keys,
    ADD CHECK ((account_id IS NULL) = (purpose IS NULL));
CREATE UNIQUE INDEX budgets_of_account ON budgets (account_id, purpose) WHERE account_id IS NOT NULL;

-- The limits that new accounts begin with; by window, as in budgets.
CREATE TABLE account_limit_defaults (
    purpose text     PRIMARY KEY CHECK (purpose IN ('withdrawal', 'internal_send', 'convert')),
    limits  bigint[] NOT NULL DEFAULT '{NULL,NULL,NULL,NULL}' CHECK (array_length(limits, 1) = 4 AND NOT 0 >= ANY (limits))
);
-- +goose StatementBegin
CREATE FUNCTION account_limits_open() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO budgets (key_id, account_id, purpose, limits)
    SELECT gen_random_uuid(), NEW.id, purpose, limits FROM account_limit_defaults WHERE array_remove(limits, NULL) <> '{}';
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER account_limits_open AFTER INSERT ON accounts FOR EACH ROW EXECUTE FUNCTION account_limits_open();

-- Set (or with NULL remove) one limit of an account; of new accounts when none is named. False: there is no such account.
-- +goose StatementBegin
CREATE FUNCTION account_set_limit(account uuid, for_purpose text, w integer, sat bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    first_limits bigint[] := '{NULL,NULL,NULL,NULL}';
BEGIN
    IF account IS NULL THEN
        INSERT INTO account_limit_defaults (purpose) VALUES (for_purpose) ON CONFLICT DO NOTHING;
        UPDATE account_limit_defaults SET limits[w] = sat WHERE purpose = for_purpose;
        RETURN true;
    END IF;
    UPDATE budgets SET limits[w] = sat WHERE account_id = account AND purpose = for_purpose;
    IF FOUND OR sat IS NULL THEN
        RETURN EXISTS (SELECT FROM accounts WHERE id = account);
    END IF;
    -- The first one. A batch that has looked which budgets it will lock (payment_lock_all) must not meet another one later.
    PERFORM FROM accounts WHERE id = account FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    first_limits[w] := sat;
    INSERT INTO budgets (key_id, account_id, purpose, limits) VALUES (gen_random_uuid(), account, for_purpose, first_limits)
    ON CONFLICT (account_id, purpose) WHERE account_id IS NOT NULL DO UPDATE SET limits[w] = sat;
    RETURN true;
END
$$;
-- +goose StatementEnd

-- The account's budget that has counted a payment is fixed with it; the spend's time is that of the key's.
ALTER TABLE payments ADD COLUMN account_limit_id uuid;
ALTER TABLE payments
    DROP CONSTRAINT payments_check4,
    ADD CONSTRAINT payments_spent CHECK (state = 'refused' OR (key_id IS NOT NULL OR account_limit_id IS NOT NULL) = (spent_at IS NOT NULL));
CREATE TRIGGER payment_limit_fixed BEFORE UPDATE ON payments FOR EACH ROW
    WHEN (NEW.account_limit_id IS DISTINCT FROM OLD.account_limit_id) EXECUTE FUNCTION refuse_change();

-- What a payment counts as for its account.
-- +goose StatementBegin
CREATE FUNCTION payment_purpose(p payments) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE
        WHEN p.kind <> 'intraledger' THEN 'withdrawal'
        WHEN EXISTS (SELECT FROM wallets WHERE id = p.recipient_id AND account_id = p.account_id) THEN 'convert'
        ELSE 'internal_send'
    END;
END
$$;
-- +goose StatementEnd

-- The account's budget that would count a payment, NULL if it has none.
-- +goose StatementBegin
CREATE FUNCTION payment_account_limit(p payments) RETURNS uuid STABLE LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM budgets WHERE account_id = p.account_id) THEN
        RETURN NULL; -- as for most
    END IF;
    RETURN (SELECT key_id FROM budgets WHERE account_id = p.account_id AND purpose = payment_purpose(p));
END
$$;
-- +goose StatementEnd

-- The functions that lock, judge and charge know one budget more. Those they replace keep their text, for the way down
-- (OR REPLACE is for sqlc, which does not follow renames).
ALTER FUNCTION payment_admit(payments, timestamptz) RENAME TO payment_admit_of_key;
ALTER FUNCTION payment_lock_all(payments[]) RENAME TO payment_lock_all_of_keys;
ALTER FUNCTION payment_lock_money(payments) RENAME TO payment_lock_money_of_key;

-- Settled or failed: resolve the account's spend as payment_finish and payment_void (00006) do the key's, which hold the locks.
-- +goose StatementBegin
CREATE FUNCTION account_limit_resolve() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM budget_resolve(NEW.account_limit_id, NEW.spent_at,
        CASE NEW.state WHEN 'settled' THEN sat_ceil(NEW.amount + NEW.fee - NEW.fee_overage) ELSE 0 END);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER account_limit_resolve AFTER UPDATE OF state ON payments FOR EACH ROW
    WHEN (NEW.account_limit_id IS NOT NULL AND NEW.state IN ('settled', 'failed') AND NEW.state <> OLD.state)
    EXECUTE FUNCTION account_limit_resolve();

-- +goose StatementBegin
CREATE FUNCTION account_limit_refusal(purpose text, shortfall jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    message text := format('The %s limit of this account for %s is %s: %s spent, %s remaining, and this payment needs %s with its fee reserve. ',
        shortfall->>'window',
        CASE purpose WHEN 'withdrawal' THEN 'withdrawals' WHEN 'convert' THEN 'transfers between its own wallets' ELSE 'sends to other accounts' END,
        sat_text((shortfall->>'limit_sat')::bigint), sat_text((shortfall->>'spent_sat')::bigint),
        sat_text((shortfall->>'remaining_sat')::bigint), sat_text((shortfall->>'needed_sat')::bigint));
BEGIN
    RETURN refusal('ACCOUNT_LIMIT', message || CASE
        WHEN shortfall ? 'frees_at' THEN 'Enough frees up at ' || to_char((shortfall->>'frees_at')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC.'
        ELSE 'It is more than the limit itself: pay less, or ask the operator to raise the limit.' END)
        || jsonb_build_object('budget', shortfall);
END
$$;
-- +goose StatementEnd

-- What budget_detail (00005) says, of the account's budget: with another beginning, since a payment may have both.
-- +goose StatementBegin
CREATE FUNCTION account_limit_detail(b budgets, need bigint) RETURNS jsonb LANGUAGE sql AS $$
    SELECT coalesce(jsonb_object_agg('account_' || key, value), '{}') FROM jsonb_each(budget_detail(b, need))
$$;
-- +goose StatementEnd

-- Decide on a new payment under all locks, then write its row; fresh tells whether this call wrote it. A refusal is
-- written too, so that a retry gets the same answer. The order of checks: what Go found wrong already (p.failure),
-- wallet, key, recipient, hash, budget of the key, limit of the account, balance.
-- As before (00005), and: the account's budget is locked, judged and charged with the key's.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION payment_admit(INOUT p payments, given timestamptz, OUT fresh boolean) LANGUAGE plpgsql AS $$
DECLARE
    known      payments;
    owned      api_keys;
    inv        invoices;
    b          budgets; -- of the key
    of_account budgets; -- of the account, for what this payment is
    budget     budgets;
    row_       wallets;
    sender     wallets;
    recipient  wallets;
    verdict    record;
    available  bigint;
    need       bigint := 0;
    charge     bigint := 0; -- need, once it is reserved
    limit_id   uuid;
    now_       timestamptz;
BEGIN
    fresh := false;
    known := payment_known(p);
    IF known.id IS NOT NULL THEN
        p := known;
        RETURN;
    END IF;

    -- Ownership first, without locks: nobody may lock what is not his.
    SELECT currency INTO p.currency FROM wallets WHERE id = p.wallet_id AND account_id = p.account_id;
    IF NOT FOUND THEN
        p.currency := 'BTC';
        p.failure := coalesce(p.failure, refusal('WALLET_NOT_FOUND', 'Invalid walletId for account.'));
    END IF;
    IF p.key_id IS NOT NULL THEN
        SELECT * INTO owned FROM api_keys WHERE id = p.key_id AND account_id = p.account_id;
        IF NOT FOUND THEN
            p.failure := coalesce(p.failure, refusal('KEY_NOT_FOUND', 'API key not found. Use a key of this account.'));
        END IF;
    END IF;

    IF p.failure IS NULL THEN
        IF p.kind = 'intraledger' AND p.payment_hash IS NOT NULL THEN
            SELECT * INTO inv FROM invoices WHERE hash = p.payment_hash FOR NO KEY UPDATE;
        END IF;
        limit_id := payment_account_limit(p);
        IF p.key_id IS NOT NULL OR limit_id IS NOT NULL THEN
            FOR budget IN SELECT * FROM budgets WHERE key_id IN (p.key_id, limit_id) ORDER BY key_id FOR NO KEY UPDATE LOOP
                IF budget.key_id = p.key_id THEN b := budget; ELSE of_account := budget; END IF;
            END LOOP;
            SELECT * INTO owned FROM api_keys WHERE id = p.key_id; -- again: it may have been revoked while we waited
        END IF;
        FOR row_ IN SELECT * FROM wallets WHERE id IN (p.wallet_id, p.recipient_id) ORDER BY id FOR NO KEY UPDATE LOOP
            IF row_.id = p.wallet_id THEN sender := row_; ELSE recipient := row_; END IF;
        END LOOP;
    END IF;
    now_ := budget_now(greatest(b.head, of_account.head), given);
    p.created_at := now_;
    p.updated_at := now_;

    IF p.failure IS NULL THEN
        available := sender.credits_posted - sender.debits_posted - sender.debits_pending;
        IF p.send_all THEN
            p.amount := greatest((available - p.fee_reserve) / 1000 * 1000, 0);
        END IF;
        p.failure := CASE
            WHEN owned.revoked_at IS NOT NULL THEN refusal('KEY_INACTIVE', 'This API key is revoked. Create a new one.')
            WHEN owned.expires_at <= now_ THEN refusal('KEY_INACTIVE', 'This API key has expired. Create a new one.')
            WHEN sender.currency <> 'BTC' THEN refusal('INVALID_INPUT', 'This wallet is not in bitcoin. Pay from a BTC wallet.')
            WHEN p.kind = 'intraledger' AND recipient.id IS NULL THEN refusal('WALLET_NOT_FOUND', 'The recipient wallet does not exist. Check its id.')
            WHEN recipient.currency <> sender.currency THEN refusal('INVALID_INPUT', 'The recipient wallet has another currency. Choose one in the same currency.')
            WHEN p.payment_hash IS NOT NULL THEN coalesce(payment_hash_refusal(p.payment_hash), invoice_refusal(inv, p, now_))
        END;
        IF p.failure IS NULL AND p.send_all AND p.amount = 0 THEN
            p.failure := refusal('INSUFFICIENT_BALANCE', format('The wallet has %s available, which does not pay for the fee. Receive funds first.',
                sat_text(available / 1000)));
        END IF;
    END IF;
    IF p.failure IS NULL THEN
        need := sat_ceil(p.amount + p.fee_reserve);
    END IF;
    IF p.failure IS NULL AND b.key_id IS NOT NULL THEN
        verdict := budget_judge(b, need, now_);
        b := verdict.b;
        IF verdict.shortfall IS NOT NULL THEN
            p.failure := budget_refusal(verdict.shortfall);
        END IF;
    END IF;
    IF p.failure IS NULL AND of_account.key_id IS NOT NULL THEN
        verdict := budget_judge(of_account, need, now_);
        of_account := verdict.b;
        IF verdict.shortfall IS NOT NULL THEN
            p.failure := account_limit_refusal(of_account.purpose, verdict.shortfall);
        END IF;
    END IF;
    IF p.failure IS NULL AND p.amount + p.fee_reserve > available THEN
        p.failure := refusal('INSUFFICIENT_BALANCE', format('The wallet has %s available; this payment needs %s with its fee reserve. Receive funds or pay less.',
            sat_text(available / 1000), sat_text(sat_ceil(p.amount + p.fee_reserve))));
    END IF;

    IF p.failure IS NOT NULL THEN
        p.state := 'refused';
        p.resolved_at := now_;
    ELSE
        p.state := 'reserved';
        p.account_limit_id := of_account.key_id;
        p.spent_at := CASE WHEN b.key_id IS NOT NULL OR of_account.key_id IS NOT NULL THEN now_ END;
    END IF;
    -- No arbiter is named: a conflict may be this payment, written meanwhile, or another payment of the same hash.
    INSERT INTO payments VALUES (p.*) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        known := payment_known(p);
        IF known.id IS NULL THEN
            p.state := 'refused';
            p.spent_at := NULL;
            p.account_limit_id := NULL;
            p.failure := coalesce(payment_hash_refusal(p.payment_hash), refusal('PAYMENT_IN_FLIGHT', 'There is a pending payment for this invoice. Wait for it to end before you pay again.'));
            p.resolved_at := now_;
            INSERT INTO payments VALUES (p.*) ON CONFLICT DO NOTHING;
            fresh := FOUND;
            known := payment_known(p);
        END IF;
        p := known;
    ELSE
        fresh := true;
    END IF;

    charge := CASE WHEN fresh AND p.state = 'reserved' THEN need ELSE 0 END;
    IF b.key_id IS NOT NULL THEN -- the judged time is kept on refusals too, or a clock that steps back would approve
        b.head := now_;
        PERFORM budget_store(b, charge, p.id);
    END IF;
    IF of_account.key_id IS NOT NULL THEN
        of_account.head := now_;
        PERFORM budget_store(of_account, charge, p.id);
    END IF;
    IF fresh AND p.state = 'reserved' THEN
        PERFORM transaction_sent(p);
    END IF;
    IF fresh THEN
        PERFORM payment_event(p, p.state, now_, CASE WHEN p.state = 'refused'
            THEN jsonb_build_object('reason', p.failure->>'reason')
            ELSE jsonb_build_object('amount_msat', p.amount::text, 'fee_reserve_msat', p.fee_reserve::text) || budget_detail(b, need)
                || account_limit_detail(of_account, need) END);
    END IF;
END
$$;
-- +goose StatementEnd

-- Lock all that deciding on new payments will lock, in the order of every other function. As there, nobody may lock what
-- is not his, and what Go found wrong already locks nothing. As before (00007), and: the accounts' budgets.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION payment_lock_all(asked payments[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    invoice_hashes bytea[];
    budget_ids     uuid[];
    wallet_ids     uuid[];
    nodes          text[];
BEGIN
    -- So that no account gets its first limit between this look and the verdict: nobody locks a budget after a wallet.
    PERFORM FROM accounts WHERE id IN (SELECT a.account_id FROM unnest(asked) a) ORDER BY id FOR KEY SHARE;
    SELECT array_agg(a.payment_hash) FILTER (WHERE a.kind = 'intraledger' AND a.payment_hash IS NOT NULL),
           array_agg(DISTINCT a.key_id) || array_agg(DISTINCT payment_account_limit(a)), array_agg(DISTINCT a.wallet_id) || array_agg(DISTINCT a.recipient_id),
           array_agg(DISTINCT a.node) FILTER (WHERE a.kind <> 'intraledger' AND a.node IS NOT NULL)
      INTO invoice_hashes, budget_ids, wallet_ids, nodes
      FROM unnest(asked) a
      JOIN wallets w ON w.id = a.wallet_id AND w.account_id = a.account_id
     WHERE a.failure IS NULL
       AND (a.key_id IS NULL OR EXISTS (SELECT FROM api_keys k WHERE k.id = a.key_id AND k.account_id = a.account_id));
    IF invoice_hashes IS NOT NULL THEN
        PERFORM FROM invoices WHERE hash = ANY (invoice_hashes) ORDER BY hash FOR NO KEY UPDATE;
    END IF;
    PERFORM FROM budgets WHERE key_id = ANY (budget_ids) ORDER BY key_id FOR NO KEY UPDATE;
    PERFORM FROM wallets WHERE id = ANY (wallet_ids) ORDER BY id FOR NO KEY UPDATE;
    PERFORM system_account('node', n, 'BTC') FROM (SELECT unnest(nodes) AS n ORDER BY 1) sorted; -- made at the first use, last of all
END
$$;
-- +goose StatementEnd

-- Lock what settling or voiding a payment touches, in the order of reserve. As before (00006), and: the account's budget.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION payment_lock_money(p payments) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p.kind = 'intraledger' AND p.payment_hash IS NOT NULL THEN
        PERFORM FROM invoices WHERE hash = p.payment_hash FOR NO KEY UPDATE;
    END IF;
    IF p.spent_at IS NOT NULL THEN
        PERFORM FROM budgets WHERE key_id IN (p.key_id, p.account_limit_id) ORDER BY key_id FOR NO KEY UPDATE;
    END IF;
    PERFORM FROM wallets WHERE id IN (p.wallet_id, p.recipient_id) ORDER BY id FOR NO KEY UPDATE;
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION account_set_limit(uuid, text, integer, bigint) FROM PUBLIC;
-- Triggers fire without this right, but whoever has it may put them on a table of his own (a temporary one needs no other
-- right) and have them do there, as the owner, what a row of his says. Those of the migrations before as well.
REVOKE EXECUTE ON FUNCTION account_limit_resolve(), account_limits_open(), budget_open(), key_count(), callback_guard(), contact_count() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_set_limit(uuid, text, integer, bigint) TO holdfast_app;
GRANT SELECT ON account_limit_defaults TO holdfast_app;

-- +goose Down
-- What the accounts' limits have counted is lost; the payments stay.
DROP TRIGGER account_limit_resolve ON payments;
DROP TRIGGER payment_limit_fixed ON payments;
DROP TRIGGER account_limits_open ON accounts;
DROP FUNCTION payment_admit(payments, timestamptz), payment_lock_all(payments[]), payment_lock_money(payments);
ALTER FUNCTION payment_admit_of_key(payments, timestamptz) RENAME TO payment_admit;
ALTER FUNCTION payment_lock_all_of_keys(payments[]) RENAME TO payment_lock_all;
ALTER FUNCTION payment_lock_money_of_key(payments) RENAME TO payment_lock_money;
DROP FUNCTION account_limit_detail(budgets, bigint), account_limit_refusal(text, jsonb), account_limit_resolve(), payment_account_limit(payments), payment_purpose(payments),
    account_set_limit(uuid, text, integer, bigint), account_limits_open();
DROP TABLE account_limit_defaults;
GRANT EXECUTE ON FUNCTION budget_open(), key_count(), callback_guard(), contact_count() TO PUBLIC;
UPDATE budgets SET oldest = '{NULL,NULL,NULL,NULL}' WHERE account_id IS NOT NULL; -- so that no window counts the spends
DELETE FROM spend_chunks c USING budgets b WHERE b.key_id = c.key_id AND b.account_id IS NOT NULL;
DELETE FROM spends s USING budgets b WHERE b.key_id = s.key_id AND b.account_id IS NOT NULL;
DELETE FROM budgets WHERE account_id IS NOT NULL;
ALTER TABLE budgets DROP COLUMN of_key, DROP COLUMN purpose, DROP COLUMN account_id, ADD CONSTRAINT budgets_key_id_fkey FOREIGN KEY (key_id) REFERENCES api_keys;
ALTER TABLE payments DROP CONSTRAINT payments_spent, DROP COLUMN account_limit_id;
ALTER TABLE payments DISABLE TRIGGER payment_guard;
UPDATE payments SET spent_at = NULL WHERE key_id IS NULL AND spent_at IS NOT NULL;
ALTER TABLE payments ENABLE TRIGGER payment_guard;
ALTER TABLE payments ADD CONSTRAINT payments_check4 CHECK (state = 'refused' OR (key_id IS NOT NULL) = (spent_at IS NOT NULL));

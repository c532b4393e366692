-- Accounts, wallets, system accounts and transfers: the double entry.
-- +goose Up

-- The ledger connects as this role. Roles are cluster-wide, so another database of the same cluster may create or
-- grant it at this very moment: both are tried until one of us has done it.
-- +goose StatementBegin
DO $$
BEGIN
    FOR attempt IN 1..50 LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'holdfast_app') THEN
                CREATE ROLE holdfast_app NOLOGIN;
            END IF;
            IF NOT pg_has_role(current_user, 'holdfast_app', 'MEMBER') THEN
                EXECUTE format('GRANT holdfast_app TO %I', current_user);
            END IF;
            RETURN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation OR internal_error THEN
                PERFORM pg_sleep(random() * 0.05); -- "tuple concurrently updated": look again
        END;
    END LOOP;
    RAISE EXCEPTION 'the role holdfast_app could not be created';
END
$$;
-- +goose StatementEnd

CREATE TABLE accounts (
    id         uuid        PRIMARY KEY,
    created_at timestamptz NOT NULL
);

-- A wallet keeps its balance on its row, in the smallest unit of its currency: msat or cents.
CREATE TABLE wallets (
    id              uuid        PRIMARY KEY,
    account_id      uuid        NOT NULL REFERENCES accounts,
    name            text        NOT NULL,
    currency        text        NOT NULL CHECK (currency IN ('BTC', 'USD')),
    debits_pending  bigint      NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
    debits_posted   bigint      NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
    credits_pending bigint      NOT NULL DEFAULT 0 CHECK (credits_pending >= 0),
    credits_posted  bigint      NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
    created_at      timestamptz NOT NULL,
    -- Rule 5: a wallet never goes below zero, held funds counted as spent.
    CONSTRAINT wallet_never_below_zero CHECK (credits_posted - debits_posted - debits_pending >= 0)
) WITH (fillfactor = 70); -- room for HOT updates: no index holds a column that changes
CREATE INDEX wallets_of_account ON wallets (account_id, created_at);

-- The other side of every transfer. No balance column, so no hot row: the balance is a snapshot plus the transfers since.
CREATE TABLE system_accounts (
    id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    name       text        NOT NULL CHECK (name IN ('node', 'fees', 'suspense')),
    node       text        NOT NULL DEFAULT '', -- of which LND node; empty for those that belong to none
    currency   text        NOT NULL CHECK (currency IN ('BTC', 'USD')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK ((name = 'node') = (node <> '')),
    UNIQUE (name, node, currency)
);

-- One row is one debit, one credit, one amount: an unbalanced transfer cannot be written.
CREATE TABLE transfers (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind           text        NOT NULL CHECK (kind IN ('posted', 'pending', 'post', 'void')),
    pending_id     bigint,     -- which hold a post or void resolves
    debit_account  uuid        NOT NULL,
    credit_account uuid        NOT NULL,
    amount         bigint      NOT NULL CHECK (amount > 0),
    currency       text        NOT NULL,
    leg            text        NOT NULL CHECK (leg IN ('payment', 'overage', 'receive')),
    payment_id     uuid,
    receipt        text,       -- what a receive credits: invoice:<hash> or deposit:<txid>:<vout>
    xid            xid8        NOT NULL DEFAULT pg_current_xact_id(), -- lets a snapshot know what was committed before it
    created_at     timestamptz NOT NULL,
    CHECK (debit_account <> credit_account),
    CHECK ((pending_id IS NOT NULL) = (kind IN ('post', 'void'))),
    CHECK ((leg = 'receive') = (receipt IS NOT NULL)),
    CHECK (leg = 'receive' OR payment_id IS NOT NULL)
);
-- Rule 4: a hold resolves exactly once.
CREATE UNIQUE INDEX transfers_resolve_once ON transfers (pending_id) WHERE kind IN ('post', 'void');
-- Rule 1: a payment holds, or moves, the wallet's funds once.
CREATE UNIQUE INDEX transfers_one_per_payment ON transfers (payment_id) WHERE leg = 'payment' AND kind IN ('pending', 'posted');
-- Rule 10: a receive is credited once.
CREATE UNIQUE INDEX transfers_credit_once ON transfers (receipt) WHERE receipt IS NOT NULL;
CREATE INDEX transfers_xid ON transfers (xid);

CREATE TABLE system_snapshots (
    account_id     uuid        PRIMARY KEY REFERENCES system_accounts,
    before_xid     xid8        NOT NULL, -- every transfer of an earlier transaction is in the sums
    debits_posted  numeric     NOT NULL,
    credits_posted numeric     NOT NULL,
    taken_at       timestamptz NOT NULL
);

-- A transfer moves the balances of its two accounts, so no transfer exists without them and no balance without it.
-- Callers that touch two wallets lock them by id first.
-- +goose StatementBegin
CREATE FUNCTION transfer_apply() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    hold    transfers;
    pending bigint := 0;
    posted  bigint := 0;
BEGIN
    CASE NEW.kind
    WHEN 'posted' THEN
        posted := NEW.amount;
    WHEN 'pending' THEN
        pending := NEW.amount;
    ELSE
        SELECT * INTO hold FROM transfers WHERE id = NEW.pending_id;
        IF hold.kind IS DISTINCT FROM 'pending'
           OR (hold.debit_account, hold.credit_account, hold.currency, hold.payment_id)
              IS DISTINCT FROM (NEW.debit_account, NEW.credit_account, NEW.currency, NEW.payment_id)
           OR NEW.amount > hold.amount OR (NEW.kind = 'void' AND NEW.amount <> hold.amount) THEN
            RAISE EXCEPTION 'transfer % does not resolve hold %', NEW.id, NEW.pending_id USING ERRCODE = 'HF004';
        END IF;
        pending := -hold.amount;
        IF NEW.kind = 'post' THEN
            posted := NEW.amount;
        END IF;
    END CASE;

    UPDATE wallets SET debits_pending = debits_pending + pending, debits_posted = debits_posted + posted
     WHERE id = NEW.debit_account AND currency = NEW.currency;
    IF NOT FOUND AND NOT EXISTS (SELECT FROM system_accounts WHERE id = NEW.debit_account AND currency = NEW.currency) THEN
        RAISE EXCEPTION 'no % account %', NEW.currency, NEW.debit_account USING ERRCODE = 'HF004';
    END IF;
    UPDATE wallets SET credits_pending = credits_pending + pending, credits_posted = credits_posted + posted
     WHERE id = NEW.credit_account AND currency = NEW.currency;
    IF NOT FOUND AND NOT EXISTS (SELECT FROM system_accounts WHERE id = NEW.credit_account AND currency = NEW.currency) THEN
        RAISE EXCEPTION 'no % account %', NEW.currency, NEW.credit_account USING ERRCODE = 'HF004';
    END IF;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER transfer_apply AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION transfer_apply();

-- Rule 12: history is append-only, for the owner of the tables too.
-- +goose StatementBegin
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'HF005';
END
$$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The id of a system account, made at first use.
-- +goose StatementBegin
CREATE FUNCTION system_account(of_name text, of_node text, of_currency text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
    found_id uuid;
BEGIN
    LOOP
        SELECT id INTO found_id FROM system_accounts WHERE name = of_name AND node = of_node AND currency = of_currency;
        IF FOUND THEN
            RETURN found_id;
        END IF;
        INSERT INTO system_accounts (name, node, currency) VALUES (of_name, of_node, of_currency) ON CONFLICT DO NOTHING;
    END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT ON accounts, wallets, system_accounts, transfers, system_snapshots TO holdfast_app;
GRANT INSERT ON accounts TO holdfast_app;
GRANT INSERT (id, account_id, name, currency, created_at) ON wallets TO holdfast_app; -- a wallet starts empty

-- +goose Down
DROP TABLE system_snapshots, transfers, system_accounts, wallets, accounts;
DROP FUNCTION transfer_apply(), refuse_change(), system_account(text, text, text);
-- The role stays: it belongs to the cluster and other databases may use it.

-- Who owns accounts: profiles, the scopes of API keys, callback endpoints and contacts.
-- +goose Up

-- There is one user per account, so the profile is columns of it. What a gateway brings has them empty.
ALTER TABLE accounts
    ADD COLUMN phone             text CHECK (phone ~ '^\+[1-9][0-9]{5,14}$'), -- E.164
    -- Lower case only, so that unique means: whatever the case. What looks like an address of Bitcoin is nobody's name.
    ADD COLUMN username          text CHECK (username ~ '^[a-z][a-z0-9_]{2,49}$' AND username !~ '^(bc1|lnbc1)'),
    ADD COLUMN language          text NOT NULL DEFAULT '' CHECK (language ~ '^([a-z]{2,3}(-[A-Za-z0-9]{2,8})?)?$'), -- empty: none chosen
    ADD COLUMN display_currency  text NOT NULL DEFAULT 'USD' CHECK (display_currency ~ '^[A-Z]{3,4}$'),
    ADD COLUMN default_wallet_id uuid; -- NULL: the oldest BTC wallet
CREATE UNIQUE INDEX accounts_phone ON accounts (phone) WHERE phone IS NOT NULL;
CREATE UNIQUE INDEX accounts_username ON accounts (username) WHERE username IS NOT NULL;
ALTER TABLE wallets ADD CONSTRAINT wallets_of_owner UNIQUE (id, account_id);
ALTER TABLE accounts ADD CONSTRAINT accounts_default_is_own FOREIGN KEY (default_wallet_id, id) REFERENCES wallets (id, account_id);

-- A name once given is where others pay to: it stays, as does whose phone it is.
-- +goose StatementBegin
CREATE FUNCTION account_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id <> OLD.id OR NEW.created_at <> OLD.created_at
       OR (OLD.username IS NOT NULL AND NEW.username IS DISTINCT FROM OLD.username)
       OR (OLD.phone IS NOT NULL AND NEW.phone IS DISTINCT FROM OLD.phone) THEN
        RAISE EXCEPTION 'account %: phone and username stay once they are set', OLD.id USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER account_guard BEFORE UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION account_guard();

-- An account gets the wallets it lacks, one per currency, and a default. Under its lock, so
-- that it gets them once.
-- +goose StatementBegin
CREATE FUNCTION account_furnish(of_id uuid, btc uuid, usd uuid, given timestamptz) RETURNS accounts LANGUAGE plpgsql AS $$
DECLARE
    a accounts;
BEGIN
    SELECT * INTO a FROM accounts WHERE id = of_id FOR NO KEY UPDATE;
    IF a.default_wallet_id IS NOT NULL THEN
        RETURN a;
    END IF;
    INSERT INTO wallets (id, account_id, name, currency, created_at)
    SELECT new.id, of_id, new.currency, new.currency, coalesce(given, clock_timestamp())
      FROM (VALUES (btc, 'BTC'), (usd, 'USD')) AS new (id, currency)
     WHERE NOT EXISTS (SELECT FROM wallets w WHERE w.account_id = of_id AND w.currency = new.currency);
    UPDATE accounts SET default_wallet_id = (SELECT id FROM wallets WHERE account_id = of_id AND currency = 'BTC' ORDER BY created_at, id LIMIT 1)
     WHERE id = of_id RETURNING * INTO a;
    RETURN a;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_of_phone(of_phone text, new_id uuid, btc uuid, usd uuid, given timestamptz) RETURNS accounts LANGUAGE plpgsql AS $$
DECLARE
    a accounts;
BEGIN
    LOOP
        SELECT * INTO a FROM accounts WHERE phone = of_phone;
        IF FOUND THEN
            RETURN account_furnish(a.id, btc, usd, given);
        END IF;
        INSERT INTO accounts (id, phone, created_at) VALUES (new_id, of_phone, coalesce(given, clock_timestamp()))
        ON CONFLICT DO NOTHING; -- waits for another login of this phone
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION account_ensure(of_id uuid, btc uuid, usd uuid, given timestamptz) RETURNS accounts LANGUAGE plpgsql AS $$
DECLARE
    a accounts;
BEGIN
    SELECT * INTO a FROM accounts WHERE id = of_id AND default_wallet_id IS NOT NULL;
    IF FOUND THEN
        RETURN a; -- as nearly always: nothing is locked
    END IF;
    INSERT INTO accounts (id, created_at) VALUES (of_id, coalesce(given, clock_timestamp())) ON CONFLICT DO NOTHING;
    RETURN account_furnish(of_id, btc, usd, given);
END
$$;
-- +goose StatementEnd

-- Rule 11: what a key may do is fixed when it is made; the same scopes are payment.Scopes().
ALTER TABLE api_keys
    ADD COLUMN scopes       text[] NOT NULL DEFAULT '{READ,WRITE}'
        CHECK (cardinality(scopes) BETWEEN 1 AND 3 AND scopes <@ '{READ,RECEIVE,WRITE}'),
    ADD COLUMN last_used_at timestamptz,
    ADD CHECK (char_length(name) <= 200);
ALTER TABLE api_keys SET (fillfactor = 70); -- last_used_at moves without touching an index
-- +goose StatementBegin
CREATE FUNCTION key_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.account_id, NEW.secret_hash, NEW.scopes, NEW.created_at, NEW.expires_at)
       IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.secret_hash, OLD.scopes, OLD.created_at, OLD.expires_at)
       OR (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
       OR (OLD.last_used_at IS NOT NULL AND (NEW.last_used_at IS NULL OR NEW.last_used_at < OLD.last_used_at)) THEN
        RAISE EXCEPTION 'key %: a key is revoked and used, and never changed', OLD.id USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER key_guard BEFORE UPDATE ON api_keys FOR EACH ROW EXECUTE FUNCTION key_guard();

-- Keys are few, so that an account's budgets can be read at once. An expired key counts until it is revoked.
CREATE INDEX api_keys_in_force ON api_keys (account_id) WHERE revoked_at IS NULL;
CREATE INDEX api_keys_revoked ON api_keys (account_id, created_at) WHERE revoked_at IS NOT NULL;
-- +goose StatementBegin
CREATE FUNCTION key_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE id = NEW.account_id FOR NO KEY UPDATE; -- one at a time, so that the count is true
    IF EXISTS (SELECT FROM api_keys WHERE id = NEW.id) THEN
        RETURN NEW; -- asked again: it is made already
    END IF;
    IF (SELECT count(*) FROM api_keys WHERE account_id = NEW.account_id AND revoked_at IS NULL) >= 100 THEN
        RAISE EXCEPTION 'account % has all the API keys it may have', NEW.account_id USING ERRCODE = 'HF007';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER key_count BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION key_count();

-- Where an account wants to be called when something happens.
CREATE TABLE callback_endpoints (
    id         uuid        PRIMARY KEY,
    account_id uuid        NOT NULL REFERENCES accounts,
    url        text        NOT NULL CHECK (char_length(url) BETWEEN 1 AND 2000),
    created_at timestamptz NOT NULL
);
CREATE INDEX callback_endpoints_of_account ON callback_endpoints (account_id, created_at, id);
-- +goose StatementBegin
CREATE FUNCTION callback_guard() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM accounts WHERE id = NEW.account_id FOR NO KEY UPDATE; -- one at a time, so that the count is true
    IF (SELECT count(*) FROM callback_endpoints WHERE account_id = NEW.account_id) >= 10 THEN
        RAISE EXCEPTION 'account % has all the callback endpoints it may have', NEW.account_id USING ERRCODE = 'HF006';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER callback_guard BEFORE INSERT ON callback_endpoints FOR EACH ROW EXECUTE FUNCTION callback_guard();

-- Whom an account has paid by transfers, counted as they settle. Only people with a username are contacts.
CREATE TABLE contacts (
    account_id         uuid        NOT NULL REFERENCES accounts,
    contact_id         uuid        NOT NULL REFERENCES accounts,
    transactions_count bigint      NOT NULL DEFAULT 1 CHECK (transactions_count > 0),
    created_at         timestamptz NOT NULL,
    PRIMARY KEY (account_id, contact_id),
    CHECK (account_id <> contact_id)
) WITH (fillfactor = 70);
CREATE INDEX contacts_newest ON contacts (account_id, created_at DESC, contact_id);
-- Of the wallets' locks the payer's comes before this row, and nothing is locked after it.
-- +goose StatementBegin
CREATE FUNCTION contact_count() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO contacts AS known (account_id, contact_id, created_at)
    SELECT NEW.account_id, a.id, NEW.resolved_at
      FROM wallets w JOIN accounts a ON a.id = w.account_id
     WHERE w.id = NEW.recipient_id AND a.id <> NEW.account_id AND a.username IS NOT NULL
    ON CONFLICT (account_id, contact_id) DO UPDATE SET transactions_count = known.transactions_count + 1;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER contact_count AFTER UPDATE OF state ON payments FOR EACH ROW
    WHEN (NEW.kind = 'intraledger' AND NEW.state = 'settled' AND OLD.state <> 'settled') EXECUTE FUNCTION contact_count();

REVOKE INSERT ON accounts, api_keys FROM holdfast_app;
GRANT INSERT (id, phone, created_at) ON accounts TO holdfast_app;
GRANT UPDATE (username, language, display_currency, default_wallet_id) ON accounts TO holdfast_app;
GRANT INSERT (id, account_id, name, secret_hash, scopes, created_at, expires_at) ON api_keys TO holdfast_app;
GRANT UPDATE (last_used_at) ON api_keys TO holdfast_app;
GRANT SELECT, DELETE ON callback_endpoints TO holdfast_app;
GRANT INSERT ON callback_endpoints TO holdfast_app;
GRANT SELECT ON contacts TO holdfast_app;
REVOKE EXECUTE ON FUNCTION account_furnish(uuid, uuid, uuid, timestamptz), account_of_phone(text, uuid, uuid, uuid, timestamptz),
    account_ensure(uuid, uuid, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_furnish(uuid, uuid, uuid, timestamptz), account_of_phone(text, uuid, uuid, uuid, timestamptz),
    account_ensure(uuid, uuid, uuid, timestamptz) TO holdfast_app;

-- +goose Down
DROP TRIGGER contact_count ON payments;
DROP TABLE contacts, callback_endpoints;
DROP FUNCTION contact_count(), callback_guard();
REVOKE UPDATE (last_used_at) ON api_keys FROM holdfast_app;
REVOKE INSERT (id, account_id, name, secret_hash, scopes, created_at, expires_at) ON api_keys FROM holdfast_app;
DROP TRIGGER key_count ON api_keys;
DROP TRIGGER key_guard ON api_keys;
DROP FUNCTION key_count(), key_guard();
DROP INDEX api_keys_in_force, api_keys_revoked;
ALTER TABLE api_keys RESET (fillfactor);
ALTER TABLE api_keys DROP COLUMN scopes, DROP COLUMN last_used_at, DROP CONSTRAINT api_keys_name_check;
DROP FUNCTION account_ensure(uuid, uuid, uuid, timestamptz), account_of_phone(text, uuid, uuid, uuid, timestamptz),
    account_furnish(uuid, uuid, uuid, timestamptz);
REVOKE INSERT (id, phone, created_at), UPDATE (username, language, display_currency, default_wallet_id) ON accounts FROM holdfast_app;
DROP TRIGGER account_guard ON accounts;
DROP FUNCTION account_guard();
ALTER TABLE accounts DROP COLUMN phone, DROP COLUMN username, DROP COLUMN language, DROP COLUMN display_currency, DROP COLUMN default_wallet_id;
ALTER TABLE wallets DROP CONSTRAINT wallets_of_owner;
GRANT INSERT ON accounts, api_keys TO holdfast_app;

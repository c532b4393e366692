-- A receive must never stop the receives behind it: only a wallet in bitcoin can be a receiver, what arrives for another one
-- waits in suspense, a deposit that its sender took back is no longer awaited, and an invoice that is being paid inside the
-- ledger cannot be canceled.
-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION receiver_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM wallets WHERE id = NEW.wallet_id AND currency = 'BTC') THEN
        RAISE EXCEPTION 'wallet % holds no bitcoin and cannot receive them', NEW.wallet_id USING ERRCODE = 'HF008';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER receiver_guard BEFORE INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION receiver_guard();
CREATE TRIGGER receiver_guard BEFORE INSERT ON addresses FOR EACH ROW EXECUTE FUNCTION receiver_guard();

-- As before (00004), and: what arrives for a wallet without bitcoin goes to the suspense account, where an operator finds
-- it. An error here would keep the cursor, and with it every later receive of the node, where it is.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION receive_credit(of_node text, wallet uuid, sum bigint, what text, at_time timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    receiver uuid;
BEGIN
    SELECT id INTO receiver FROM wallets WHERE id = wallet AND currency = 'BTC' FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        receiver := system_account('suspense', '', 'BTC');
    END IF;
    INSERT INTO transfers (kind, debit_account, credit_account, amount, currency, leg, receipt, created_at)
    VALUES ('posted', system_account('node', of_node, 'BTC'), receiver, sum, 'BTC', 'receive', what, at_time)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- As before (00010), but what waits in suspense is in nobody's history.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION transaction_of_invoice(inv invoices, got bigint, receipt text, given timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, payment_hash, invoice_digest, created_at)
    SELECT receipt_id(receipt), inv.account_id, w.id, w.currency, 'receive', receipt, got, inv.hash, invoice_digest(inv.request),
           coalesce(given, clock_timestamp())
      FROM wallets w WHERE w.id = inv.wallet_id AND w.currency = 'BTC';
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION transaction_of_deposit(d deposits, receipt text, given timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, address, txid, vout, created_at)
    SELECT receipt_id(receipt), w.account_id, w.id, w.currency, 'receive', receipt, d.amount_sat * 1000, d.address, d.txid, d.vout,
           coalesce(given, clock_timestamp())
      FROM wallets w WHERE w.id = d.wallet_id AND w.currency = 'BTC';
END
$$;
-- +goose StatementEnd

-- A deposit is awaited from when it is seen until it is credited, or until the node knows nothing of it any more: its sender
-- has replaced it. Should it come back, it is awaited again.
ALTER TABLE deposits ADD COLUMN gone_at timestamptz CHECK (credited_at IS NULL OR gone_at IS NULL);
CREATE INDEX deposits_awaited ON deposits (node, txid) WHERE credited_at IS NULL AND gone_at IS NULL;

-- +goose StatementBegin
CREATE FUNCTION deposit_gone(of_node text, of_txid text, given timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE deposits SET gone_at = coalesce(given, clock_timestamp())
     WHERE node = of_node AND txid = of_txid AND credited_at IS NULL AND gone_at IS NULL;
END
$$;
-- +goose StatementEnd

-- As before (00004), and: what is seen is not gone.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION deposit_record(of_node text, of_txid text, of_vout bigint, to_address text, sat bigint, height integer, credit boolean, given timestamptz)
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
    ON CONFLICT (txid, vout) DO UPDATE SET block_height = excluded.block_height, gone_at = NULL WHERE d.credited_at IS NULL;
    IF NOT credit OR NOT receive_credit(of_node, owner.wallet_id, sat * 1000, receipt, now_) THEN
        RETURN false;
    END IF;
    UPDATE deposits SET credited_at = now_, block_height = height WHERE txid = of_txid AND vout = of_vout RETURNING * INTO deposit;
    PERFORM transaction_of_deposit(deposit, receipt, given);
    RETURN true;
END
$$;
-- +goose StatementEnd

-- Cancel an open invoice, unless a payment inside the ledger has it: that one settles, whatever became of LND's invoice.
-- The invoice is locked first, as a reserve does, and looked at afterwards. Answers its state, 'paying', or NULL for none.
-- +goose StatementBegin
CREATE FUNCTION invoice_cancel(of_hash bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    inv invoices;
BEGIN
    SELECT * INTO inv FROM invoices WHERE hash = of_hash FOR NO KEY UPDATE;
    IF inv.state = 'open' THEN
        IF EXISTS (SELECT FROM payments WHERE payment_hash = of_hash AND kind = 'intraledger' AND state IN ('reserved', 'dispatched', 'pending')) THEN
            RETURN 'paying';
        END IF;
        UPDATE invoices SET state = 'canceled' WHERE hash = of_hash RETURNING * INTO inv;
    END IF;
    RETURN inv.state;
END
$$;
-- +goose StatementEnd

-- What the comparison with LND looks up: open invoices by age, and what an operator gave up although it had been sent.
CREATE INDEX invoices_open_of_node ON invoices (node, created_at) WHERE state = 'open';
CREATE INDEX payments_given_up_of_node ON payments (node, resolved_at)
    WHERE state = 'failed' AND kind = 'lightning' AND attempt > 0 AND failure->>'reason' = 'ABANDONED';

REVOKE UPDATE (state) ON invoices FROM holdfast_app; -- to cancel there is the function
REVOKE EXECUTE ON FUNCTION receiver_guard(), deposit_gone(text, text, timestamptz), invoice_cancel(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deposit_gone(text, text, timestamptz), invoice_cancel(bytea) TO holdfast_app;

-- +goose Down
GRANT UPDATE (state) ON invoices TO holdfast_app;
DROP INDEX payments_given_up_of_node, invoices_open_of_node;
DROP TRIGGER receiver_guard ON addresses;
DROP TRIGGER receiver_guard ON invoices;
DROP FUNCTION receiver_guard(), invoice_cancel(bytea), deposit_gone(text, text, timestamptz);
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION deposit_record(of_node text, of_txid text, of_vout bigint, to_address text, sat bigint, height integer, credit boolean, given timestamptz)
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
DROP INDEX deposits_awaited;
ALTER TABLE deposits DROP COLUMN gone_at;
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION transaction_of_deposit(d deposits, receipt text, given timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, address, txid, vout, created_at)
    SELECT receipt_id(receipt), w.account_id, w.id, w.currency, 'receive', receipt, d.amount_sat * 1000, d.address, d.txid, d.vout,
           coalesce(given, clock_timestamp())
      FROM wallets w WHERE w.id = d.wallet_id;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION transaction_of_invoice(inv invoices, got bigint, receipt text, given timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO transactions (id, account_id, wallet_id, currency, direction, receipt, amount, payment_hash, invoice_digest, created_at)
    VALUES (receipt_id(receipt), inv.account_id, inv.wallet_id, 'BTC', 'receive', receipt, got, inv.hash, invoice_digest(inv.request),
            coalesce(given, clock_timestamp()));
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION receive_credit(of_node text, wallet uuid, sum bigint, what text, at_time timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM wallets WHERE id = wallet FOR NO KEY UPDATE;
    INSERT INTO transfers (kind, debit_account, credit_account, amount, currency, leg, receipt, created_at)
    VALUES ('posted', system_account('node', of_node, 'BTC'), wallet, sum, 'BTC', 'receive', what, at_time)
    ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

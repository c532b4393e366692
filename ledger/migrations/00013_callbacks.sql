-- What callback endpoints are to be told: one row per event and endpoint, written with the money.
-- +goose Up

-- In the order in which payments take them, and before anything else: else this migration and a payment wait for each other.
LOCK TABLE invoices IN ACCESS EXCLUSIVE MODE;
LOCK TABLE payments, transactions IN SHARE ROW EXCLUSIVE MODE;

-- Whom to tell when an invoice is paid that somebody else asked for.
ALTER TABLE invoices ADD COLUMN webhook_url text CHECK (char_length(webhook_url) BETWEEN 1 AND 2000);
GRANT INSERT (webhook_url) ON invoices TO holdfast_app;

-- What an event says is read from the transaction when it is told: it is final by then. No foreign key to the endpoint: the
-- payment must not wait for an endpoint that is being deleted, and a delivery without its endpoint ends by itself.
CREATE TABLE callback_deliveries (
    id             uuid        PRIMARY KEY, -- of event and endpoint, so that the primary key is what says "once"
    account_id     uuid        NOT NULL,
    transaction_id uuid        NOT NULL REFERENCES transactions,
    endpoint_id    uuid,       -- NULL: the webhook of an invoice
    url            text,       -- of the webhook
    line           uuid        NOT NULL, -- who waits for the same: the endpoint, or the webhook's URL
    event          text        NOT NULL CHECK (event IN ('send.lightning', 'send.onchain', 'send.intraledger',
                                                         'receive.lightning', 'receive.onchain', 'receive.intraledger')),
    state          text        NOT NULL CHECK (state IN ('due', 'delivered', 'given_up')),
    attempts       integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    last_error     text        CHECK (char_length(last_error) <= 500),
    taken_until    timestamptz NOT NULL, -- until then a workflow has it; afterwards it wants to be started (again)
    created_at     timestamptz NOT NULL,
    resolved_at    timestamptz,
    CHECK ((endpoint_id IS NULL) = (url IS NOT NULL)),
    CHECK ((state = 'due') = (resolved_at IS NULL)),
    CHECK (state <> 'given_up' OR last_error IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX callback_deliveries_due ON callback_deliveries (line, taken_until, id) WHERE state = 'due';
CREATE INDEX callback_deliveries_resolved ON callback_deliveries (resolved_at) WHERE state <> 'due';

-- What happened never changes, and what has ended stays until it is old. A row that is due cannot be lost.
-- +goose StatementBegin
CREATE FUNCTION callback_delivery_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state = 'due' THEN
            RAISE EXCEPTION 'callback %: it is not delivered yet', OLD.id USING ERRCODE = 'HF005';
        END IF;
        RETURN OLD;
    END IF;
    IF (NEW.id, NEW.account_id, NEW.transaction_id, NEW.endpoint_id, NEW.url, NEW.line, NEW.event, NEW.created_at)
       IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.transaction_id, OLD.endpoint_id, OLD.url, OLD.line, OLD.event, OLD.created_at)
       OR OLD.state <> 'due' OR NEW.attempts < OLD.attempts THEN
        RAISE EXCEPTION 'callback %: no such change', OLD.id USING ERRCODE = 'HF004';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER callback_delivery_guard BEFORE UPDATE OR DELETE ON callback_deliveries FOR EACH ROW EXECUTE FUNCTION callback_delivery_guard();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON callback_deliveries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Nothing is locked and nothing waits: an endpoint that is added or deleted at this moment is told, or is not.
-- +goose StatementBegin
CREATE FUNCTION callback_enqueue(of_account uuid, of_transaction uuid, what text, at_time timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO callback_deliveries (id, account_id, transaction_id, endpoint_id, line, event, state, taken_until, created_at)
    SELECT receipt_id(format('callback:%s:%s', of_transaction, e.id)), of_account, of_transaction, e.id, e.id, what, 'due', at_time, at_time
      FROM callback_endpoints e WHERE e.account_id = of_account;
END
$$;
-- +goose StatementEnd

-- Money has come in.
-- +goose StatementBegin
CREATE FUNCTION callback_received() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    what text := 'receive.' || CASE WHEN NEW.payment_id IS NOT NULL THEN 'intraledger' WHEN NEW.txid IS NOT NULL THEN 'onchain' ELSE 'lightning' END;
BEGIN
    PERFORM callback_enqueue(NEW.account_id, NEW.id, what, NEW.created_at);
    INSERT INTO callback_deliveries (id, account_id, transaction_id, url, line, event, state, taken_until, created_at)
    SELECT receipt_id(format('callback:%s:%s', NEW.id, 'webhook')), NEW.account_id, NEW.id, i.webhook_url, receipt_id('webhook:' || i.webhook_url),
           what, 'due', NEW.created_at, NEW.created_at
      FROM invoices i WHERE i.hash = NEW.payment_hash AND i.webhook_url IS NOT NULL;
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER callback_received AFTER INSERT ON transactions FOR EACH ROW
    WHEN (NEW.direction = 'receive') EXECUTE FUNCTION callback_received();

-- A payment has ended. No lock is taken.
-- +goose StatementBegin
CREATE FUNCTION callback_sent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM callback_enqueue(NEW.account_id, NEW.id, 'send.' || NEW.kind, NEW.resolved_at);
    RETURN NULL;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER callback_sent AFTER UPDATE OF state ON payments FOR EACH ROW
    WHEN (NEW.state IN ('settled', 'failed') AND OLD.state <> NEW.state) EXECUTE FUNCTION callback_sent();

-- What is to be started: line by line after a line, the oldest of each first. No line has more than per_line with Temporal,
-- so that what nobody answers waits here and keeps nobody else waiting. Costs what it finds, and three probes per line.
-- +goose StatementBegin
CREATE FUNCTION callback_deliveries_to_start(after_line uuid, per_line integer, max_rows integer, given timestamptz)
RETURNS SETOF callback_deliveries STABLE LANGUAGE plpgsql SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    now_  timestamptz := coalesce(given, clock_timestamp());
    taken integer;
    found_ integer;
BEGIN
    WHILE max_rows > 0 LOOP
        SELECT line INTO after_line FROM callback_deliveries WHERE state = 'due' AND line > after_line ORDER BY line LIMIT 1;
        EXIT WHEN NOT FOUND;
        SELECT count(*) INTO taken
          FROM (SELECT FROM callback_deliveries WHERE state = 'due' AND line = after_line AND taken_until > now_ LIMIT per_line) busy;
        RETURN QUERY SELECT * FROM callback_deliveries WHERE state = 'due' AND line = after_line AND taken_until <= now_
          ORDER BY taken_until, id LIMIT least(per_line - taken, max_rows);
        GET DIAGNOSTICS found_ = ROW_COUNT;
        max_rows := max_rows - found_;
    END LOOP;
END
$$;
-- +goose StatementEnd

GRANT SELECT, DELETE ON callback_deliveries TO holdfast_app;
GRANT UPDATE (state, attempts, last_error, taken_until, resolved_at) ON callback_deliveries TO holdfast_app;
REVOKE EXECUTE ON FUNCTION callback_deliveries_to_start(uuid, integer, integer, timestamptz), callback_received(), callback_sent() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION callback_deliveries_to_start(uuid, integer, integer, timestamptz) TO holdfast_app;

-- +goose Down
DROP FUNCTION callback_deliveries_to_start(uuid, integer, integer, timestamptz);
DROP TRIGGER callback_sent ON payments;
DROP TRIGGER callback_received ON transactions;
DROP FUNCTION callback_sent(), callback_received(), callback_enqueue(uuid, uuid, text, timestamptz);
DROP TABLE callback_deliveries;
DROP FUNCTION callback_delivery_guard();
REVOKE INSERT (webhook_url) ON invoices FROM holdfast_app;
ALTER TABLE invoices DROP COLUMN webhook_url;

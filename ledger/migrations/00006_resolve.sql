-- What moves a payment on: the fence, what LND and the chain tell, settle and void.
-- +goose Up

-- The payment's row, locked; no such payment is an error.
-- +goose StatementBegin
CREATE FUNCTION payment_lock(of_id uuid) RETURNS payments LANGUAGE plpgsql AS $$
DECLARE
    p payments;
BEGIN
    SELECT * INTO p FROM payments WHERE id = of_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no payment %', of_id USING ERRCODE = 'HF001';
    END IF;
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Lock what settling or voiding a payment touches, in the order of reserve.
-- Replaced in 00012: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION payment_lock_money(p payments) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p.kind = 'intraledger' AND p.payment_hash IS NOT NULL THEN
        PERFORM FROM invoices WHERE hash = p.payment_hash FOR NO KEY UPDATE;
    END IF;
    IF p.key_id IS NOT NULL THEN
        PERFORM FROM budgets WHERE key_id = p.key_id FOR NO KEY UPDATE;
    END IF;
    PERFORM FROM wallets WHERE id IN (p.wallet_id, p.recipient_id) ORDER BY id FOR NO KEY UPDATE;
END
$$;
-- +goose StatementEnd

-- The fence, written before every attempt to send; the baseline is what LND knew before the first. It is granted only to
-- the caller that has seen the row's present attempt: of two with the same knowledge one sends. NULL: it was not granted.
-- +goose StatementBegin
CREATE FUNCTION payment_begin_send(of_id uuid, seen integer, before bigint, call_for interval, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p    payments := payment_lock(of_id);
    now_ timestamptz := coalesce(given, clock_timestamp());
BEGIN
    IF p.state NOT IN ('reserved', 'dispatched', 'pending') OR p.attempt <> seen THEN
        RETURN NULL;
    END IF;
    UPDATE payments SET
        state = CASE WHEN state = 'reserved' THEN 'dispatched' ELSE state END,
        attempt = attempt + 1,
        first_at = coalesce(first_at, now_),
        baseline = CASE WHEN attempt = 0 THEN before ELSE baseline END,
        deadline = greatest(deadline, now_ + call_for), -- an earlier attempt may still run
        updated_at = now_
     WHERE id = of_id RETURNING * INTO p;
    PERFORM payment_event(p, 'dispatched', now_, jsonb_build_object('attempt', p.attempt::text, 'deadline', p.deadline));
    RETURN p;
END
$$;
-- +goose StatementEnd

-- In flight, or unknown. An event is written when something new is known: the first time, or another expiry height.
-- +goose StatementBegin
CREATE FUNCTION payment_record_pending(of_id uuid, height bigint, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p    payments := payment_lock(of_id);
    now_ timestamptz := coalesce(given, clock_timestamp());
BEGIN
    height := coalesce(nullif(height, 0), p.expiry, 0); -- 0 tells nothing: the last known height stays
    IF p.state IN ('refused', 'settled', 'failed') OR (p.state = 'pending' AND p.expiry = height) THEN
        RETURN p;
    END IF;
    UPDATE payments SET state = 'pending', expiry = height, updated_at = now_ WHERE id = of_id RETURNING * INTO p;
    PERFORM payment_event(p, 'in_flight', now_, jsonb_build_object('expiry_height', height::text));
    RETURN p;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION payment_record_preimage(of_id uuid, secret bytea) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p payments := payment_lock(of_id);
BEGIN
    IF p.payment_hash IS NULL OR sha256(secret) <> p.payment_hash THEN
        RAISE EXCEPTION 'payment %: this is not the preimage of its hash', of_id USING ERRCODE = 'HF002';
    END IF;
    UPDATE payments SET preimage = secret WHERE id = of_id RETURNING * INTO p;
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Sign once: stored before the first broadcast. Before anything left a new signature may replace the stored one.
-- A send-all learns here how what is held divides into amount and fee.
-- +goose StatementBegin
CREATE FUNCTION payment_record_signed(of_id uuid, tx_id text, raw bytea, pays bigint, miner_fee bigint, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p    payments := payment_lock(of_id);
    now_ timestamptz := coalesce(given, clock_timestamp());
BEGIN
    IF p.txid = tx_id THEN
        RETURN p;
    END IF;
    IF p.state <> 'reserved' THEN
        RAISE EXCEPTION 'payment % is %: its transaction is fixed', of_id, p.state USING ERRCODE = 'HF002';
    END IF;
    IF pays <> p.amount AND NOT (p.send_all AND pays + miner_fee <= p.amount + p.fee_reserve) THEN
        RAISE EXCEPTION 'payment %: the transaction pays another amount', of_id USING ERRCODE = 'HF002';
    END IF;
    UPDATE payments SET amount = pays, fee_reserve = p.amount + p.fee_reserve - pays, txid = tx_id, raw_tx = raw, signed_fee = miner_fee, updated_at = now_ WHERE id = of_id RETURNING * INTO p;
    PERFORM payment_event(p, 'signed', now_, jsonb_build_object('txid', tx_id, 'amount_msat', pays::text, 'fee_msat', miner_fee::text));
    RETURN p;
END
$$;
-- +goose StatementEnd

-- The last step of settle and transfer: the spend at its actual cost, an invoice of ours paid, the row final.
-- +goose StatementBegin
CREATE FUNCTION payment_finish(p payments, actual_fee bigint, charged bigint, now_ timestamptz) RETURNS payments LANGUAGE plpgsql AS $$
DECLARE
    detail jsonb := jsonb_build_object('fee_msat', actual_fee::text, 'charged_msat', charged::text);
BEGIN
    IF p.key_id IS NOT NULL THEN
        detail := detail || jsonb_build_object(
            'budget_before_sat', sat_ceil(p.amount + p.fee_reserve)::text,
            'budget_after_sat', budget_resolve(p.key_id, p.spent_at, sat_ceil(charged))::text);
    END IF;
    IF p.kind = 'intraledger' AND p.payment_hash IS NOT NULL THEN
        UPDATE invoices SET state = 'paid', received = p.amount, paid_at = now_, payment_id = p.id
         WHERE hash = p.payment_hash AND state <> 'paid';
        IF NOT FOUND AND EXISTS (SELECT FROM invoices WHERE hash = p.payment_hash) THEN
            RAISE EXCEPTION 'payment %: its invoice was paid by somebody else', p.id USING ERRCODE = 'HF002';
        END IF;
    END IF;
    UPDATE payments SET state = 'settled', fee = actual_fee, fee_overage = p.amount + actual_fee - charged, updated_at = now_, resolved_at = now_
     WHERE id = p.id RETURNING * INTO p;
    IF p.recipient_id IS NOT NULL THEN
        PERFORM transaction_received(p);
    END IF;
    PERFORM payment_event(p, 'settled', now_, detail);
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Post the hold at the actual cost; the rest returns to the wallet. A fee above the reserve is the operator's.
-- Replaced in 00016: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION payment_settle(of_id uuid, actual_fee bigint, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    p       payments := payment_lock(of_id);
    hold    transfers;
    charged bigint;
    now_    timestamptz;
BEGIN
    IF p.state = 'settled' THEN
        RETURN p;
    END IF;
    IF p.state IN ('refused', 'failed') THEN
        RAISE EXCEPTION 'payment % is % and cannot settle', of_id, p.state USING ERRCODE = 'HF002';
    END IF;
    IF p.kind = 'intraledger' AND actual_fee <> 0 THEN
        RAISE EXCEPTION 'payment %: a transfer between wallets has no fee', of_id USING ERRCODE = 'HF002';
    END IF;
    PERFORM payment_lock_money(p);
    now_ := coalesce(given, clock_timestamp());
    SELECT * INTO STRICT hold FROM transfers WHERE payment_id = of_id AND leg = 'payment' AND kind = 'pending';
    charged := least(p.amount + actual_fee, hold.amount);
    INSERT INTO transfers (kind, pending_id, debit_account, credit_account, amount, currency, leg, payment_id, created_at)
    VALUES ('post', hold.id, hold.debit_account, hold.credit_account, charged, hold.currency, 'payment', of_id, now_);
    IF p.amount + actual_fee > charged THEN
        INSERT INTO transfers (kind, debit_account, credit_account, amount, currency, leg, payment_id, created_at)
        VALUES ('posted', system_account('fees', '', hold.currency), hold.credit_account, p.amount + actual_fee - charged,
                hold.currency, 'overage', of_id, now_);
    END IF;
    RETURN payment_finish(p, actual_fee, charged, now_);
END
$$;
-- +goose StatementEnd

-- Give everything back. Of a payment that does not exist, leave a tombstone, so that a late reserve of it moves nothing.
-- The evidence is about one attempt: if the row has another, it is answered as it is.
-- +goose StatementBegin
CREATE FUNCTION payment_void(request jsonb, why jsonb, about integer, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    asked payments := payment_asked(request);
    p     payments;
    now_  timestamptz;
BEGIN
    LOOP
        SELECT * INTO p FROM payments WHERE id = asked.id FOR NO KEY UPDATE;
        EXIT WHEN FOUND;
        IF about <> 0 THEN
            RAISE EXCEPTION 'payment % was sent and has no row', asked.id USING ERRCODE = 'HF002';
        END IF;
        asked.state := 'refused';
        asked.failure := why;
        asked.created_at := coalesce(given, clock_timestamp());
        asked.updated_at := asked.created_at;
        asked.resolved_at := asked.created_at;
        INSERT INTO payments VALUES (asked.*) ON CONFLICT DO NOTHING; -- waits for a reserve of the same id
        IF FOUND THEN
            PERFORM payment_event(asked, 'refused', asked.created_at, jsonb_build_object('reason', why->>'reason', 'tombstone', 'true'));
            RETURN asked;
        END IF;
        asked.idempotency_key := NULL; -- should another payment have the key, the tombstone does without
    END LOOP;
    IF p.state IN ('refused', 'failed') OR (p.attempt <> about AND p.state <> 'settled') THEN
        RETURN p;
    END IF;
    IF p.state = 'settled' THEN
        RAISE EXCEPTION 'payment % is settled and cannot be voided', p.id USING ERRCODE = 'HF002';
    END IF;
    PERFORM payment_lock_money(p);
    now_ := coalesce(given, clock_timestamp());
    INSERT INTO transfers (kind, pending_id, debit_account, credit_account, amount, currency, leg, payment_id, created_at)
    SELECT 'void', id, debit_account, credit_account, amount, currency, 'payment', p.id, now_
      FROM transfers WHERE payment_id = p.id AND leg = 'payment' AND kind = 'pending';
    IF p.key_id IS NOT NULL THEN
        PERFORM budget_resolve(p.key_id, p.spent_at, 0);
    END IF;
    UPDATE payments SET state = 'failed', failure = why, updated_at = now_, resolved_at = now_ WHERE id = p.id RETURNING * INTO p;
    PERFORM payment_event(p, 'failed', now_, jsonb_build_object('reason', why->>'reason') || CASE WHEN p.key_id IS NULL THEN '{}'::jsonb
        ELSE jsonb_build_object('budget_before_sat', sat_ceil(p.amount + p.fee_reserve)::text, 'budget_after_sat', '0') END);
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Roll the system accounts' balances up. Every transfer of a transaction before the oldest running one is final.
-- Numbers of transactions start anew in a restored cluster: a snapshot from the future is made again from the start.
-- +goose StatementBegin
CREATE FUNCTION system_snapshot(given timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    bound xid8 := pg_snapshot_xmin(pg_current_snapshot());
BEGIN
    LOCK TABLE system_snapshots IN SHARE ROW EXCLUSIVE MODE; -- one at a time
    DELETE FROM system_snapshots WHERE before_xid > bound;
    INSERT INTO system_snapshots AS old (account_id, before_xid, debits_posted, credits_posted, taken_at)
    SELECT a.id, bound, coalesce(s.debits_posted, 0) + coalesce(t.debits, 0), coalesce(s.credits_posted, 0) + coalesce(t.credits, 0),
           coalesce(given, clock_timestamp())
      FROM system_accounts a
      LEFT JOIN system_snapshots s ON s.account_id = a.id
      LEFT JOIN LATERAL (
          SELECT sum(amount) FILTER (WHERE debit_account = a.id) AS debits, sum(amount) FILTER (WHERE credit_account = a.id) AS credits
            FROM transfers
           WHERE xid >= coalesce(s.before_xid, '0'::xid8) AND xid < bound AND kind IN ('posted', 'post') AND a.id IN (debit_account, credit_account)
      ) t ON true
    ON CONFLICT (account_id) DO UPDATE SET before_xid = excluded.before_xid, debits_posted = excluded.debits_posted,
        credits_posted = excluded.credits_posted, taken_at = excluded.taken_at;
END
$$;
-- +goose StatementEnd

-- What a system account holds now: its debits less its credits, posted; snapshot and transfers since.
CREATE VIEW system_balances AS
SELECT a.id, a.name, a.node, a.currency,
       (coalesce(s.debits_posted, 0) - coalesce(s.credits_posted, 0) + coalesce((
           SELECT sum(CASE WHEN t.debit_account = a.id THEN t.amount ELSE -t.amount END) FROM transfers t
            WHERE t.xid >= coalesce(s.before_xid, '0'::xid8) AND t.kind IN ('posted', 'post') AND a.id IN (t.debit_account, t.credit_account)
       ), 0))::bigint AS balance
  FROM system_accounts a
  LEFT JOIN system_snapshots s ON s.account_id = a.id AND s.before_xid <= pg_snapshot_xmax(pg_current_snapshot());
GRANT SELECT ON system_balances TO holdfast_app;

REVOKE EXECUTE ON FUNCTION payment_begin_send(uuid, integer, bigint, interval, timestamptz), payment_record_pending(uuid, bigint, timestamptz),
    payment_record_preimage(uuid, bytea), payment_record_signed(uuid, text, bytea, bigint, bigint, timestamptz),
    payment_settle(uuid, bigint, timestamptz), payment_void(jsonb, jsonb, integer, timestamptz), system_snapshot(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_begin_send(uuid, integer, bigint, interval, timestamptz), payment_record_pending(uuid, bigint, timestamptz),
    payment_record_preimage(uuid, bytea), payment_record_signed(uuid, text, bytea, bigint, bigint, timestamptz),
    payment_settle(uuid, bigint, timestamptz), payment_void(jsonb, jsonb, integer, timestamptz), system_snapshot(timestamptz) TO holdfast_app;

-- +goose Down
DROP VIEW system_balances;
DROP FUNCTION system_snapshot(timestamptz), payment_void(jsonb, jsonb, integer, timestamptz), payment_settle(uuid, bigint, timestamptz),
    payment_finish(payments, bigint, bigint, timestamptz), payment_record_signed(uuid, text, bytea, bigint, bigint, timestamptz),
    payment_record_preimage(uuid, bytea), payment_record_pending(uuid, bigint, timestamptz),
    payment_begin_send(uuid, integer, bigint, interval, timestamptz), payment_lock_money(payments), payment_lock(uuid);

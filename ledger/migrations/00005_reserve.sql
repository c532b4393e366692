-- Reserve and transfer: rule 1 in one call and one short transaction.
-- Lock order, everywhere: payment row, invoice of ours, budget row, wallets by id, then new rows.
-- +goose Up

-- Sat with thousands separators, for messages: rounded down for balances, up for costs.
-- +goose StatementBegin
CREATE FUNCTION sat_text(sat bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
    SELECT to_char(sat, 'FM999,999,999,999,999,990') || ' sat'
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION sat_ceil(msat bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
    SELECT msat / 1000 + CASE WHEN msat % 1000 > 0 THEN 1 ELSE 0 END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION refusal(reason text, message text) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
    SELECT jsonb_build_object('reason', reason, 'message', message)
$$;
-- +goose StatementEnd

-- The payment that a request means: by id, or by account and idempotency key. Another body is an error (rule 8).
-- +goose StatementBegin
CREATE FUNCTION payment_known(asked payments) RETURNS payments LANGUAGE plpgsql AS $$
DECLARE
    p payments;
BEGIN
    SELECT * INTO p FROM payments WHERE id = asked.id;
    IF NOT FOUND AND asked.idempotency_key IS NOT NULL THEN
        SELECT * INTO p FROM payments WHERE account_id = asked.account_id AND idempotency_key = asked.idempotency_key;
    END IF;
    IF p.fingerprint <> asked.fingerprint THEN
        RAISE EXCEPTION 'another request has this id or idempotency key' USING ERRCODE = 'HF003';
    END IF;
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Why a payment of this hash cannot start, if one is live or has paid.
-- +goose StatementBegin
CREATE FUNCTION payment_hash_refusal(hash bytea) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    other text;
BEGIN
    SELECT state INTO other FROM payments WHERE payment_hash = hash AND state NOT IN ('refused', 'failed');
    RETURN CASE
        WHEN other IS NULL THEN NULL
        WHEN other = 'settled' THEN refusal('ALREADY_PAID', 'Invoice is already paid.')
        ELSE refusal('PAYMENT_IN_FLIGHT', 'There is a pending payment for this invoice. Wait for it to end before you pay again.')
    END;
END
$$;
-- +goose StatementEnd

-- Why an invoice of ours cannot be paid inside the ledger; NULL when it can, or is none of ours.
-- +goose StatementBegin
CREATE FUNCTION invoice_refusal(inv invoices, p payments, now_ timestamptz) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE
        WHEN inv.hash IS NULL THEN NULL
        WHEN inv.state = 'paid' THEN refusal('ALREADY_PAID', 'Invoice is already paid.')
        WHEN inv.state = 'canceled' THEN refusal('INVOICE_CANCELED', 'This invoice was canceled. Ask the receiver for a new one.')
        WHEN inv.expires_at <= now_ THEN refusal('INVOICE_EXPIRED', 'This invoice has expired. Ask the receiver for a new one.')
        WHEN inv.wallet_id <> p.recipient_id THEN refusal('INVALID_INPUT', 'This invoice belongs to another wallet than the recipient named.')
        WHEN inv.amount > p.amount AND NOT p.send_all THEN refusal('INVALID_AMOUNT', 'The amount is less than the invoice asks for.')
    END;
END
$$;
-- +goose StatementEnd

-- Decide on a new payment under all locks, then write its row; fresh tells whether this call wrote it. A refusal is
-- written too, so that a retry gets the same answer. The order of checks: what Go found wrong already (p.failure),
-- wallet, key, recipient, hash, budget, balance.
-- Replaced in 00012: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION payment_admit(INOUT p payments, given timestamptz, OUT fresh boolean) LANGUAGE plpgsql AS $$
DECLARE
    known     payments;
    owned     api_keys;
    inv       invoices;
    b         budgets;
    row_      wallets;
    sender    wallets;
    recipient wallets;
    verdict   record;
    available bigint;
    need      bigint := 0;
    now_      timestamptz;
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
        IF p.key_id IS NOT NULL THEN
            SELECT * INTO b FROM budgets WHERE key_id = p.key_id FOR NO KEY UPDATE;
            SELECT * INTO owned FROM api_keys WHERE id = p.key_id; -- again: it may have been revoked while we waited
        END IF;
        FOR row_ IN SELECT * FROM wallets WHERE id IN (p.wallet_id, p.recipient_id) ORDER BY id FOR NO KEY UPDATE LOOP
            IF row_.id = p.wallet_id THEN sender := row_; ELSE recipient := row_; END IF;
        END LOOP;
    END IF;
    now_ := budget_now(b.head, given);
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
    IF p.failure IS NULL AND b.key_id IS NOT NULL THEN
        need := sat_ceil(p.amount + p.fee_reserve);
        verdict := budget_judge(b, need, now_);
        b := verdict.b;
        IF verdict.shortfall IS NOT NULL THEN
            p.failure := budget_refusal(verdict.shortfall);
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
        p.spent_at := CASE WHEN b.key_id IS NOT NULL THEN now_ END;
    END IF;
    -- No arbiter is named: a conflict may be this payment, written meanwhile, or another payment of the same hash.
    INSERT INTO payments VALUES (p.*) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        known := payment_known(p);
        IF known.id IS NULL THEN
            p.state := 'refused';
            p.spent_at := NULL;
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

    IF b.key_id IS NOT NULL THEN -- the judged time is kept on refusals too, or a clock that steps back would approve
        b.head := now_;
        PERFORM budget_store(b, CASE WHEN fresh AND p.state = 'reserved' THEN need ELSE 0 END, p.id);
    END IF;
    IF fresh AND p.state = 'reserved' THEN
        PERFORM transaction_sent(p);
    END IF;
    IF fresh THEN
        PERFORM payment_event(p, p.state, now_, CASE WHEN p.state = 'refused'
            THEN jsonb_build_object('reason', p.failure->>'reason')
            ELSE jsonb_build_object('amount_msat', p.amount::text, 'fee_reserve_msat', p.fee_reserve::text) || budget_detail(b, need) END);
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION budget_refusal(shortfall jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    message text := format('The %s limit of this API key is %s: %s spent, %s remaining, and this payment needs %s with its fee reserve. ',
        shortfall->>'window', sat_text((shortfall->>'limit_sat')::bigint), sat_text((shortfall->>'spent_sat')::bigint),
        sat_text((shortfall->>'remaining_sat')::bigint), sat_text((shortfall->>'needed_sat')::bigint));
BEGIN
    RETURN refusal('BUDGET_EXCEEDED', message || CASE
        WHEN shortfall ? 'frees_at' THEN 'Enough frees up at ' || to_char((shortfall->>'frees_at')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC.'
        ELSE 'It is more than the limit itself: pay less, or have the owner raise the limit.' END)
        || jsonb_build_object('budget', shortfall);
END
$$;
-- +goose StatementEnd

-- The budget before and after, for the timeline; only windows with a limit.
-- +goose StatementBegin
CREATE FUNCTION budget_detail(b budgets, need bigint) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    detail jsonb := '{}';
    name   text;
BEGIN
    IF b.key_id IS NULL THEN
        RETURN detail;
    END IF;
    detail := jsonb_build_object('budget_sat', need::text);
    FOR w IN 1..4 LOOP
        CONTINUE WHEN b.limits[w] IS NULL;
        name := (ARRAY['daily', 'weekly', 'monthly', 'annual'])[w];
        detail := detail || jsonb_build_object(name || '_limit_sat', b.limits[w]::text,
            name || '_spent_before_sat', b.sums[w]::text, name || '_spent_after_sat', (b.sums[w] + need)::text);
    END LOOP;
    RETURN detail;
END
$$;
-- +goose StatementEnd

-- A request as JSON by column name, with the defaults of a new row.
-- +goose StatementBegin
CREATE FUNCTION payment_asked(request jsonb) RETURNS payments LANGUAGE plpgsql AS $$
DECLARE
    p payments := jsonb_populate_record(NULL::payments, request);
BEGIN
    p.currency := 'BTC';
    p.fee := 0;
    p.fee_overage := 0;
    p.attempt := 0;
    RETURN p;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION payment_reserve(request jsonb, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    admitted record;
    p        payments;
BEGIN
    admitted := payment_admit(payment_asked(request), given);
    p := admitted.p;
    IF admitted.fresh AND p.state = 'reserved' THEN
        INSERT INTO transfers (kind, debit_account, credit_account, amount, currency, leg, payment_id, created_at)
        VALUES ('pending', p.wallet_id, coalesce(p.recipient_id, system_account('node', p.node, p.currency)),
                p.amount + p.fee_reserve, p.currency, 'payment', p.id, p.created_at);
    END IF;
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Between two wallets: reserved and settled in one transaction, with one transfer.
-- +goose StatementBegin
CREATE FUNCTION payment_transfer(request jsonb, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    admitted record;
    p        payments;
BEGIN
    admitted := payment_admit(payment_asked(request), given);
    p := admitted.p;
    IF NOT admitted.fresh OR p.state <> 'reserved' THEN
        RETURN p;
    END IF;
    INSERT INTO transfers (kind, debit_account, credit_account, amount, currency, leg, payment_id, created_at)
    VALUES ('posted', p.wallet_id, p.recipient_id, p.amount, p.currency, 'payment', p.id, p.created_at);
    RETURN payment_finish(p, 0, p.amount, p.created_at);
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION payment_reserve(jsonb, timestamptz), payment_transfer(jsonb, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_reserve(jsonb, timestamptz), payment_transfer(jsonb, timestamptz) TO holdfast_app;

-- +goose Down
DROP FUNCTION payment_transfer(jsonb, timestamptz), payment_reserve(jsonb, timestamptz), payment_asked(jsonb), budget_detail(budgets, bigint),
    budget_refusal(jsonb), payment_admit(payments, timestamptz), invoice_refusal(invoices, payments, timestamptz),
    payment_hash_refusal(bytea), payment_known(payments), refusal(text, text), sat_ceil(bigint), sat_text(bigint);

-- Reserve for many at once: the calls of one hot key share a round trip, the locks and the commit.
-- +goose Up

-- The payment that a request means, whatever its body; payment_known is this with rule 8.
-- +goose StatementBegin
CREATE FUNCTION payment_meant(asked payments) RETURNS payments LANGUAGE plpgsql AS $$
DECLARE
    p payments;
BEGIN
    SELECT * INTO p FROM payments WHERE id = asked.id;
    IF NOT FOUND AND asked.idempotency_key IS NOT NULL THEN
        SELECT * INTO p FROM payments WHERE account_id = asked.account_id AND idempotency_key = asked.idempotency_key;
    END IF;
    RETURN p;
END
$$;
-- +goose StatementEnd

-- Lock all that deciding on new payments will lock, in the order of every other function. As there, nobody may lock what
-- is not his, and what Go found wrong already locks nothing.
-- Replaced in 00012: see schema.sql.
-- +goose StatementBegin
CREATE FUNCTION payment_lock_all(asked payments[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    invoice_hashes bytea[];
    key_ids        uuid[];
    wallet_ids     uuid[];
    nodes          text[];
BEGIN
    SELECT array_agg(a.payment_hash) FILTER (WHERE a.kind = 'intraledger' AND a.payment_hash IS NOT NULL),
           array_agg(DISTINCT a.key_id), array_agg(DISTINCT a.wallet_id) || array_agg(DISTINCT a.recipient_id),
           array_agg(DISTINCT a.node) FILTER (WHERE a.kind <> 'intraledger' AND a.node IS NOT NULL)
      INTO invoice_hashes, key_ids, wallet_ids, nodes
      FROM unnest(asked) a
      JOIN wallets w ON w.id = a.wallet_id AND w.account_id = a.account_id
     WHERE a.failure IS NULL
       AND (a.key_id IS NULL OR EXISTS (SELECT FROM api_keys k WHERE k.id = a.key_id AND k.account_id = a.account_id));
    IF invoice_hashes IS NOT NULL THEN
        PERFORM FROM invoices WHERE hash = ANY (invoice_hashes) ORDER BY hash FOR NO KEY UPDATE;
    END IF;
    PERFORM FROM budgets WHERE key_id = ANY (key_ids) ORDER BY key_id FOR NO KEY UPDATE;
    PERFORM FROM wallets WHERE id = ANY (wallet_ids) ORDER BY id FOR NO KEY UPDATE;
    PERFORM system_account('node', n, 'BTC') FROM (SELECT unnest(nodes) AS n ORDER BY 1) sorted; -- made at the first use, last of all
END
$$;
-- +goose StatementEnd

-- payment_reserve for each request, in the order given; one row each, in that order. For a request whose id or idempotency
-- key belongs to another body the row is that other payment: the caller compares fingerprints, so that no subtransaction
-- is needed to keep one caller's mistake from the rest.
--
-- New rows are kept until the commit, and another batch may wait for them (rule 7), so the caller sorts the requests by
-- payment hash and id: then two batches with the same invoices meet them in the same order.
-- +goose StatementBegin
CREATE FUNCTION payment_reserve_batch(requests jsonb[], given timestamptz) RETURNS SETOF payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
DECLARE
    asked payments[] := ARRAY(SELECT payment_asked(r) FROM unnest(requests) WITH ORDINALITY AS u (r, place) ORDER BY place);
    p     payments;
BEGIN
    PERFORM payment_lock_all(asked);
    FOR i IN 1..cardinality(requests) LOOP
        p := payment_meant(asked[i]);
        IF p.id IS NULL THEN
            p := payment_reserve(requests[i], given);
        END IF;
        RETURN NEXT p;
    END LOOP;
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION payment_reserve_batch(jsonb[], timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_reserve_batch(jsonb[], timestamptz) TO holdfast_app;

-- +goose Down
DROP FUNCTION payment_reserve_batch(jsonb[], timestamptz), payment_lock_all(payments[]), payment_meant(payments);

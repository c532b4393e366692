-- Settle names the transaction that confirmed: a bump may be stored after the chain's word that the payment settles by.
-- +goose Up

ALTER FUNCTION payment_settle(uuid, bigint, timestamptz) RENAME TO payment_post;

-- Each transaction that may have left is dearer than those before it (payment_transactions_guard), so the fee tells which one it
-- was; an original that never left may have cost the same, hence the newest. (OR REPLACE is for sqlc, which does not follow renames.)
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION payment_settle(of_id uuid, actual_fee bigint, given timestamptz) RETURNS payments
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    p         payments := payment_lock(of_id);
    confirmed text;
BEGIN
    IF p.kind = 'onchain' AND p.signed_fee <> actual_fee THEN
        SELECT txid INTO confirmed FROM payment_transactions
         WHERE payment_id = of_id AND kind <> 'rescue' AND fee = actual_fee ORDER BY id DESC LIMIT 1;
        IF FOUND THEN
            PERFORM payment_record_confirmed(of_id, confirmed, given);
        END IF;
    END IF;
    RETURN payment_post(of_id, actual_fee, given);
END
$$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION payment_post(uuid, bigint, timestamptz) FROM holdfast_app; -- only by payment_settle
REVOKE EXECUTE ON FUNCTION payment_settle(uuid, bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION payment_settle(uuid, bigint, timestamptz) TO holdfast_app;

-- +goose Down
DROP FUNCTION payment_settle(uuid, bigint, timestamptz);
ALTER FUNCTION payment_post(uuid, bigint, timestamptz) RENAME TO payment_settle;
GRANT EXECUTE ON FUNCTION payment_settle(uuid, bigint, timestamptz) TO holdfast_app;

-- An index that no statement asks, and columns that say less than they hold.
-- +goose Up
DROP INDEX invoices_of_request; -- an invoice is found by its hash

COMMENT ON COLUMN budgets.key_id IS 'the API key, or the id of a limit of an account (then account_id and purpose are set)';
COMMENT ON COLUMN spends.key_id IS 'the budget: of an API key or of a limit of an account';
COMMENT ON COLUMN spends.payment_id IS 'the payment, or the ephemeral id of a budget lock';
COMMENT ON COLUMN spend_chunks.key_id IS 'the budget, as in spends';

-- +goose Down
COMMENT ON COLUMN budgets.key_id IS NULL;
COMMENT ON COLUMN spends.key_id IS NULL;
COMMENT ON COLUMN spends.payment_id IS NULL;
COMMENT ON COLUMN spend_chunks.key_id IS NULL;
CREATE INDEX invoices_of_request ON invoices USING hash (request);

-- Rule 10: how far a node has been read is written by functions only, and never goes back.
-- +goose Up

-- Every deposit of a node that has confirmed up to a height is credited, each by a transaction of its own (deposit_record,
-- 00004). So the height may come later than the credits and not before: what is read twice is known by its outpoint.
-- +goose StatementBegin
CREATE FUNCTION blocks_advance(of_node text, height integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO cursors AS c (node, block_height) VALUES (of_node, height)
    ON CONFLICT (node) DO UPDATE SET block_height = greatest(c.block_height, excluded.block_height);
END
$$;
-- +goose StatementEnd

-- For the owner of the table too. Reading a node again from an earlier place needs this trigger switched off for a moment,
-- and does no harm: whatever is credited already is credited once.
-- +goose StatementBegin
CREATE FUNCTION cursor_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.node <> OLD.node OR NEW.settle_index < OLD.settle_index OR NEW.block_height < OLD.block_height THEN
        RAISE EXCEPTION 'the cursor of % does not go back: % refused', OLD.node, TG_OP USING ERRCODE = 'HF005';
    END IF;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
CREATE TRIGGER cursor_guard BEFORE UPDATE OR DELETE ON cursors FOR EACH ROW EXECUTE FUNCTION cursor_guard();
CREATE TRIGGER append_only_all BEFORE TRUNCATE ON cursors FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

REVOKE INSERT, UPDATE ON cursors FROM holdfast_app;
REVOKE EXECUTE ON FUNCTION blocks_advance(text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION blocks_advance(text, integer) TO holdfast_app;

-- +goose Down
GRANT INSERT, UPDATE ON cursors TO holdfast_app;
DROP TRIGGER append_only_all ON cursors;
DROP TRIGGER cursor_guard ON cursors;
DROP FUNCTION cursor_guard(), blocks_advance(text, integer);

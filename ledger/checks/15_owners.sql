-- owners: what keeps keys, names and default wallets with their owners is in place, and every key has a scope and a budget
SELECT 'trigger ' || want.name || ' on ' || want.table_ AS item,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgname = want.name AND t.tgrelid = want.table_::regclass AND t.tgenabled IN ('O', 'A')) AS ok
  FROM (VALUES ('key_guard', 'api_keys'), ('key_count', 'api_keys'), ('account_guard', 'accounts'), ('callback_guard', 'callback_endpoints'), ('contact_count', 'payments')) AS want(name, table_)
UNION ALL
SELECT 'index ' || want.name, coalesce((SELECT indisunique AND indisvalid FROM pg_index WHERE indexrelid = to_regclass(want.name)), false)
  FROM (VALUES ('accounts_phone'), ('accounts_username'), ('wallets_of_owner')) AS want(name)
UNION ALL
SELECT 'key ' || k.id, cardinality(k.scopes) > 0 AND EXISTS (SELECT FROM budgets b WHERE b.key_id = k.id) FROM api_keys k

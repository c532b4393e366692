-- guards: the triggers and indexes that hold the rules are in place and switched on
SELECT 'trigger ' || want.name || ' on ' || want.table_ AS item,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgname = want.name AND t.tgrelid = want.table_::regclass AND t.tgenabled IN ('O', 'A')) AS ok
  FROM (VALUES ('transfer_apply', 'transfers'), ('append_only', 'transfers'), ('append_only_all', 'transfers'),
               ('append_only', 'payment_events'), ('append_only_all', 'payment_events'), ('append_only', 'spends'), ('append_only_all', 'spends'),
               ('payment_guard', 'payments'), ('payment_transaction_guard', 'payments'),
               ('payment_transactions_guard', 'payment_transactions'), ('append_only', 'payment_transactions'), ('append_only_all', 'payment_transactions'),
               ('append_only_all', 'payments'), ('budget_open', 'api_keys'),
               ('payment_limit_fixed', 'payments'), ('account_limit_resolve', 'payments'), ('account_limits_open', 'accounts'),
               ('receiver_guard', 'invoices'), ('receiver_guard', 'addresses'),
               ('receive_guard', 'invoices'), ('receive_guard', 'addresses'), ('receive_guard', 'deposits'),
               ('append_only', 'transactions'), ('append_only_all', 'transactions'),
               ('cursor_guard', 'cursors'), ('append_only_all', 'cursors'),
               ('callback_received', 'transactions'), ('callback_sent', 'payments'),
               ('callback_delivery_guard', 'callback_deliveries'), ('append_only_all', 'callback_deliveries')) AS want(name, table_)
UNION ALL
SELECT 'index ' || want.name, coalesce((SELECT indisunique AND indisvalid FROM pg_index WHERE indexrelid = to_regclass(want.name)), false)
  FROM (VALUES ('transfers_resolve_once'), ('transfers_one_per_payment'), ('transfers_credit_once'), ('payments_one_per_hash'), ('payments_idempotency')) AS want(name)
UNION ALL
SELECT 'check wallet_never_below_zero', EXISTS (SELECT FROM pg_constraint WHERE conname = 'wallet_never_below_zero' AND convalidated)

package ledger_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// TestCagesHoldInSQL is rule 11 below Go: what a key may do and whose it is are fixed with it, a name is its owner's for
// ever, and the role that the ledger acts as can change no more than it needs.
func TestCagesHoldInSQL(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	l := ledgertest.Open(t, url)
	ctx := t.Context()
	alice, bob := must[ledger.User](t)(l.Login(ctx, "+16505550001")), must[ledger.User](t)(l.Login(ctx, "+16505550002"))
	if err := l.SetUsername(ctx, alice.AccountID, "alice"); err != nil {
		t.Fatal(err)
	}
	revoked := ledgertest.NewKey(t, l, alice.AccountID, nil)
	if err := l.RevokeKey(ctx, alice.AccountID, revoked.ID); err != nil {
		t.Fatal(err)
	}
	if err := l.TouchKeys(ctx, map[payment.KeyID]time.Time{revoked.ID: revoked.CreatedAt}); err != nil {
		t.Fatal(err)
	}
	key := ledgertest.NewKey(t, l, alice.AccountID, nil)
	const foreignKey = "23503"
	args := pgx.NamedArgs{
		"alice": alice.AccountID, "bob": bob.AccountID, "bobs": bob.DefaultWalletID, "key": key.ID, "revoked": revoked.ID, "hash": make([]byte, 32), "new": uuid.New(),
	}
	const insertKey = `INSERT INTO api_keys (id, account_id, name, secret_hash, created_at, scopes) VALUES (@new, @alice, '', @hash, now(), `
	const insertAccount = `INSERT INTO accounts (id, created_at) VALUES (gen_random_uuid(), now())`
	for _, try := range []struct{ name, role, want, sql string }{
		{"scopes widened by the app", app, notPermitted, `UPDATE api_keys SET scopes = '{READ,RECEIVE,WRITE}' WHERE id = @key`},
		{"scopes widened by the owner of the tables", owner, illegalMove, `UPDATE api_keys SET scopes = '{READ,RECEIVE,WRITE}' WHERE id = @key`},
		{"a key given to somebody else by the app", app, notPermitted, `UPDATE api_keys SET account_id = @bob WHERE id = @key`},
		{"a key given to somebody else", owner, illegalMove, `UPDATE api_keys SET account_id = @bob WHERE id = @key`},
		{"another secret", owner, illegalMove, `UPDATE api_keys SET secret_hash = @hash WHERE id = @key`},
		{"a longer life", app, notPermitted, `UPDATE api_keys SET expires_at = 'infinity' WHERE id = @key`},
		{"a longer life by the owner of the tables", owner, illegalMove, `UPDATE api_keys SET expires_at = 'infinity' WHERE id = @key`},
		{"a revoked key revived", app, illegalMove, `UPDATE api_keys SET revoked_at = NULL WHERE id = @revoked`},
		{"a last use that goes back", app, illegalMove, `UPDATE api_keys SET last_used_at = last_used_at - interval '1 second' WHERE id = @revoked`},
		{"a last use forgotten", app, illegalMove, `UPDATE api_keys SET last_used_at = NULL WHERE id = @revoked`},
		{"a key without scopes", owner, checkFailed, insertKey + `'{}')`},
		{"a key with an unknown scope", owner, checkFailed, insertKey + `'{READ,ADMIN}')`},
		{"a key with a scope in lower case", owner, checkFailed, insertKey + `'{read}')`},
		{"a key with a null scope", owner, checkFailed, insertKey + `'{READ,NULL}')`},
		{"a key that was used before it was made", app, notPermitted, `INSERT INTO api_keys (id, account_id, name, secret_hash, created_at, last_used_at) VALUES (@new, @alice, '', @hash, now(), now())`},
		{"a name changed", app, illegalMove, `UPDATE accounts SET username = 'alice2' WHERE id = @alice`},
		{"a name given up", app, illegalMove, `UPDATE accounts SET username = NULL WHERE id = @alice`},
		{"a name taken twice", app, notUnique, `UPDATE accounts SET username = 'alice' WHERE id = @bob`},
		{"a name in capitals", app, checkFailed, `UPDATE accounts SET username = 'Alice' WHERE id = @bob`},
		{"a name that looks like an address", app, checkFailed, `UPDATE accounts SET username = 'bc1qxyz' WHERE id = @bob`},
		{"another phone by the app", app, notPermitted, `UPDATE accounts SET phone = '+16505550009' WHERE id = @alice`},
		{"another phone", owner, illegalMove, `UPDATE accounts SET phone = '+16505550009' WHERE id = @alice`},
		{"a phone twice", app, notUnique, `INSERT INTO accounts (id, phone, created_at) VALUES (@new, '+16505550001', now())`},
		{"a name with the account", app, notPermitted, `INSERT INTO accounts (id, username, created_at) VALUES (@new, 'carol', now())`},
		{"somebody else's wallet as the default", app, foreignKey, `UPDATE accounts SET default_wallet_id = @bobs WHERE id = @alice`},
		{"an account deleted", app, notPermitted, `DELETE FROM accounts WHERE id = @alice`},
		{"a contact counted by hand", app, notPermitted, `INSERT INTO contacts (account_id, contact_id, created_at) VALUES (@alice, @bob, now())`},
		{"a callback moved", app, notPermitted, `UPDATE callback_endpoints SET account_id = @bob`},
		{"what the app may do", app, "", insertAccount},
	} {
		t.Run(try.name, func(t *testing.T) {
			t.Parallel()
			if got := execAs(t, url, try.role, try.sql, args); got != try.want {
				t.Fatalf("SQLSTATE %q, want %q", got, try.want)
			}
		})
	}
}

// Another owner's limits, keys and scopes can be neither changed nor told from those that do not exist.
func TestStrangersCannotTellWhatExists(t *testing.T) {
	t.Parallel()
	l := ledgertest.New(t)
	ctx := t.Context()
	owner, stranger := must[ledger.User](t)(l.Login(ctx, "+16505550001")), must[ledger.User](t)(l.Login(ctx, "+16505550002"))
	key := ledgertest.NewKey(t, l, owner.AccountID, map[payment.Window]payment.Sat{payment.Daily: 5})
	for name, try := range map[string]func(payment.KeyID) error{
		"read":   func(id payment.KeyID) error { _, err := l.OwnKey(ctx, stranger.AccountID, id); return err },
		"revoke": func(id payment.KeyID) error { return l.RevokeKey(ctx, stranger.AccountID, id) },
		"raise":  func(id payment.KeyID) error { return l.SetLimit(ctx, stranger.AccountID, id, payment.Daily, 500) },
		"lift":   func(id payment.KeyID) error { return l.RemoveLimit(ctx, stranger.AccountID, id, payment.Daily) },
	} {
		there, missing := try(key.ID), try(uuid.New())
		wantReason(t, there, payment.ReasonKeyNotFound)
		if missing == nil || there.Error() != missing.Error() {
			t.Errorf("%s: %v for a key that exists, %v for one that does not", name, there, missing)
		}
	}
	_, err := l.CreateKey(ctx, ledger.Key{ID: key.ID, AccountID: stranger.AccountID, Scopes: payment.Scopes()}, ledgertest.RandomHash())
	wantReason(t, err, payment.ReasonKeyNotFound)
	if got := must[ledger.Key](t)(l.OwnKey(ctx, owner.AccountID, key.ID)); !got.RevokedAt.IsZero() || len(got.Scopes) != 2 || got.AccountID != owner.AccountID {
		t.Errorf("it changed: %+v", got)
	}
	if got := must[ledger.Spending](t)(l.Spending(ctx, key.ID)); got.Windows[0].Limit != 5 {
		t.Errorf("its limit changed: %+v", got.Windows[0])
	}
}

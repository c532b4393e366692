package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/identity"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// What needs only the ledger: wallets, keys, budgets, migrations and the checks, on a real Postgres.
func TestWalletsAndKeys(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	env := map[string]string{"DATABASE_URL": url}

	wallet := ask[show.Wallet](t, env, show.OK, "wallet", "create", "--name", "shop")
	second := ask[show.Wallet](t, env, show.OK, "wallet", "create", "--account", wallet.AccountID)
	if second.AccountID != wallet.AccountID || second.ID == wallet.ID || second.Name != "main" {
		t.Errorf("the second wallet of the account: %+v", second)
	}
	ask[show.Wallet](t, env, show.OK, "wallet", "create") // of another account
	if mine := ask[[]show.Wallet](t, env, show.OK, "wallet", "list", "--account", wallet.AccountID); len(mine) != 2 || mine[0].ID != wallet.ID {
		t.Errorf("the account's wallets: %+v", mine)
	}
	if shown := ask[show.Wallet](t, env, show.OK, "wallet", "show", wallet.ID); shown.ID != wallet.ID || shown.BalanceMsat != 0 || shown.Currency != "BTC" {
		t.Errorf("wallet show: %+v", shown)
	}

	key := ask[show.Key](t, env, show.OK, "key", "create", "--account", wallet.AccountID, "--name", "till", "--expires-in-days", "30")
	if !regexp.MustCompile(`^holdfast_[A-Za-z0-9]{64}$`).MatchString(key.Secret) {
		t.Error("the secret has the wrong shape")
	}
	if key.ExpiresAt == nil || time.Until(*key.ExpiresAt).Round(24*time.Hour) != 30*24*time.Hour {
		t.Errorf("it expires at %v", key.ExpiresAt)
	}
	stored, err := ledgertest.Open(t, url).KeyBySecret(t.Context(), identity.Hash(key.Secret))
	if err != nil || stored.ID.String() != key.ID {
		t.Errorf("the secret finds %v, %v", stored.ID, err)
	}

	if !slices.Equal(key.Scopes, []payment.Scope{payment.ScopeRead, payment.ScopeWrite}) {
		t.Errorf("without --scope it has %v", key.Scopes)
	}
	reader := ask[show.Key](t, env, show.OK, "key", "create", "--account", wallet.AccountID, "--name", "screen", "--scope", "RECEIVE", "--scope", "READ")
	if !slices.Equal(reader.Scopes, []payment.Scope{payment.ScopeRead, payment.ScopeReceive}) {
		t.Errorf("with --scope it has %v", reader.Scopes)
	}
	limited := ask[show.Key](t, env, show.OK, "key", "limit", "set", key.ID, "--window", "weekly", "--sat", "5000000000")
	if limited.Secret != "" {
		t.Error("the secret is shown again")
	}
	weekly := limited.Spending.Windows[1]
	if weekly.Window != "weekly" || weekly.LimitSat == nil || *weekly.LimitSat != 5_000_000_000 || *weekly.RemainingSat != 5_000_000_000 || weekly.SpentSat != 0 {
		t.Errorf("the weekly window: %+v", weekly)
	}
	if free := ask[show.Key](t, env, show.OK, "key", "limit", "remove", key.ID, "--window", "weekly"); free.Spending.Windows[1].LimitSat != nil {
		t.Errorf("the limit stays: %+v", free.Spending)
	}
	if revoked := ask[show.Key](t, env, show.OK, "key", "revoke", key.ID); revoked.RevokedAt == nil {
		t.Error("the key is not revoked")
	}
	if list := holdfast(t, env, "key", "list", "--account", wallet.AccountID); !strings.Contains(list.out, "revoked") || !strings.Contains(list.out, "READ, RECEIVE") || strings.Contains(list.out, key.Secret) {
		t.Errorf("key list:\n%s", list.out)
	}
}

func TestAccountLimits(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": ledgertest.Database(t)}
	wallet := ask[show.Wallet](t, env, show.OK, "wallet", "create")
	if got := ask[show.AccountLimits](t, env, show.OK, "account", "show", wallet.AccountID); got.AccountID != wallet.AccountID || len(got.Limits) != 0 {
		t.Errorf("before any limit: %+v", got)
	}
	got := ask[show.AccountLimits](t, env, show.OK, "account", "limit", "set", wallet.AccountID, "--purpose", "withdrawal", "--window", "monthly", "--sat", "5000000000")
	if len(got.Limits) != 1 || got.Limits[0].Purpose != "withdrawal" || *got.Limits[0].Windows[2].RemainingSat != 5_000_000_000 {
		t.Errorf("limited: %+v", got)
	}
	if table := holdfast(t, env, "account", "show", wallet.AccountID); !strings.Contains(table.out, "5,000,000,000 sat") {
		t.Errorf("account show:\n%s", table.out)
	}
	got = ask[show.AccountLimits](t, env, show.OK, "account", "limit", "remove", wallet.AccountID, "--purpose", "withdrawal", "--window", "monthly")
	if got.Limits[0].Windows[2].LimitSat != nil {
		t.Errorf("the limit stays: %+v", got)
	}
	ask[show.AccountLimits](t, env, show.OK, "account", "limit", "set", "new", "--purpose", "convert", "--window", "daily", "--sat", "7")
	if got = ask[show.AccountLimits](t, env, show.OK, "account", "show", "new"); len(got.Limits) != 1 || *got.Limits[0].Windows[0].LimitSat != 7 {
		t.Errorf("new accounts begin with %+v", got)
	}
	later := ask[show.Wallet](t, env, show.OK, "wallet", "create")
	if got = ask[show.AccountLimits](t, env, show.OK, "account", "show", later.AccountID); len(got.Limits) != 1 || *got.Limits[0].Windows[0].LimitSat != 7 {
		t.Errorf("a new account began with %+v", got)
	}
}

func TestNotFoundAndBadInput(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": ledgertest.Database(t)}
	wallet := ask[show.Wallet](t, env, show.OK, "wallet", "create")
	key := ask[show.Key](t, env, show.OK, "key", "create", "--account", wallet.AccountID, "--name", "till")
	for args, reason := range map[string]payment.Reason{
		"wallet show " + anyID: payment.ReasonWalletNotFound,
		"key show " + anyID:    payment.ReasonKeyNotFound,
		"key revoke " + anyID:  payment.ReasonKeyNotFound,
		"key limit set " + anyID + " --window daily --sat 1":                       payment.ReasonKeyNotFound,
		"key limit set " + key.ID + " --window daily --sat 0":                      payment.ReasonInvalidAmount,
		"key limit set " + key.ID + " --window daily --sat=-5":                     payment.ReasonInvalidAmount,
		"key create --name x --account " + anyID:                                   payment.ReasonInvalidInput,
		"account show " + anyID:                                                    payment.ReasonInvalidInput,
		"codec":                                                                    payment.ReasonInvalidInput, // without keys
		"account show nobody":                                                      payment.ReasonInvalidInput,
		"account limit set " + anyID + " --purpose convert --window daily --sat 1": payment.ReasonAccountNotFound,
		"account limit set " + wallet.AccountID + " --purpose convert --window daily --sat 0": payment.ReasonInvalidAmount,
		"payment show " + anyID: payment.ReasonPaymentNotFound,
	} {
		if got := ask[failed](t, env, show.Usage, strings.Fields(args)...); got.Error.Reason != string(reason) || got.Error.Message == "" {
			t.Errorf("%q: %+v, want %s", args, got.Error, reason)
		}
	}
}

func TestMigrateAndCheck(t *testing.T) {
	t.Parallel()
	env := map[string]string{"DATABASE_URL": ledgertest.EmptyDatabase(t)}
	if got := ask[failed](t, env, show.Away, "wallet", "list"); !strings.Contains(got.Error.Message, "migrate up") {
		t.Errorf("an empty database: %+v", got.Error)
	}
	type migration struct {
		Version int64 `json:"version"`
		Applied bool  `json:"applied"`
	}
	applied := func(all []migration) (n int) {
		for _, m := range all {
			if m.Applied {
				n++
			}
		}
		return n
	}
	before := ask[[]migration](t, env, show.OK, "migrate", "status")
	up := ask[[]migration](t, env, show.OK, "migrate", "up")
	again := ask[[]migration](t, env, show.OK, "migrate", "up")
	if applied(before) != 0 || len(up) == 0 || applied(up) != len(up) || applied(again) != len(up) {
		t.Errorf("before %+v, up %+v, again %+v", before, up, again)
	}
	results := ask[[]show.Check](t, env, show.OK, "check", "--ledger-only")
	if len(results) < 10 || !results[0].OK {
		t.Errorf("check: %+v", results)
	}
	if down := ask[[]migration](t, env, show.OK, "migrate", "down", "--yes"); applied(down) != len(up)-1 {
		t.Errorf("down: %+v", down)
	}
}

// A rule that is broken is a FAIL line, and ends with 1.
func TestCheckFails(t *testing.T) {
	t.Parallel()
	url := ledgertest.Database(t)
	ledgertest.Funded(t, ledgertest.Open(t, url), 5_000_000)
	ledgertest.Exec(t, url, "UPDATE wallets SET credits_posted = credits_posted + 1000")
	got := holdfast(t, map[string]string{"DATABASE_URL": url}, "check", "--ledger-only")
	if got.code != show.Failed || !strings.Contains(got.out, "FAIL") || !strings.Contains(got.out, "ok  ") || got.err != "" {
		t.Errorf("code %d\n%s%s", got.code, got.out, got.err)
	}
}

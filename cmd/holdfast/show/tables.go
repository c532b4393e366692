package show

import (
	"strings"
	"time"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
)

// Wallet prints one wallet.
func (p Printer) Wallet(w ledger.Wallet) error {
	return p.Object(WalletView(w),
		[2]string{"wallet", w.ID.String()},
		[2]string{"account", w.AccountID.String()},
		[2]string{"name", w.Name},
		[2]string{"currency", string(w.Currency)},
		[2]string{"balance", w.Balance.String()},
		[2]string{"held", w.Held.String()},
		[2]string{"available", w.Available().String()},
		[2]string{"created", Time(w.CreatedAt)},
	)
}

// Wallets prints many.
func (p Printer) Wallets(wallets []ledger.Wallet) error {
	views := make([]Wallet, len(wallets))
	rows := make([][]string, len(wallets))
	for i, w := range wallets {
		views[i] = WalletView(w)
		rows[i] = []string{w.ID.String(), w.AccountID.String(), w.Name, w.Balance.String(), w.Held.String(), w.Available().String()}
	}
	return p.List(views, []string{"ID", "ACCOUNT", "NAME", "BALANCE", "HELD", "AVAILABLE"}, rows)
}

// Keys prints many API keys. now decides which have expired.
func (p Printer) Keys(keys []ledger.Key, now time.Time) error {
	views := make([]Key, len(keys))
	rows := make([][]string, len(keys))
	for i, k := range keys {
		views[i] = KeyView(k)
		rows[i] = []string{k.ID.String(), k.AccountID.String(), k.Name, status(k, now), Scopes(k.Scopes), Time(k.CreatedAt), Time(k.ExpiresAt), Time(k.LastUsedAt)}
	}
	return p.List(views, []string{"ID", "ACCOUNT", "NAME", "STATUS", "SCOPES", "CREATED", "EXPIRES", "LAST USED"}, rows)
}

func status(k ledger.Key, now time.Time) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "revoked"
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return "expired"
	default:
		return "active"
	}
}

// Scopes prints what a key may do, like "READ, WRITE".
func Scopes(scopes []payment.Scope) string {
	words := make([]string, len(scopes))
	for i, s := range scopes {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// Key prints one API key with its budget.
func (p Printer) Key(k ledger.Key, spending ledger.Spending, now time.Time) error {
	view := KeyView(k)
	budget := SpendingView(spending)
	view.Spending = &budget
	err := p.Object(view,
		[2]string{"key", k.ID.String()},
		[2]string{"account", k.AccountID.String()},
		[2]string{"name", k.Name},
		[2]string{"status", status(k, now)},
		[2]string{"scopes", Scopes(k.Scopes)},
		[2]string{"created", Time(k.CreatedAt)},
		[2]string{"expires", Time(k.ExpiresAt)},
		[2]string{"revoked", Time(k.RevokedAt)},
		[2]string{"last used", Time(k.LastUsedAt)},
		[2]string{"reserved", spending.Reserved.String()},
	)
	if err != nil || p.JSON {
		return err
	}
	p.Line("")
	return p.table([]string{"WINDOW", "LIMIT", "SPENT", "REMAINING", "FREES AT"}, windowRows(spending.Windows))
}

// Checks prints a line per rule.
func (p Printer) Checks(results []ledger.CheckResult) error {
	views := make([]Check, len(results))
	rows := make([][]string, len(results))
	for i, r := range results {
		views[i] = Check(r)
		verdict := "ok"
		if !r.OK {
			verdict = "FAIL"
		}
		rows[i] = []string{verdict, r.Name, r.Detail}
	}
	return p.List(views, nil, rows)
}

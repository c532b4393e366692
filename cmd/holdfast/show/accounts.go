package show

import (
	"github.com/holdfast-pay/holdfast/ledger"
)

// AccountLimits is what bounds an account, and what it has moved, in JSON. Without an id: what new accounts begin with.
type AccountLimits struct {
	AccountID string         `json:"account_id,omitempty"`
	Limits    []PurposeLimit `json:"limits"` // a purpose that was never limited is missing
}

// PurposeLimit is one purpose of it.
type PurposeLimit struct {
	Purpose string `json:"purpose"`
	Spending
}

// AccountLimits prints a line per limit and what was moved.
func (p Printer) AccountLimits(account string, limits []ledger.AccountSpending) error {
	view := AccountLimits{AccountID: account, Limits: []PurposeLimit{}}
	var rows [][]string
	for _, of := range limits {
		view.Limits = append(view.Limits, PurposeLimit{string(of.Purpose), SpendingView(ledger.Spending{Windows: of.Windows, Reserved: of.Reserved})})
		for _, row := range windowRows(of.Windows) {
			rows = append(rows, append([]string{string(of.Purpose)}, row...))
		}
	}
	if len(rows) == 0 && !p.JSON {
		p.Line("no limits")
		return nil
	}
	if p.JSON {
		return p.Object(view)
	}
	return p.table([]string{"PURPOSE", "WINDOW", "LIMIT", "SPENT", "REMAINING", "FREES AT"}, rows)
}

// windowRows is a budget for people, a row per window.
func windowRows(windows [4]ledger.WindowSpending) [][]string {
	rows := make([][]string, len(windows))
	for i, w := range windows {
		limit, remaining := "none", ""
		if w.Limited {
			limit, remaining = w.Limit.String(), w.Remaining.String()
		}
		rows[i] = []string{string(w.Window), limit, w.Spent.String(), remaining, Time(w.FreesAt)}
	}
	return rows
}

package payment

import "time"

// Window is the rolling time over which an API key's spending is limited.
type Window string

// The windows, shortest first: the order in which a refusal names them.
const (
	Daily   Window = "daily"
	Weekly  Window = "weekly"
	Monthly Window = "monthly"
	Annual  Window = "annual"
)

// Windows lists all windows, shortest first.
func Windows() []Window { return []Window{Daily, Weekly, Monthly, Annual} }

// Duration of the window: 24 h, 7 d, 30 d or 365 d; zero for an unknown window.
func (w Window) Duration() time.Duration {
	const day = 24 * time.Hour
	switch w {
	case Daily:
		return day
	case Weekly:
		return 7 * day
	case Monthly:
		return 30 * day
	case Annual:
		return 365 * day
	default:
		return 0
	}
}

// BudgetShortfall is why a budget refused: the first window that does not fit.
type BudgetShortfall struct {
	Window    Window    `json:"window"`
	Limit     Sat       `json:"limit_sat"`
	Spent     Sat       `json:"spent_sat"`     // within the window, reservations included
	Remaining Sat       `json:"remaining_sat"` // limit - spent, never below zero
	Needed    Sat       `json:"needed_sat"`    // amount and fee reserve of the refused payment
	FreesAt   time.Time `json:"frees_at"`      // when enough will have rolled off; zero if never (needed exceeds the limit)
}

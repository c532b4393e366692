package step

import (
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// Callback names one delivery. The URL is not in it: URLs hold tokens, and the owner may delete it.
type Callback struct {
	ID payment.ID `json:"id"`
}

// Told is how a delivery ended.
type Told struct {
	State    string        `json:"state"` // delivered or given_up
	Attempts int           `json:"attempts"`
	Why      string        `json:"why,omitempty"`      // of one that was given up
	After    time.Duration `json:"after_ns,omitempty"` // from the event to its end
}

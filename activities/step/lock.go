package step

import (
	"time"

	"github.com/holdfast-pay/holdfast/payment"
)

// LockInput asks for a budget lock.
type LockInput struct {
	ID      payment.ID    `json:"id"` // the ephemeral id
	KeyID   payment.KeyID `json:"key_id"`
	Amount  payment.Sat   `json:"amount_sat"`
	HoldFor time.Duration `json:"hold_for"` // then it is released unless it was recorded
}

// Lock is how a budget lock stands.
type Lock struct {
	State   payment.LockState `json:"state"`
	Failure *payment.Failure  `json:"failure,omitempty"` // when refused
}

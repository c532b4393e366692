package payment

// LockState is where a budget lock stands: a spend of an API key without a payment of ours.
type LockState string

// States of a budget lock.
const (
	LockRefused  LockState = "refused"  // no budget: there is no lock
	LockHeld     LockState = "held"     // it counts, and waits to be recorded
	LockRecorded LockState = "recorded" // spent; it counts as long as the windows say
	LockReversed LockState = "reversed" // given back by the caller; final
	LockReleased LockState = "released" // never recorded, given back by us; a late record still counts
)

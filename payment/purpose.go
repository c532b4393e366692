package payment

// Purpose is what a payment counts as for the limits of its account.
type Purpose string

// The purposes. The ledger decides (payment_purpose in its migrations).
const (
	Withdrawal   Purpose = "withdrawal"    // leaves the house: lightning and on-chain
	InternalSend Purpose = "internal_send" // to a wallet of another account here
	Convert      Purpose = "convert"       // between wallets of the same account
)

// Purposes lists them all.
func Purposes() []Purpose { return []Purpose{Withdrawal, InternalSend, Convert} }

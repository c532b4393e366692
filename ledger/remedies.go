package ledger

import "github.com/holdfast-pay/holdfast/payment"

// remedied adds to a refusal what to do about it, where the text in the migrations only says what is wrong: those that have
// landed stay as they are, and rows have kept their text.
func remedied(f payment.Failure) payment.Failure {
	switch f.Message {
	case "Invalid walletId for account.":
		f.Message += " Give the id of a wallet of this account."
	case "This invoice belongs to another wallet than the recipient named.":
		f.Message += " Name the wallet that made it."
	case "The amount is less than the invoice asks for.":
		f.Message += " Pay all of it."
	}
	return f
}

package graphqlapi

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
)

// statement is what a field costs that asks the ledger each time it is named: with the common limit an operation has some
// 200 statements. Fields that an operation asks for once, however often it names them (readings.go), cost like others.
const statement = 100

// complexity: a list costs what it may hold. Wallets are counted as the two of a login: only an operator opens more (`holdfast
// wallet create --account`), and more would forbid a full page of each to everybody.
func complexity() (root generated.ComplexityRoot) {
	pages := func(child int, first, last *int, _, _ *string) int {
		length := maxPage
		if first != nil {
			length = *first
		} else if last != nil {
			length = *last
		}
		return statement + child*min(max(length, 1), maxPage)
	}
	list := func(length int) func(int) int { return func(child int) int { return 1 + child*length } }
	asked := func(child int) int { return statement + child }
	const wallets, keys, endpoints, contacts, few = 2, 200, 10, 1_000, 10

	root.User.APIKeys, root.User.Contacts = list(keys), list(contacts)
	root.ConsumerAccount.Wallets, root.ConsumerAccount.CallbackEndpoints = list(wallets), list(endpoints)
	root.ConsumerAccount.Transactions = func(child int, _ []*scalar.WalletID, first, last *int, after, before *string) int {
		return pages(child, first, last, after, before)
	}
	root.ConsumerAccount.Invoices = root.ConsumerAccount.Transactions
	root.ConsumerAccount.PendingIncomingTransactions = func(child int, _ []*scalar.WalletID) int { return statement + child*few }

	root.BTCWallet.Transactions, root.BTCWallet.Invoices = pages, pages
	root.BTCWallet.TransactionByID = func(child int, _ string) int { return asked(child) }
	root.BTCWallet.TransactionsByPaymentHash = func(child int, _ scalar.PaymentHash) int { return statement + child*few }
	root.BTCWallet.TransactionsByPaymentRequest = func(child int, _ scalar.LnPaymentRequest) int { return statement + child*few }
	root.BTCWallet.TransactionsByAddress = func(child int, _ scalar.OnChainAddress, first, last *int, after, before *string) int {
		return pages(child, first, last, after, before)
	}
	root.BTCWallet.PendingIncomingBalance = asked
	root.BTCWallet.PendingIncomingTransactions = func(child int) int { return statement + child*few }
	root.BTCWallet.PendingIncomingTransactionsByAddress = func(child int, _ scalar.OnChainAddress) int { return statement + child*few }
	root.BTCWallet.InvoiceByPaymentHash = func(child int, _ scalar.PaymentHash) int { return asked(child) }

	root.UsdWallet.Transactions, root.UsdWallet.Invoices = pages, pages
	root.UsdWallet.TransactionByID = root.BTCWallet.TransactionByID
	root.UsdWallet.TransactionsByPaymentHash = root.BTCWallet.TransactionsByPaymentHash
	root.UsdWallet.TransactionsByPaymentRequest = root.BTCWallet.TransactionsByPaymentRequest
	root.UsdWallet.TransactionsByAddress = root.BTCWallet.TransactionsByAddress
	root.UsdWallet.PendingIncomingBalance = root.BTCWallet.PendingIncomingBalance
	root.UsdWallet.PendingIncomingTransactions = root.BTCWallet.PendingIncomingTransactions
	root.UsdWallet.PendingIncomingTransactionsByAddress = root.BTCWallet.PendingIncomingTransactionsByAddress
	root.UsdWallet.InvoiceByPaymentHash = root.BTCWallet.InvoiceByPaymentHash
	return root
}

// validation is gqlparser's, with a difference: clients declare the variables of amounts as Int, which they are in
// JSON; here they have scalars of their own, since an Int ends at 32 bits.
func validation() *rules.Rules {
	set := rules.NewDefaultRules()
	// Rules see a value in the order in which they were added.
	positions := rules.VariablesInAllowedPositionRule
	set.RemoveRule(positions.Name)
	set.AddRule("IntsMayBeAmounts", intsMayBeAmounts)
	set.AddRule(positions.Name, positions.RuleFunc)
	return set
}

func intsMayBeAmounts(observers *core.Events, _ core.AddErrFunc) {
	observers.OnValue(func(_ *core.Walker, value *ast.Value) {
		if value.Kind != ast.Variable || value.ExpectedType == nil || value.VariableDefinition == nil ||
			value.VariableDefinition.Type.NamedType != "Int" {
			return
		}
		switch value.ExpectedType.NamedType {
		case "SatAmount", "CentAmount", "Minutes", "SafeInt":
			expected := *value.ExpectedType // of the schema, which must stay as it is
			expected.NamedType = "Int"
			value.ExpectedType = &expected
		}
	})
}

package graphqlapi

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
	"github.com/holdfast-pay/holdfast/api/graphql/scalar"
)

// bounds is invariant 5. It is an extension of gqlgen: before parsing it looks at the document's length, before running at
// its shape. It must come before the complexity limit, which walks fragments as often as they are named.
type bounds struct{ Limits }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
	graphql.OperationContextMutator
} = bounds{}

// ExtensionName is for gqlgen.
func (bounds) ExtensionName() string { return "Bounds" }

// Validate is for gqlgen.
func (bounds) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters refuses a document that is too long, or whose shape is too large to be validated: validation
// compares the fields of a selection with each other, so it must not be the first to count them. What does not parse is
// gqlgen's to explain.
func (b bounds) MutateOperationParameters(_ context.Context, request *graphql.RawParams) *gqlerror.Error {
	if len(request.Query) > b.QueryBytes {
		return tooLarge("The query has %d bytes, more than the %d that are allowed. Split it.", len(request.Query), b.QueryBytes)
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, b.Tokens)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	for _, operation := range document.Operations {
		if err := b.fits(document.Fragments, operation.SelectionSet); err != nil {
			return err
		}
	}
	return nil
}

// MutateOperationContext looks again at what runs: a persisted document comes by its hash.
func (b bounds) MutateOperationContext(_ context.Context, operation *graphql.OperationContext) *gqlerror.Error {
	return b.fits(operation.Doc.Fragments, operation.Operation.SelectionSet)
}

// fits refuses an operation of too many or too deeply nested fields.
func (b bounds) fits(fragments ast.FragmentDefinitionList, set ast.SelectionSet) *gqlerror.Error {
	m := measure{defined: fragments, fragments: map[string]*extent{}, most: b.Fields + 1}
	whole := m.of(set)
	switch {
	case whole.top > b.RootFields:
		return tooLarge("The operation asks for %d fields at the top, more than the %d that are allowed. Split it.", whole.top, b.RootFields)
	case whole.fields > b.Fields:
		return tooLarge("The operation asks for more than the %d fields that are allowed. Split it.", b.Fields)
	case whole.depth > b.Depth:
		return tooLarge("The operation is nested %d deep, more than the %d that are allowed. Split it.", whole.depth, b.Depth)
	}
	return nil
}

func tooLarge(format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, "OPERATION_TOO_LARGE")
	return err
}

// extent is how large a selection is.
type extent struct{ top, fields, depth int }

// measure counts every fragment once, however often it is spread: spreads of spreads double with every level.
type measure struct {
	defined   ast.FragmentDefinitionList
	fragments map[string]*extent
	most      int // counting stops here, before it overflows
}

func (m measure) of(set ast.SelectionSet) (whole extent) {
	for _, selection := range set {
		var part extent
		switch s := selection.(type) {
		case *ast.Field:
			inner := m.of(s.SelectionSet)
			part = extent{top: 1, fields: 1 + inner.fields, depth: 1 + inner.depth}
			if s.Name == "__schema" || s.Name == "__type" {
				part.depth = 1 // introspection is deep, and bounded by a rule of its own
			}
		case *ast.InlineFragment:
			part = m.of(s.SelectionSet)
		case *ast.FragmentSpread:
			part = m.ofFragment(s)
		}
		whole.top = min(whole.top+part.top, m.most)
		whole.fields = min(whole.fields+part.fields, m.most)
		whole.depth = max(whole.depth, part.depth)
	}
	return whole
}

func (m measure) ofFragment(s *ast.FragmentSpread) extent {
	if known, ok := m.fragments[s.Name]; ok {
		return *known
	}
	m.fragments[s.Name] = &extent{} // validation has refused circles; should one pass, it ends here
	if definition := m.defined.ForName(s.Name); definition != nil {
		*m.fragments[s.Name] = m.of(definition.SelectionSet)
	}
	return *m.fragments[s.Name]
}

// complexity: a page costs what its length says.
func complexity() (root generated.ComplexityRoot) {
	pages := func(child int, first, last *int, _, _ *string) int {
		length := maxPage
		if first != nil {
			length = *first
		} else if last != nil {
			length = *last
		}
		return 1 + child*min(max(length, 1), maxPage)
	}
	const wallets, keys, spending = 2, 100, 10 // of an account; what the spending of a key costs
	root.BTCWallet.Transactions, root.BTCWallet.Invoices = pages, pages
	root.UsdWallet.Transactions, root.UsdWallet.Invoices = pages, pages
	root.ConsumerAccount.Transactions = func(child int, _ []*scalar.WalletID, first, last *int, after, before *string) int {
		return pages(child, first, last, after, before)
	}
	root.ConsumerAccount.Wallets = func(child int) int { return 1 + child*wallets }
	root.ApiKey.Limits = func(child int) int { return spending + child }
	root.User.APIKeys = func(child int) int { return 1 + child*keys }
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

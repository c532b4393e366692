package graphqlapi

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
)

// bounds is invariant 5. It is an extension of gqlgen that looks at a document's length and shape before it is validated,
// kept as a persisted one, or run. Validation compares all fields of one name in one place with each other, and the
// complexity limit walks fragments as often as they are named: neither may be the first to count them.
type bounds struct {
	Limits
	known graphql.Cache[*ast.QueryDocument] // what is in here has passed
}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationParameterMutator
} = bounds{}

// ExtensionName is for gqlgen.
func (bounds) ExtensionName() string { return "Bounds" }

// Validate is for gqlgen.
func (bounds) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationParameters refuses a document that is too large. What does not parse is gqlgen's to explain; a persisted
// document that comes by its hash was looked at when it came as a text.
func (b bounds) MutateOperationParameters(ctx context.Context, request *graphql.RawParams) *gqlerror.Error {
	if len(request.Query) > b.QueryBytes {
		return tooLarge("The query has %d bytes, more than the %d that are allowed. Split it.", len(request.Query), b.QueryBytes)
	}
	if _, passed := b.known.Get(ctx, request.Query); passed {
		return nil
	}
	document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: request.Query}, b.Tokens)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	return b.fits(document)
}

// fits measures all operations together, since all are validated, and then each fragment on its own, since that is how it
// is validated, too.
func (b bounds) fits(document *ast.QueryDocument) *gqlerror.Error {
	if len(document.Fragments) > b.Fragments {
		return tooLarge("The document has %d fragments, more than the %d that are allowed. Split it.", len(document.Fragments), b.Fragments)
	}
	m := measure{limits: b.Limits, fragments: map[string]*ast.FragmentDefinition{}, inside: map[string]bool{}}
	for _, fragment := range document.Fragments {
		m.fragments[fragment.Name] = fragment
	}
	for _, operation := range document.Operations {
		top := place{}
		m.walk(operation.SelectionSet, &top, 0, 1)
		if top.fields > b.RootFields {
			return tooLarge("The operation asks for %d fields at the top, more than the %d that are allowed. Split it.", top.fields, b.RootFields)
		}
	}
	if err := m.refusal(); err != nil {
		return err
	}
	for _, fragment := range document.Fragments {
		m.steps = 0 // of each as much as of all operations
		m.walk(fragment.SelectionSet, &place{}, 0, 1)
		if err := m.refusal(); err != nil {
			return err
		}
	}
	return nil
}

func tooLarge(format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	errcode.Set(err, "OPERATION_TOO_LARGE")
	return err
}

// place is where fields of one path in the answer meet, wherever in the document they are.
type place struct {
	fields int // asked for below it
	named  map[string]*place
	same   int // how often it was itself asked for
}

func (p *place) of(name string) *place {
	if p.named == nil {
		p.named = map[string]*place{}
	}
	if p.named[name] == nil {
		p.named[name] = &place{}
	}
	return p.named[name]
}

// measure walks a document with its fragments spread out, until one of the limits is passed.
type measure struct {
	limits    Limits
	fragments map[string]*ast.FragmentDefinition
	inside    map[string]bool // the fragments that are being walked: circles are validation's to refuse
	steps     int             // fields, and spreads, which are steps on the way to a field
	pairs     int             // comparisons that validation makes
	deepest   int
}

func (m *measure) full() bool { return m.steps > m.limits.Fields || m.pairs > m.limits.Pairs }

func (m *measure) refusal() *gqlerror.Error {
	switch {
	case m.steps > m.limits.Fields:
		return tooLarge("The operation asks for more than the %d fields that are allowed. Split it.", m.limits.Fields)
	case m.pairs > m.limits.Pairs:
		return tooLarge("The operation asks for the same fields too often. Ask for each once.")
	case m.deepest > m.limits.Depth:
		return tooLarge("The operation is nested %d deep, more than the %d that are allowed. Split it.", m.deepest, m.limits.Depth)
	}
	return nil
}

// walk counts a selection below a place. Whatever is in a fragment is compared once more for each that it is in: again.
func (m *measure) walk(set ast.SelectionSet, at *place, depth, again int) {
	for _, selection := range set {
		if m.full() {
			return
		}
		switch s := selection.(type) {
		case *ast.Field:
			m.field(s, at, depth, again)
		case *ast.InlineFragment:
			m.walk(s.SelectionSet, at, depth, again+1)
		case *ast.FragmentSpread:
			definition := m.fragments[s.Name]
			if definition == nil || m.inside[s.Name] {
				continue
			}
			m.steps++
			m.inside[s.Name] = true
			m.walk(definition.SelectionSet, at, depth, again+1)
			m.inside[s.Name] = false
		}
	}
}

func (m *measure) field(f *ast.Field, at *place, depth, again int) {
	m.steps++
	at.fields++
	under := at.of(f.Alias)
	m.pairs += under.same * again
	under.same++
	depth++
	m.deepest = max(m.deepest, depth)
	if f.Name == "__schema" || f.Name == "__type" {
		depth = -1 << 20 // introspection is deep, and bounded by a rule of its own
	}
	m.walk(f.SelectionSet, under, depth, again)
}

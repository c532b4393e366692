package graphqlapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/holdfast-pay/holdfast/api/graphql/generated"
)

// edges are documents just inside the common limits, and the same just outside.
func edges() map[string][2]string {
	globals := func(n int) string { return `{ globals { ` + strings.Repeat("network ", n) + ` } }` }
	fragments := func(n int) string {
		var b strings.Builder
		b.WriteString(`{ me { ...F0 } }`)
		for i := range n {
			if i == n-1 {
				fmt.Fprintf(&b, " fragment F%d on User { id }", i)
			} else {
				fmt.Fprintf(&b, " fragment F%d on User { ...F%d }", i, i+1)
			}
		}
		return b.String()
	}
	// The same field in n wallets is compared once for each pair of wallets, which are n pairs of their own.
	parents := func(n int) string { return `{ me { ` + strings.Repeat("defaultAccount { id } ", n) + ` } }` }
	unused := func(n int) string {
		return `{ me { id } } fragment F on Globals { ` + strings.Repeat("network ", n) + ` }`
	}
	nested := func(levels, n int) string {
		return `{ me { ` + strings.Repeat("... on User { ", levels) + strings.Repeat("id ", n) + strings.Repeat("} ", levels) + ` } }`
	}
	operations := func(n int) string {
		return `query A { me { ` + aliases("id", n) + ` } } query B { me { ` + aliases("id", 400) + ` } }`
	}
	return map[string][2]string{
		"one field repeated":             {globals(100), globals(101)},
		"in a fragment that nobody asks": {unused(100), unused(101)},
		"in fragments of fragments":      {nested(19, 22), nested(19, 23)},
		"parents repeated":               {parents(70), parents(72)},
		"fields":                         {`{ me { ` + aliases("id", 499) + ` ` + "...F" + ` } } fragment F on User { ` + aliases("id", 1) + ` }`, `{ me { ` + doubled(9) + ` } }`},
		"several operations":             {operations(250), operations(650)},
		"fragments":                      {fragments(50), fragments(51)},
		"doubling fragments":             {doubling(4), doubling(30)},
	}
}

// doubled is n times the same selection, in aliases of their own: 100 fields each.
func doubled(n int) string {
	return aliases("defaultAccount { "+aliases("id", 120)+" }", n)
}

// Invariant 5: what validation would do is counted before, so no document that passes asks it for more than the limits say.
func TestTheEdgesOfTheBounds(t *testing.T) {
	t.Parallel()
	b := bounds{Limits: Limits{}.complete()}
	for name, edge := range edges() {
		for i, query := range edge {
			document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, 0)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := b.fits(document); (err != nil) != (i == 1) {
				t.Errorf("%s, %d bytes, outside: %v: %v", name, len(query), i == 1, err)
			}
		}
	}
	for _, circle := range []string{
		`{ me { ...F } } fragment F on User { id ...F }`,
		`{ me { ...F } } fragment F on User { id ...G ...H } fragment G on User { id ...H ...F } fragment H on User { id ...F ...G }`,
	} {
		document, err := parser.ParseQuery(&ast.Source{Input: circle})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.fits(document); err != nil {
			t.Errorf("a circle is validation's to refuse: %v", err)
		}
	}
}

// A document that is too large is neither validated nor kept.
func TestBoundsComeFirst(t *testing.T) {
	t.Parallel()
	o := home(t).funded(t, 1)
	large := `{ globals { ` + strings.Repeat("network ", 150) + ` } nothingOfTheKind }`
	a := o.nobodyElse().send(large, nil)
	if len(a.Errors) != 1 || a.Errors[0].Extensions["code"] != "OPERATION_TOO_LARGE" {
		t.Errorf("it was validated: %s", a.raw)
	}
	if a := o.send(`{ globals { `+strings.Repeat("network ", 2_000)+` } }`, nil); len(a.Errors) != 1 || !strings.Contains(a.raw, "token") {
		t.Errorf("it was parsed to its end: %s", a.raw)
	}
	for query, kept := range map[string]bool{large: false, `{ globals { network } } #` + t.Name(): true} {
		sum := sha256.Sum256([]byte(query))
		hash := `"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hex.EncodeToString(sum[:]) + `"}}`
		o.post(fmt.Sprintf(`{"query":%q,%s}`, query, hash))
		if a := o.post(`{` + hash + `}`); strings.Contains(a.raw, "PersistedQueryNotFound") == kept {
			t.Errorf("kept: want %v: %s", kept, a.raw)
		}
	}
}

func (o *owner) nobodyElse() *owner { return o.house.nobody(o.t) }

// The largest documents that pass, as they are parsed, measured and validated: compare ns/op with "refused".
func BenchmarkDocuments(b *testing.B) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	limits := bounds{Limits: Limits{}.complete()}
	for name, edge := range edges() {
		b.Run("passes/"+name, func(b *testing.B) {
			for b.Loop() {
				document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: edge[0]}, limits.Tokens)
				if err != nil {
					b.Fatal(err)
				}
				if err := limits.fits(document); err != nil {
					b.Fatal(err)
				}
				validator.ValidateWithRules(schema, document, validation())
			}
		})
		b.Run("refused/"+name, func(b *testing.B) {
			for b.Loop() {
				document, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: edge[1]}, limits.Tokens)
				if err == nil && limits.fits(document) == nil {
					b.Fatal("passed")
				}
			}
		})
	}
}

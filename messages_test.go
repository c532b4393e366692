package holdfast_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-pay/holdfast/payment/paymenttest"
)

// fixedTexts are compared by clients of the Blink API, to the letter; the reason says the rest.
var fixedTexts = []string{"Invalid walletId for account.", "API key not found"}

// TestMessagesSayWhatToDo reads the message of every refusal that the doors and what stands behind them can answer.
func TestMessagesSayWhatToDo(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, folder := range []string{"payment", "identity", "ledger", "activities", "workflows", "starter", "callback", "api", "api/limit", "api/graphql", "api/grpc"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if text := messageIn(call); text != "" && !slices.Contains(fixedTexts, text) {
					seen++
					if lack := paymenttest.Lacks(text); lack != "" {
						t.Errorf("%s: %q: %s", fset.Position(call.Pos()), text, lack)
					}
				}
				return true
			})
		}
	}
	if seen < 80 {
		t.Errorf("only %d messages were found", seen)
	}
}

// messageIn is the text that a call gives beside a reason, or to one of the functions that know theirs.
func messageIn(call *ast.CallExpr) string {
	for i, arg := range call.Args {
		if reason, ok := arg.(*ast.SelectorExpr); ok && strings.HasPrefix(reason.Sel.Name, "Reason") && len(reason.Sel.Name) > len("Reason") && i+1 < len(call.Args) {
			return literal(call.Args[i+1])
		}
	}
	if known, ok := call.Fun.(*ast.Ident); ok && len(call.Args) > 0 && (known.Name == "unauthenticated" || known.Name == "conflict") {
		return literal(call.Args[0])
	}
	return ""
}

// literal joins the texts of an expression; what is put between them is left out. Nothing for a format that is all a value.
func literal(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && text != "%s" {
			return text
		}
	case *ast.BinaryExpr:
		return literal(e.X) + literal(e.Y)
	}
	return ""
}
